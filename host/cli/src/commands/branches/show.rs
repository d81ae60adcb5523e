//! `org.ai branches show`

use super::{any_branch, url};
use crate::checkouts;
use crate::context::{Context, cell, one_line};
use crate::failure::Result;
use serde_json::Value;

/// Show one branch: where it began, how far it is ahead and behind
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai branches show experiment")]
pub(crate) struct Command {
    /// Its name
    #[arg(value_parser = any_branch)]
    name: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = checkouts::client(context)?;
    let branch = client.get(context, url(&client, &command.name)).await?;
    context.result(&branch, human)
}

fn human(branch: &Value) -> String {
    let keys = ["name", "parent", "forkedFrom", "base", "head", "ahead", "behind", "createdAt", "createdBy"];
    let mut text = String::new();
    for key in keys.into_iter().filter(|key| !branch[*key].is_null()) {
        text.push_str(&format!("{:<12} {}\n", format!("{key}:"), one_line(&cell(branch, key))));
    }
    let things: Vec<&str> = branch["things"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !things.is_empty() {
        text.push_str(&format!("only:        {}\n", one_line(&things.join(", "))));
    }
    text
}
