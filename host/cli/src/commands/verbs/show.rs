//! `org.ai verbs show`

use super::verb;
use crate::client::Client;
use crate::context::{Context, cell, one_line};
use crate::failure::Result;

/// Show one verb, by any of its forms
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai verbs show shipped")]
pub(crate) struct Command {
    /// The verb: ship, shipping, shipped, ships
    #[arg(value_parser = verb)]
    verb: String,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let verb = client.get(context, client.url(&["verbs", &command.verb])).await?;
    context.result(&verb, |verb| {
        let keys =
            ["action", "activity", "event", "predicate", "reverseBy", "reverseAt", "reverseIn", "inverse", "builtin"];
        let known = keys.into_iter().filter(|key| !verb[*key].is_null());
        known.map(|key| format!("{:<12} {}\n", format!("{key}:"), one_line(&cell(verb, key)))).collect()
    })
}
