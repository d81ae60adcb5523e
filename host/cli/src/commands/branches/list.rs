//! `org.ai branches list`

use crate::checkouts::{self, Checkouts};
use crate::client::rows;
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::Value;

/// List the branches, main first: how far each is ahead of what it stands on, and behind; * is checked out
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai branches list")]
pub(crate) struct Command {}

pub(crate) async fn run(_: Command, context: &mut Context) -> Result<()> {
    let client = checkouts::client(context)?;
    let current = Checkouts::locate(&context.env)?.find(&client.place())?.map_or_else(|| "main".to_owned(), |c| c.at);
    let branches = rows(client.get(context, client.url(&["branches"])).await?, "branches");
    context.result(&branches, |branches| {
        let row = |branch: &Value| {
            let name = cell(branch, "name");
            let mark = if name == current { " *" } else { "" };
            let rest = ["ahead", "behind", "head", "base", "forkedFrom", "createdAt"].map(|key| cell(branch, key));
            [format!("{name}{mark}")].into_iter().chain(rest).collect()
        };
        table(
            &["name", "ahead", "behind", "head", "base", "from", "created"],
            branches.as_array().into_iter().flatten().map(row),
            "no branches",
        )
    })
}
