//! One file for each resource. A handler reads what it needs from the request, calls the object, writes the answer.

pub(crate) mod actions;
pub(crate) mod actions_log;
pub(crate) mod agent_runs;
pub(crate) mod agents;
pub(crate) mod answers;
pub(crate) mod approvals;
pub(crate) mod branches;
pub(crate) mod checkout;
pub(crate) mod dead_letters;
pub(crate) mod deployments;
pub(crate) mod events;
pub(crate) mod events_stream;
pub(crate) mod functions;
pub(crate) mod index;
pub(crate) mod invocations;
pub(crate) mod keys;
pub(crate) mod lifecycle;
pub(crate) mod logs;
pub(crate) mod merge;
pub(crate) mod models;
pub(crate) mod nouns;
pub(crate) mod objects;
pub(crate) mod schedules;
pub(crate) mod secrets;
pub(crate) mod self_;
pub(crate) mod status;
pub(crate) mod streams;
pub(crate) mod subscriptions;
pub(crate) mod things;
pub(crate) mod undo;
mod upload;
pub(crate) mod verbs;
pub(crate) mod workers;
pub(crate) mod workflow_runs;
pub(crate) mod workflows;

use crate::problem::Problem;
use axum::RequestPartsExt;
use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use types::{At, FunctionName, Id, NameError};

/// The one variable segment of a route's path, percent-decoded.
pub(crate) struct Segment(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Segment {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Path(text) = parts
            .extract::<Path<String>>()
            .await
            .map_err(|_| Problem::bad_request("the path is not UTF-8 once it is percent-decoded"))?;
        Ok(Self(text))
    }
}

impl Segment {
    /// Nothing can be there under a name that is no name; a malformed version is another mistake (spec ID-12).
    pub(crate) fn function(&self) -> Result<(FunctionName, At), Problem> {
        let (name, at) = match self.0.split_once('@') {
            Some((name, at)) => (name, At::parse(at).map_err(name_problem)?),
            None => (self.0.as_str(), At::Head),
        };
        Ok((FunctionName::parse(name).map_err(name_problem)?, at))
    }

    /// Of the newest version; a ref is not accepted.
    pub(crate) fn bare_function(&self) -> Result<FunctionName, Problem> {
        if self.0.contains('@') {
            return Err(Problem::bad_request("this route takes a function's name without a version"));
        }
        FunctionName::parse(&self.0).map_err(name_problem)
    }

    pub(crate) fn id(&self, what: &str) -> Result<Id, Problem> {
        self.0.parse().map_err(|_| Problem::not_found(format!("there is no {what} with this id; ids are UUIDs")))
    }
}

pub(crate) fn name_problem(error: NameError) -> Problem {
    match error {
        NameError::Function(_) | NameError::Action(_) => Problem::not_found(error.to_string()),
        NameError::At(_) => Problem::bad_request(error.to_string()),
    }
}
