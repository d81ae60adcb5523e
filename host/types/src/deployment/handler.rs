//! What an event, a tick or a step calls, as one text.

use super::{Deployment, FunctionBody, Step, WorkflowBody};
use crate::{ActionRef, At, FunctionName};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What is called. One spelling everywhere:
///
/// | text | what it is |
/// |---|---|
/// | `invoice-pay` | a function |
/// | `calc.add` | an export of a tool box |
/// | `shop#onCustomer` | a handler of an app |
///
/// It never names a version: what is newest when it is called is called.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Handler {
    Function(FunctionName),
    Export { function: FunctionName, export: String },
    App { function: FunctionName, name: String },
}

/// Why a text names nothing that can be called.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0:?} is no handler: write a function (invoice-pay), toolbox.export (calc.add) or app#handler (shop#onCustomer)"
)]
pub struct HandlerError(pub String);

impl Handler {
    /// The longest name of a handler within an app, in bytes.
    pub const NAME_BYTES_MAX: usize = 128;

    /// The function that is called, whatever within it.
    pub fn function(&self) -> &FunctionName {
        match self {
            Self::Function(function) | Self::Export { function, .. } | Self::App { function, .. } => function,
        }
    }

    /// Whether an app may call a handler so: visible ASCII without what has a meaning around it.
    pub fn is_handler_name(text: &str) -> bool {
        !text.is_empty()
            && text.len() <= Self::NAME_BYTES_MAX
            && text
                .bytes()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'#' | b'@' | b'"' | b'\'' | b'{' | b'}' | b'\\'))
    }
}

impl FromStr for Handler {
    type Err = HandlerError;

    fn from_str(text: &str) -> Result<Self, HandlerError> {
        let refuse = || HandlerError(text.chars().take(200).collect());
        if let Some((function, name)) = text.split_once('#') {
            let function = FunctionName::parse(function).map_err(|_| refuse())?;
            if !Self::is_handler_name(name) {
                return Err(refuse());
            }
            return Ok(Self::App { function, name: name.to_owned() });
        }
        match text.parse::<ActionRef>().map_err(|_| refuse())? {
            // `@main` is the newest too, but a second spelling of it.
            _ if text.contains('@') => Err(refuse()),
            ActionRef { function, export: None, at: At::Head } => Ok(Self::Function(function)),
            ActionRef { function, export: Some(export), at: At::Head } => Ok(Self::Export { function, export }),
            ActionRef { at: At::Version(_) | At::Back(_), .. } => Err(refuse()),
        }
    }
}

impl TryFrom<String> for Handler {
    type Error = HandlerError;

    fn try_from(text: String) -> Result<Self, HandlerError> {
        text.parse()
    }
}

impl From<Handler> for String {
    fn from(handler: Handler) -> Self {
        handler.to_string()
    }
}

impl fmt::Display for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Function(function) => function.fmt(f),
            Self::Export { function, export } => write!(f, "{function}.{export}"),
            Self::App { function, name } => write!(f, "{function}#{name}"),
        }
    }
}

impl Deployment {
    /// Everything that it calls, each with its path: what must be there before it is accepted.
    pub fn handlers(&self) -> Vec<(String, &Handler)> {
        let mut found = Vec::new();
        for (n, function) in self.functions.iter().enumerate() {
            if let FunctionBody::Handler(handler) = &function.run {
                found.push((format!("functions[{n}].run.handler"), handler));
            }
        }
        let subscriptions = self.subscriptions.iter().enumerate();
        found.extend(subscriptions.map(|(n, s)| (format!("subscriptions[{n}].handler"), &s.handler)));
        let schedules = self.schedules.iter().enumerate();
        found.extend(schedules.map(|(n, s)| (format!("schedules[{n}].handler"), &s.handler)));
        for (n, workflow) in self.workflows.iter().enumerate() {
            let path = format!("workflows[{n}]");
            found.extend(workflow.on_failure.as_ref().map(|handler| (format!("{path}.onFailure"), handler)));
            match &workflow.run {
                WorkflowBody::Handler(handler) => found.push((format!("{path}.run.handler"), handler)),
                WorkflowBody::Steps(steps) => of_steps(steps, &format!("{path}.run.steps"), &mut found),
            }
        }
        found.extend(self.probe.as_ref().map(|probe| ("probe.handler".to_owned(), &probe.handler)));
        found
    }
}

fn of_steps<'a>(steps: &'a [Step], path: &str, found: &mut Vec<(String, &'a Handler)>) {
    for (n, step) in steps.iter().enumerate() {
        match step {
            Step::Do { action, compensate, .. } => {
                found.push((format!("{path}[{n}].do.action"), action));
                let back = compensate.as_ref().map(|c| (format!("{path}[{n}].do.compensate.action"), &c.action));
                found.extend(back);
            }
            Step::Branch { then, otherwise, .. } => {
                of_steps(then, &format!("{path}[{n}].branch.then"), found);
                of_steps(otherwise, &format!("{path}[{n}].branch.else"), found);
            }
            Step::Parallel { branches, .. } => {
                for (m, branch) in branches.iter().enumerate() {
                    of_steps(branch, &format!("{path}[{n}].parallel.branches[{m}]"), found);
                }
            }
            Step::Sleep { .. } | Step::SleepUntil { .. } | Step::WaitForEvent { .. } | Step::Approval { .. } => {}
        }
    }
}
