//! What is wrong with an application's file, as a failure that names its lines, whoever found it.

use super::Prepared;
use crate::failure::{Exit, Failure, Result};
use authoring::{Application, Complaint};
use serde_json::{Value, json};
use std::path::Path;
use types::deployment::Handler;

/// The file, as the user called it.
pub(super) struct File {
    pub(super) shown: String,
}

impl File {
    /// All complaints of the reader.
    pub(super) fn failure(&self, complaints: &[Complaint]) -> Failure {
        let shown = &self.shown;
        let lines: Vec<String> =
            complaints.iter().map(|complaint| format!("{}:{complaint}", self.of(complaint))).collect();
        let message = match &lines[..] {
            [one] => one.clone(),
            many => format!("{shown} has {} mistakes\n  {}", many.len(), many.join("\n  ")),
        };
        let details: Vec<Value> = complaints
            .iter()
            .map(|c| json!({"file": self.of(c), "line": c.line, "path": c.path, "message": c.message}))
            .collect();
        Failure { details: Some(Box::new(details.into())), ..Failure::new("CONFIG_INVALID", message) }
    }

    /// The file that a complaint is about, as the user would call it.
    fn of(&self, complaint: &Complaint) -> String {
        match &complaint.file {
            Some(beside) => Path::new(&self.shown).with_file_name(beside).display().to_string(),
            None => self.shown.clone(),
        }
    }

    pub(super) fn mistake(&self, line: usize, message: &str) -> Failure {
        self.failure(&[Complaint { file: None, line, path: String::new(), message: message.to_owned() }])
    }

    /// What the server finds wrong with the deployment is wrong with the file: its paths become lines.
    pub(super) fn located(&self, failure: Failure, application: &Application) -> Failure {
        let faults = failure.details.as_deref().and_then(Value::as_array).cloned().unwrap_or_default();
        let complaint = |fault: &Value| {
            let (path, message) = (fault["field"].as_str()?, fault["message"].as_str()?);
            let line = application.line(path)?;
            let file = application.file(path).map(str::to_owned);
            Some(Complaint { file, line, path: path.to_owned(), message: format!("{path}: {message}") })
        };
        let complaints: Option<Vec<Complaint>> = faults.iter().map(complaint).collect();
        match complaints {
            Some(complaints) if !complaints.is_empty() && failure.exit == Exit::Usage => {
                Failure { code: failure.code, request_id: failure.request_id, hint: None, ..self.failure(&complaints) }
            }
            // The document that is not understood was made here, of a file that was.
            Some(_) | None if failure.exit == Exit::Usage => failure.with_exit(Exit::General),
            Some(_) | None => failure,
        }
    }

    /// A handler of an app is one of an app, an export is one of a tool box.
    pub(super) fn check_handlers(&self, application: &Application, prepared: &[Prepared]) -> Result<()> {
        let mut complaints = Vec::new();
        for (path, handler) in application.deployment.handlers() {
            let Some(function) = prepared.iter().find(|p| p.name == *handler.function()) else { continue };
            let kind = function.answer["type"].as_str().unwrap_or_default();
            let wanted = match handler {
                Handler::Function(_) => continue,
                Handler::Export { .. } => "tool-box",
                Handler::App { .. } => "app",
            };
            if kind != wanted {
                let message =
                    format!("\"{handler}\" needs {} to be of kind {wanted}; it is {kind}", handler.function());
                let (file, line) = (application.file(&path).map(str::to_owned), application.line(&path).unwrap_or(1));
                complaints.push(Complaint { file, line, path, message });
            }
        }
        if complaints.is_empty() { Ok(()) } else { Err(self.failure(&complaints)) }
    }
}
