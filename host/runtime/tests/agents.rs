//! Agents and agentic functions on a node, with models and tools that say what the test wants.

#[path = "agents/crash.rs"]
mod crash;
#[path = "agents/functions.rs"]
mod functions;
#[path = "agents/outside.rs"]
mod outside;
#[path = "agents/scene.rs"]
mod scene;
#[path = "agents/workers.rs"]
mod workers;
