//! The planner (pure) and the engine that carries out its plans.
