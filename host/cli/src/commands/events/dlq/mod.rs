//! `org.ai events dlq …`: deliveries of events that failed and are not tried any more.

use crate::context::Context;
use crate::failure::Result;
use clap::Subcommand;
use serde_json::{Value, json};

pub(crate) mod list;
pub(crate) mod purge;
pub(crate) mod replay;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Command),
    Replay(replay::Command),
    Purge(purge::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::List(command) => list::run(command, context).await,
        Command::Replay(command) => replay::run(command, context).await,
        Command::Purge(command) => purge::run(command, context).await,
    }
}

// Which dead letters.
#[derive(Debug, clap::Args)]
struct Wanted {
    /// Only those of this subscription
    #[arg(long, value_name = "NAME")]
    subscription: Option<String>,
    /// Only those of this event, like created
    #[arg(long)]
    verb: Option<String>,
}

impl Wanted {
    fn body(&self) -> Value {
        json!({ "subscription": self.subscription, "verb": self.verb })
    }
}
