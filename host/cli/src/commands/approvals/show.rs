//! `org.ai approvals show`

use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::Result;
use serde_json::Value;
use std::fmt::Write;

/// Show a request: what is asked of whom, what was said, what comes next
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai approvals show 0198a6f2-7c1e-7000-8000-000000000001")]
pub(crate) struct Command {
    /// Its id, as `approvals list` shows it, or what who asked calls it
    id: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let request = client.get(context, client.url(&["approvals", &command.id])).await?;
    context.result(&request, human)
}

fn human(request: &Value) -> String {
    let mut text = format!("{}\n", cell(request, "title"));
    for name in ["id", "method", "type", "status", "worker", "requester", "createdAt", "expiresAt", "respondedBy"] {
        if request.get(name).is_some_and(|value| !value.is_null()) {
            // Infallible: a String takes everything.
            let _ = writeln!(text, "{name}: {}", cell(request, name));
        }
    }
    for assignee in request["assignees"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "asked: {} (level {})", cell(assignee, "id"), cell(assignee, "level"));
    }
    for answer in request["answers"].as_array().into_iter().flatten() {
        let why = answer["reason"].as_str().map(|reason| format!(": {reason}")).unwrap_or_default();
        let _ = writeln!(text, "answered by: {}{why}", cell(answer, "by"));
    }
    if request.get("response").is_some_and(|response| !response.is_null()) {
        let _ = writeln!(text, "answer: {}", cell(request, "response"));
    }
    for comment in request["comments"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "comment: {}: {}", cell(comment, "by"), cell(comment, "text"));
    }
    if let Some(next) = request.get("next").filter(|next| next.is_object()) {
        let _ = writeln!(text, "next: {} at {} {}", cell(next, "what"), cell(next, "at"), cell(next, "who"));
    }
    for warning in request["warnings"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "warning: {}", cell(warning, "message"));
    }
    text.trim_end().to_owned()
}
