//! What tests use in place of the world: an executor that runs closures, and a node on a temporary folder.
//!
//! Nothing here is part of the server.

mod executor;
pub use executor::{Behaviour, ScriptedExecutor, completed, failed};
mod node;
pub use node::{START, TestNode, component};
