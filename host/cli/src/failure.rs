//! Why a command did not succeed, its exit code, and what to do about it: the one table of spec CLI-2 and CLI-3.

use serde_json::{Value, json};
use std::fmt;

/// The exit codes of spec CLI-2.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    General = 1,
    Usage = 2,
    NotAuthenticated = 3,
    PermissionDenied = 4,
    Network = 5,
    RateLimited = 6,
    NotFound = 7,
    Timeout = 8,
    Remote = 9,
    Config = 10,
    Interrupted = 130,
}

/// One row: the code of an error (the server's or ours), its exit code, and the hint for a person.
struct Row(&'static str, Exit, Option<&'static str>);

const LOGIN: Option<&str> =
    Some("log in with `org.ai login --with-token`, set ORG_AI_TOKEN, or start your own server with `org.ai dev`");
const START: Option<&str> = Some("is the server running? start one with `org.ai dev`");
const LONGER: Option<&str> = Some("give it longer with --timeout 2m");

/// Codes first; an answer whose code is not here goes by [`of_status`].
const TABLE: &[Row] = &[
    // of our own
    Row("USAGE", Exit::Usage, Some("`--help` behind the command shows its flags and an example")),
    Row("CONFIRMATION_REQUIRED", Exit::Usage, Some("add --yes to do it without being asked")),
    Row("BAD_JSON", Exit::Usage, Some("give JSON, @file to read a file, or - to read standard input")),
    Row("INSECURE_URL", Exit::Usage, Some("use https://, or add --insecure if you know the network")),
    Row("NETWORK", Exit::Network, START),
    Row("TIMED_OUT", Exit::Timeout, LONGER),
    Row("FILE_NOT_FOUND", Exit::NotFound, None),
    Row(
        "NOT_A_COMPONENT",
        Exit::General,
        Some("build one with `org.ai functions build`, or give the project's folder"),
    ),
    Row("BUILD_FAILED", Exit::General, None),
    Row("PROJECT_INVALID", Exit::Config, None),
    Row("CONFIG_INVALID", Exit::Config, None),
    Row("CREDENTIALS_INVALID", Exit::Config, Some("repair or remove the file, then `org.ai login --with-token`")),
    Row("NOT_LOGGED_IN", Exit::NotAuthenticated, LOGIN),
    Row("NOT_SERVED", Exit::General, None),
    Row("DATA_IN_USE", Exit::Config, None),
    Row(
        "LISTEN_FAILED",
        Exit::Config,
        Some("another program may hold the port; --listen 127.0.0.1:0 takes a free one"),
    ),
    Row("INTERRUPTED", Exit::Interrupted, None),
    // of the server (spec 0.6)
    Row("UNAUTHORIZED", Exit::NotAuthenticated, LOGIN),
    Row("UNAUTHENTICATED", Exit::NotAuthenticated, LOGIN),
    Row("FORBIDDEN", Exit::PermissionDenied, Some("ask for a key with more scopes: `org.ai keys create --help`")),
    Row("RATE_LIMITED", Exit::RateLimited, Some("wait, then try again")),
    Row("TIMEOUT", Exit::Timeout, LONGER),
    Row("CPU_LIMIT", Exit::Timeout, None),
    Row("UPSTREAM_FAILED", Exit::Remote, None),
    Row("NOT_IMPLEMENTED", Exit::General, None),
    Row("UNAVAILABLE", Exit::Network, Some("the server is there but not ready; try again in a moment")),
    Row("INTERNAL", Exit::General, Some("the server's log has the reason under this request's id")),
    Row(
        "PRECONDITION_FAILED",
        Exit::General,
        Some("it was changed meanwhile: look at the newest version, then try again"),
    ),
    Row(
        "VERSION_CONFLICT",
        Exit::General,
        Some("it was changed meanwhile: look at the newest version, then try again"),
    ),
    Row("READ_ONLY_REF", Exit::General, Some("write without a ref, or to a branch: --at NAME")),
    Row("BRANCH_NOT_FOUND", Exit::NotFound, Some("`org.ai branches list` shows the branches there are")),
    Row(
        "RUN_NOT_FOUND",
        Exit::NotFound,
        Some("`org.ai workflows list` shows the last run of each; of a removed workflow write WORKFLOW/RUN"),
    ),
    Row("RUN_FAILED", Exit::Remote, None),
    Row("NOUN_NOT_FOUND", Exit::NotFound, Some("`org.ai nouns list` shows the types there are")),
    Row(
        "VERSION_DELETED",
        Exit::NotFound,
        Some("`org.ai things history` shows its versions, `org.ai things restore` brings it back"),
    ),
    Row(
        "MERGE_CONFLICT",
        Exit::General,
        Some("decide: --resolve Type/id=ours|theirs|delete|FILE for one thing, --strategy ours|theirs for all"),
    ),
    Row("FUNCTION_FAILED", Exit::Remote, Some("`org.ai functions logs NAME` shows what it wrote")),
];

