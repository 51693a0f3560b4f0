//! What is told to people and machines: status, metrics, events, log. Must never decide anything: it only retells what
//! the engine says, and prints no value of an object.

pub mod board;
pub mod change;
pub mod diff;
pub mod log;
pub mod metrics;
pub mod progress;
pub mod render;
pub mod reporter;
pub mod status;
pub mod terminal;
pub mod verb;

pub use board::StatusHandle;
pub use change::{Change, ChangeSet, Place, RuleRef};
pub use metrics::Metrics;
pub use reporter::Reporter;
pub use status::Status;
pub use verb::{Side, Verb};
