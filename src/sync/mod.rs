//! The planner (pure) and the engine that carries out its plans.

pub mod act;
pub mod base;
pub mod batch;
mod carried;
pub mod clock;
pub mod deletes;
pub mod directions;
pub mod engine;
mod evidence;
mod existence;
pub mod live;
mod merge;
pub mod message;
pub mod observe;
mod patches;
pub mod plan;
pub mod planner;
pub mod queue;
pub mod removed;
pub mod spots;
pub mod state;
pub mod targets;
mod to_cluster;
mod to_git;
pub mod told;