/// For codes that the table does not name, and answers without one.
fn of_status(status: u16) -> Exit {
    match status {
        401 => Exit::NotAuthenticated,
        403 => Exit::PermissionDenied,
        404 | 410 => Exit::NotFound,
        408 | 504 => Exit::Timeout,
        400 | 422 => Exit::Usage,
        429 => Exit::RateLimited,
        502 => Exit::Remote,
        503 => Exit::Network,
        _ => Exit::General,
    }
}

/// Why a command did not succeed. What it holds may be shown: no secret gets in here.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) exit: Exit,
    pub(crate) hint: Option<String>,
    pub(crate) details: Option<Box<Value>>,
    pub(crate) request_id: Option<Box<str>>,
    /// The action that the request became before it failed: a function ran.
    pub(crate) action_id: Option<Box<str>>,
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// By a code of the table.
    pub(crate) fn new(code: &str, message: impl fmt::Display) -> Self {
        let row = TABLE.iter().find(|row| row.0 == code);
        Self {
            code: code.to_owned(),
            message: message.to_string(),
            exit: row.map_or(Exit::General, |row| row.1),
            hint: row.and_then(|row| row.2).map(str::to_owned),
            details: None,
            request_id: None,
            action_id: None,
        }
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new("USAGE", message)
    }

    /// Anything else that went wrong on this machine, with what was being done.
    pub(crate) fn local(what: impl fmt::Display, error: impl fmt::Display) -> Self {
        Self::new("FAILED", format!("{what}: {error}"))
    }

    /// From an answer that is not 2xx. `body` is `{"error":{"code","message","details"?,"requestId"}}` (spec 0.6); an
    /// answer of something in between (a proxy) may be anything.
    pub(crate) fn of_answer(status: u16, body: &Value) -> Self {
        let error = &body["error"];
        let code = error["code"].as_str().unwrap_or("HTTP_ERROR");
        let message = error["message"]
            .as_str()
            .map_or_else(|| format!("the server answered {status} without saying why"), str::to_owned);
        let mut failure = Self::new(code, message);
        if !TABLE.iter().any(|row| row.0 == code) {
            failure.exit = of_status(status);
        }
        failure.details = error.get("details").filter(|d| !d.is_null()).cloned().map(Box::new);
        let text = |key: &str| error[key].as_str().map(Box::from);
        (failure.request_id, failure.action_id) = (text("requestId"), text("actionId"));
        failure
    }

    #[must_use]
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// The document of spec CLI-3.
    pub(crate) fn to_json(&self) -> Value {
        let mut error = json!({"code": self.code, "message": self.message, "exitCode": self.exit as u8});
        for (key, value) in [
            ("details", self.details.as_deref().cloned()),
            ("hint", self.hint.clone().map(Value::from)),
            ("requestId", self.request_id.as_deref().map(Value::from)),
            ("actionId", self.action_id.as_deref().map(Value::from)),
        ] {
            if let Some(value) = value {
                error[key] = value;
            }
        }
        json!({ "error": error })
    }

    /// For a person, on as many lines as it needs.
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!("error: {}", self.message);
        // A build's message lists its complaints already, one a line.
        if let Some(details) = self.details.as_ref().filter(|_| self.code != "BUILD_FAILED") {
            match &**details {
                Value::String(line) => text.push_str(&format!("\n{line}")),
                Value::Array(faults) if !faults.is_empty() && faults.iter().all(|f| f["message"].is_string()) => {
                    let lines = faults.iter().map(field_line);
                    // One that is all of the message needs no second line.
                    for line in lines.filter(|line| !self.message.contains(line.as_str())) {
                        text.push_str(&format!("\n  {line}"));
                    }
                }
                other => text.push_str(&format!("\n{other:#}")),
            }
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\nhint: {hint}"));
        }
        for (what, id) in [("request", &self.request_id), ("action", &self.action_id)] {
            if let Some(id) = id {
                text.push_str(&format!("\n{what}: {id}"));
            }
        }
        text
    }
}

