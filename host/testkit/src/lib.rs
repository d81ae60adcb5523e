//! What tests use in place of the world: an executor that runs closures, models that answer by a script, a log that is
//! listened to, a node on a temporary folder.
//!
//! Nothing here is part of the server.

mod executor;
pub use executor::{Behaviour, ScriptedExecutor, completed, failed};
mod log;
pub use log::{HeardLog, stopped_after};
mod models;
pub use models::{ScriptedModels, said, wants};
mod node;
pub use node::{START, TestNode, component};
