//! The endpoints of a running controller.
