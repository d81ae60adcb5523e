//! From a folder of source to a component: templates, `function.toml`, tool chains, builds.
//!
//! A [`Project`] is a folder with a `function.toml`. [`build`] turns it into a component with the tool chain of its
//! language, which [`Toolchains`] sets up in a folder of its own when it is missing: pinned versions, nothing installed
//! into the machine. [`new_project`] writes a project from a template that is embedded here, as are the WIT and the
//! guest SDKs, so that one binary has everything.
//!
//! Nothing here prints, exits or reads the environment; [`Progress`] says what is going on, and tools are found by
//! `PATH`. Deploying what was built is the caller's.

mod error;
pub use error::{BuildError, ConfigError, Diagnostic, NewError};
mod project;
pub use project::{Engine, Language, Project, WorldKind};
mod application;
mod config;
pub use application::{Application, Brought, Complaint, Files, Imported, Source, import_wrangler};
mod keys;
mod template;
pub use template::{Template, new_project, templates};
mod build;
pub use build::{Built, Event, Progress, build, fingerprint, watch_paths};
mod component;
pub use component::{Surface, surface};
mod toolchain;
pub use toolchain::{Toolchains, default_cache};

mod embedded;
mod process;

#[cfg(test)]
mod tests;
