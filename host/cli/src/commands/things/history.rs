//! `org.ai things history`

use super::not_there;
use crate::address::{Address, Which};
use crate::checkouts;
use crate::client::{Client, all_rows, array, next, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use crate::paint;
use reqwest::Method;
use serde_json::Value;

/// Most versions that `--all` fetches.
const ALL_MAX: usize = 100_000;
/// Versions a page when all are fetched: as many as the server gives.
const PAGE: u16 = 100;
/// Of what changed, in the table.
const CHANGES_CHARS_MAX: usize = 60;

/// Show the versions of a thing, newest first, with what each changed
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai things history Startup/acme\n  org.ai things history Startup/acme@experiment --limit 5"
)]
pub(crate) struct Command {
    #[command(flatten)]
    which: Which,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100), conflicts_with = "all")]
    limit: u16,
    /// All there are, page after page
    #[arg(long)]
    all: bool,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let thing = command.which.address()?;
    let client = checkouts::client(context)?;
    let (versions, is_more) = versions(&command, &thing, &client, context).await?;
    context.result(&Value::Array(versions), human)?;
    if is_more {
        context.note("there are more: --all shows them");
    }
    Ok(())
}

async fn versions(
    command: &Command,
    thing: &Address,
    client: &Client,
    context: &mut Context,
) -> Result<(Vec<Value>, bool)> {
    let limit = (if command.all { PAGE } else { command.limit }).to_string();
    let mut page = async |cursor: Option<&str>| {
        let query: Vec<(&str, &str)> =
            [("limit", limit.as_str())].into_iter().chain(cursor.map(|c| ("cursor", c))).collect();
        let request = thing.query(client, Method::GET, &["versions"], &query)?;
        Ok(client.send(context, request).await.map_err(not_there(thing))?.body)
    };
    if command.all {
        let too_many = format!("there are more than {ALL_MAX} versions: ask for fewer with --limit");
        return Ok((all_rows("versions", ALL_MAX, &too_many, page).await?, false));
    }
    let body = page(None).await?;
    let is_more = next(&body).is_some();
    Ok((array(rows(body, "versions")), is_more))
}

fn human(versions: &Value) -> String {
    let row = |version: &Value| {
        let action = &version["action"];
        let did = match (action["verb"].as_str(), version["deleted"] == true) {
            (Some(verb), _) => verb.to_owned(),
            (None, true) => "delete".to_owned(),
            (None, false) => "-".to_owned(),
        };
        let changes: Vec<&str> =
            version["changes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let changed = if changes.is_empty() { "-".to_owned() } else { changes.join(", ") };
        vec![
            format!("v{}", cell(version, "version")),
            cell(version, "branch"),
            did,
            paint::cut(&changed, CHANGES_CHARS_MAX),
            cell(action, "actor"),
            cell(version, "createdAt"),
        ]
    };
    let columns = ["version", "branch", "did", "changed", "by", "at"];
    table(&columns, versions.as_array().into_iter().flatten().map(row), "no versions")
}
