//! The rules of work that models, agents and people do, as pure functions: no I/O, no clock.
//!
//! `definition` reads functions that are declared without a component, `template` fills in what they say, `answer` finds
//! the value in what a model wrote, `prompt` takes out of a text what no model may see.

mod answer;
mod definition;
mod prompt;
mod template;

pub use answer::value_of;
pub use definition::{Definition, DefinitionError};
pub use prompt::without_secrets;
pub use template::{Scope, Template, TemplateError, fill};
