//! The rules of work that agents and people do: what can be asked, who is asked next and when, what counts as an answer.
//! Pure: values in, values out, no clock and no I/O. `runtime` keeps the records and the timers, and does the asking.
//!
//! - [`draft`] reads what somebody is asked for.
//! - [`plan`] says what happens to a request by itself, and when.
//! - [`decide`] says what an answer makes of it, and whether it counts.
//! - [`outcome`] is what who asked is told in the end.
//! - [`staff`] looks at what is known of agents and people.
//! - [`agent`] says how an agent's loop goes on, `policy` what an agent may approve.
//!
//! Of functions that are a model, an agent or a person: `definition` reads those that are declared without a component,
//! `template` fills in what they say, `answer` finds the value in what a model wrote, `prompt` takes out of a text what no
//! model may see.

pub mod agent;
mod answer;
mod definition;
mod policy;
mod prompt;
mod template;

pub mod decide;
pub mod draft;
pub mod outcome;
pub mod plan;
pub mod staff;

pub use answer::value_of;
pub use definition::{Definition, DefinitionError};
pub use policy::approves;
pub use prompt::without_secrets;
pub use template::{Scope, Template, TemplateError, fill};
