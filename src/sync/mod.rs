//! The planner (pure) and the engine that carries out its plans.

pub mod act;
pub mod base;
pub mod batch;
pub mod clock;
pub mod deletes;
pub mod directions;
pub mod engine;
mod evidence;
mod existence;
pub mod live;
pub mod message;
pub mod observe;
pub mod plan;
pub mod planner;
pub mod queue;
pub mod removed;
mod to_cluster;
mod to_git;
pub mod told;
