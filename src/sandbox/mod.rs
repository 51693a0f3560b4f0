//! An embedded API server for the demo and for fast tests. Never imported by the production path.
