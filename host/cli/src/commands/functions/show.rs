//! `org.ai functions show`

use super::{function_ref, not_deployed};
use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::Value;

/// Show one function: its actions with their schemas, its imports, its versions
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai functions show hello\n  org.ai functions show hello@v3 --json")]
pub(crate) struct Command {
    /// Its name, or name@v3, or name@~1
    #[arg(value_parser = function_ref)]
    name: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let url = client.url(&["functions", &command.name]);
    let mut function = client.get(context, url).await.map_err(not_deployed)?;
    let name = command.name.split('@').next().unwrap_or(&command.name);
    let versions = client.get(context, client.url(&["functions", name, "versions"])).await.map_err(not_deployed)?;
    if function.is_object() {
        function["versions"] = rows(versions, "versions");
    }
    context.result(&function, human)
}

fn human(function: &Value) -> String {
    let mut text = String::new();
    for key in ["name", "type", "version", "hash", "size", "url", "createdAt"] {
        if !function[key].is_null() {
            text.push_str(&format!("{:<12} {}\n", format!("{key}:"), cell(function, key)));
        }
    }
    if let Some(description) = function["manifest"]["description"].as_str() {
        text.push_str(&format!("description: {description}\n"));
    }
    let list = |key: &str| function[key].as_array().cloned().unwrap_or_default();
    if !list("imports").is_empty() {
        let imports: Vec<String> = list("imports").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        text.push_str(&format!("imports:     {}\n", imports.join("\n             ")));
    }
    for action in list("actions") {
        text.push_str(&format!(
            "\n{}\n  input:  {}\n  output: {}\n",
            cell(&action, "name"),
            action["input"],
            action["output"]
        ));
    }
    let row = |version: &Value| ["version", "hash", "size", "createdAt"].map(|key| cell(version, key)).to_vec();
    let versions = list("versions");
    text.push('\n');
    text.push_str(&table(&["version", "hash", "size", "deployed"], versions.iter().map(row), "no versions"));
    text
}
