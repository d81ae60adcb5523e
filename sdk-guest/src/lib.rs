//! Functions for `org.ai`, written in Rust.
//!
//! ```
//! #[derive(serde::Deserialize)]
//! struct Input { name: String }
//!
//! fn greet(input: Input) -> Result<String, org_ai::Fault> {
//!     Ok(format!("Hello, {}!", input.name))
//! }
//!
//! org_ai::export_code!(greet);
//! # fn main() {}
//! ```
//!
//! Everything here is a thin layer over [`bindings`], which are generated from the WIT of the platform: JSON becomes
//! any serde type, and a long argument list becomes a builder. What has no wrapper is called through the bindings.
//! Handlers for events, schedules and workflows are an [`app`]. The other kinds of function (generative, agentic, human)
//! are traits in [`worlds`] with one macro each.
#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "host builds exist for `cargo check` and doctests"))]

#[doc(hidden)]
pub extern crate wit_bindgen;

// Generated code names this crate by its public name, from here as from the macros.
extern crate self as org_ai;

pub mod bindings;
mod export;
#[doc(hidden)]
pub mod json;
pub mod worlds;

pub mod actions;
pub mod app;
pub mod context;
pub mod events;
pub mod fault;
pub mod http;
pub mod things;
pub mod timers;
pub mod worker;

pub use bindings::org_ai::types::types::{Fault, FaultKind, Json, ThingRef};
