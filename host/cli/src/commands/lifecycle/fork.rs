//! `org.ai fork`

use super::count;
use crate::address::parse_ref;
use crate::commands::branches::any_branch;
use crate::context::{Context, cell};
use crate::failure::Result;
use serde_json::json;
use types::{Namespace, NamespaceError};

/// Make a new durable object from the present state of this one, without its history
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai fork https://copy.example\n  org.ai fork https://copy.example --branch experiment --ns https://acme.example"
)]
pub(crate) struct Command {
    /// The new object's namespace
    #[arg(value_name = "NAMESPACE", value_parser = namespace)]
    to: Namespace,
    /// The state of this branch
    #[arg(long, value_parser = any_branch, conflicts_with = "at")]
    branch: Option<String>,
    /// The state at this ref: v12, 2024-01-08 or a time
    #[arg(long, value_name = "REF")]
    at: Option<String>,
}

fn namespace(text: &str) -> std::result::Result<Namespace, NamespaceError> {
    Namespace::parse(text)
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let mut body = json!({"to": command.to.as_str()});
    if let Some(branch) = command.branch {
        body["branch"] = branch.into();
    }
    if let Some(at) = command.at {
        body["at"] = parse_ref(&at)?.into();
    }
    super::run("fork", &body, context, |result| {
        let from = if result["forkedFrom"].is_null() {
            String::new()
        } else {
            format!(" from {}", cell(result, "forkedFrom"))
        };
        format!("Forked into {}: {}{from}", cell(result, "ns"), count(result, "things", "thing"))
    })
    .await
}
