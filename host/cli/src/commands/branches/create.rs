//! `org.ai branches create`

use super::branch_name;
use crate::address::{Address, parse_ref};
use crate::checkouts;
use crate::context::{Context, cell};
use crate::failure::{Failure, Result};
use serde_json::json;
use types::BranchName;

/// Make a branch; nothing is copied, and nobody is switched to it
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai branches create experiment\n  org.ai branches create repair --from v120 --thing Startup/acme\n\nWrite to it with --at experiment, or after `org.ai checkout experiment`."
)]
pub(crate) struct Command {
    /// Its name
    #[arg(value_parser = branch_name)]
    name: BranchName,
    /// The state it begins with: a branch, v12, 2024-01-08 or a time [default: what is checked out, else main]
    #[arg(long, value_name = "REF")]
    from: Option<String>,
    /// Only this thing can be written on it; several may be named [default: all]
    #[arg(long = "thing", value_name = "TYPE/ID")]
    things: Vec<String>,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let mut body = json!({"name": command.name});
    if let Some(from) = &command.from {
        body["from"] = parse_ref(from)?.into();
    }
    if !command.things.is_empty() {
        let things = command.things.iter().map(|thing| match Address::parse(thing)? {
            Address { at: Some(at), .. } => {
                Err(Failure::usage(format!("--thing {thing}: a branch begins at one state for all; give --from {at}")))
            }
            thing => Ok(thing.to_string()),
        });
        body["things"] = things.collect::<Result<Vec<_>>>()?.into();
    }
    let client = checkouts::client(context)?;
    let branch = client.post(context, client.url(&["branches"]), &body).await?;
    context.result(&branch, |branch| {
        let name = cell(branch, "name");
        format!("Created {name} at v{}; `org.ai checkout {name}` goes there", cell(branch, "base"))
    })
}
