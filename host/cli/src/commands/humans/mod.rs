//! `org.ai humans …`: people who can be asked.

use crate::context::Context;
use crate::failure::{Failure, Result};
use clap::Subcommand;
use serde_json::{Map, Value, json};

pub(crate) mod create;
pub(crate) mod list;
pub(crate) mod show;
pub(crate) mod update;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    List(list::Command),
    Create(create::Command),
    Show(show::Command),
    Update(update::Command),
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    match command {
        Command::List(command) => list::run(command, context).await,
        Command::Create(command) => create::run(command, context).await,
        Command::Show(command) => show::run(command, context).await,
        Command::Update(command) => update::run(command, context).await,
    }
}

/// The noun that people are things of.
const NOUN: &str = "Human";

/// What is known of a person.
#[derive(Debug, clap::Args)]
struct About {
    /// How to reach them, the first one first: email:ann@acme.example, slack:U123, sms:+15550100, webhook:https://…
    #[arg(long = "channel", value_name = "KIND:TARGET")]
    channels: Vec<String>,
    /// What they can be asked as: finance is role:finance; may be given more than once
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Everything else, as JSON: escalation, quietHours
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
    /// They have left, or are away: they are not asked
    #[arg(long)]
    inactive: bool,
}

impl About {
    fn read(self, context: &mut Context) -> Result<Map<String, Value>> {
        let mut data = match self.data {
            None => Map::new(),
            Some(text) => match crate::fields::document(&text, "--data", context)? {
                Value::Object(map) => map,
                _ => return Err(Failure::usage("--data is a JSON object, like {\"quietHours\": {…}}")),
            },
        };
        if !self.channels.is_empty() {
            let channels = self.channels.iter().map(|text| channel(text)).collect::<Result<Vec<_>>>()?;
            data.insert("channels".to_owned(), channels.into());
        }
        if !self.roles.is_empty() {
            data.insert("roles".to_owned(), self.roles.into());
        }
        if self.inactive {
            data.insert("inactive".to_owned(), true.into());
        }
        Ok(data)
    }
}

fn channel(text: &str) -> Result<Value> {
    let parsed = text
        .split_once(':')
        .filter(|(kind, target)| types::exec::ChannelKind::parse(kind).is_some() && !target.is_empty());
    let (kind, target) = parsed
        .ok_or_else(|| Failure::usage(format!("{text:?} is no channel: write email:…, slack:…, sms:… or webhook:…")))?;
    Ok(json!({ "type": kind, "target": target }))
}
