//! What workers go by, as functions of their inputs: how an agent's loop goes on, and what an agent may approve.
//!
//! There is no I/O and no clock here. Who asks models, calls tools and writes down what came of it is `runtime`.

pub mod agent;
mod policy;
pub use policy::approves;
