//! Runs one component inside limits: [`Engine`] is the `types::exec::Executor` of the platform.
//!
//! One path: bytes are looked at ([`inspect`]), compiled or taken from the cache ([`load`], [`cache`]), and run
//! ([`run`]) in a store of their own ([`state`]) until they end or a limit ends them ([`fault`] says which). Each import
//! of ours becomes a `types::Call` for whoever started the run ([`imports`]); WASI is answered here ([`wasi`], [`http`]).
//! In a durable run what WASI answers must be the same again, so waiting ([`poll`]) and asking others (`http::step`) are
//! steps of its journal.
//! A component of none of our worlds is a tool box; [`shape`], [`schema`] and [`value`] turn its types into JSON and back.
//!
//! This crate knows nothing of objects, actions, databases or our own HTTP interface, and it is, with `world`, the only
//! one that names wasmtime.

mod config;
pub use config::{Config, compiler_config};
mod engine;
pub use engine::{Engine, Error};
mod cache;
mod ending;
mod fault;
mod files;
mod http;
mod imports;
mod inspect;
mod load;
mod log;
mod nearest;
mod poll;
mod run;
mod schema;
mod shape;
mod state;
mod ticker;
mod tmp;
mod value;
mod wasi;

#[cfg(test)]
mod tests;
