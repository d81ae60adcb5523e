//! `org.ai humans list`

use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use serde_json::Value;

/// List the people who can be asked
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai humans list --json")]
pub(crate) struct Command {
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100))]
    limit: u16,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut url = client.url(&[super::NOUN]);
    url.query_pairs_mut().append_pair("limit", &command.limit.to_string());
    let people = rows(client.get(context, url).await?, "data");
    context.result(&people, |people| {
        let words = |value: &Value, key: Option<&str>| {
            let text = |one: &Value| key.map_or(one, |key| &one[key]).as_str().unwrap_or_default().to_owned();
            value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(" ")
        };
        let row = |person: &Value| {
            let data = &person["data"];
            let is_there = if data["inactive"] == true { "no" } else { "yes" };
            let (roles, channels) = (words(&data["roles"], None), words(&data["channels"], Some("type")));
            vec![cell(person, "id"), cell(person, "name"), roles, channels, is_there.to_owned()]
        };
        table(
            &["id", "name", "roles", "channels", "active"],
            people.as_array().into_iter().flatten().map(row),
            "nobody: add somebody with `org.ai humans create`",
        )
    })
}