/// What is wrong with one field (spec NOU-5).
fn field_line(fault: &Value) -> String {
    let message = fault["message"].as_str().unwrap_or_default();
    match fault["field"].as_str() {
        Some(field) if !field.is_empty() => format!("{field}: {message}"),
        Some(_) | None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_of_the_server_has_its_exit_code() {
        for (status, code, exit) in [
            (400, "BAD_REQUEST", 2),
            (401, "UNAUTHORIZED", 3),
            (403, "FORBIDDEN", 4),
            (404, "NOT_FOUND", 7),
            (408, "TIMEOUT", 8),
            (409, "CONFLICT", 1),
            (410, "GONE", 7),
            (413, "PAYLOAD_TOO_LARGE", 1),
            (422, "VALIDATION_FAILED", 2),
            (422, "INPUT_INVALID", 2),
            (429, "RATE_LIMITED", 6),
            (500, "INTERNAL", 1),
            (501, "NOT_IMPLEMENTED", 1),
            (502, "UPSTREAM_FAILED", 9),
            (502, "TRAP", 9),
            (503, "UNAVAILABLE", 5),
            (504, "TIMEOUT", 8),
        ] {
            let failure = Failure::of_answer(status, &json!({"error": {"code": code, "message": "m"}}));
            assert_eq!(failure.exit as u8, exit, "{status} {code}");
            assert_eq!(failure.code, code);
        }
    }

    #[test]
    fn an_answer_that_is_not_ours_is_still_an_error_with_a_code() {
        let failure = Failure::of_answer(502, &Value::Null);
        assert_eq!((failure.exit, failure.code.as_str()), (Exit::Remote, "HTTP_ERROR"));
        assert!(failure.message.contains("502"));
    }

    #[test]
    fn the_error_document_names_code_message_exit_and_hint() {
        let failure = Failure::of_answer(
            404,
            &json!({"error": {"code": "NOT_FOUND", "message": "no function x", "requestId": "r-1", "details": {"a": 1}}}),
        )
        .with_hint("look");
        assert_eq!(
            failure.to_json().to_string(),
            r#"{"error":{"code":"NOT_FOUND","message":"no function x","exitCode":7,"details":{"a":1},"hint":"look","requestId":"r-1"}}"#
        );
    }

    #[test]
    fn what_is_wrong_with_each_field_has_its_line() {
        let details = json!([
            {"field": "age", "rule": "type", "message": "age is a number"},
            {"field": "", "rule": "size", "message": "too much"},
        ]);
        let body = json!({"error": {"code": "VALIDATION_FAILED", "message": "2 fields", "details": details}});
        assert_eq!(Failure::of_answer(422, &body).to_text(), "error: 2 fields\n  age: age is a number\n  too much");
    }

    #[test]
    fn no_code_stands_twice_in_the_table() {
        let mut codes: Vec<_> = TABLE.iter().map(|row| row.0).collect();
        codes.sort_unstable();
        let all = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }
}
