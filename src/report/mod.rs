//! What is told to people and machines: status, metrics, events, log.
