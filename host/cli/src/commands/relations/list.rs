//! `org.ai relations`

use crate::address::{Address, Which};
use crate::checkouts;
use crate::client::{Client, all_rows};
use crate::commands::verbs::verb;
use crate::context::{Context, cell, table};
use crate::failure::Result;
use crate::paint;
use reqwest::Method;
use serde_json::Value;

/// Most edges that are fetched.
const EDGES_MAX: usize = 10_000;
/// Edges a page: as many as the server gives.
const PAGE: &str = "100";
/// Of an edge's data, in the table.
const DATA_CHARS_MAX: usize = 40;

/// List the edges of a thing, out and in
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai relations Startup/acme\n  org.ai relations Startup/acme@v3 --out --verb owns"
)]
pub(crate) struct Command {
    #[command(flatten)]
    which: Which,
    /// Only of this verb, in the form it has in that direction: owns, ownedBy
    #[arg(long, value_parser = verb)]
    verb: Option<String>,
    /// Only those that go out
    #[arg(long, conflicts_with = "inward")]
    out: bool,
    /// Only those that come in
    #[arg(long = "in")]
    inward: bool,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let thing = command.which.address()?;
    let client = checkouts::client(context)?;
    let mut edges = Vec::new();
    for (is_wanted, route, direction) in [(!command.inward, "relationships", "out"), (!command.out, "references", "in")]
    {
        if is_wanted {
            fetch(&client, context, &thing, (route, direction), command.verb.as_deref(), &mut edges).await?;
        }
    }
    context.result(&Value::Array(edges), human)
}

async fn fetch(
    client: &Client,
    context: &mut Context,
    thing: &Address,
    (route, direction): (&str, &str),
    verb: Option<&str>,
    edges: &mut Vec<Value>,
) -> Result<()> {
    let too_many = format!("there are more than {EDGES_MAX} edges: ask for one kind with --verb");
    let found = all_rows(route, EDGES_MAX.saturating_sub(edges.len()), &too_many, async |cursor| {
        let query = [("verb", verb), ("cursor", cursor), ("limit", Some(PAGE))];
        let query: Vec<(&str, &str)> = query.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        let request = thing.query(client, Method::GET, &[route], &query)?;
        Ok(client.send(context, request).await.map_err(super::super::things::not_there(thing))?.body)
    });
    edges.extend(found.await?.into_iter().map(|mut edge| {
        if let Some(edge) = edge.as_object_mut() {
            edge.insert("direction".to_owned(), direction.into());
        }
        edge
    }));
    Ok(())
}

fn human(edges: &Value) -> String {
    let row = |edge: &Value| {
        let is_out = edge["direction"] == "out";
        let (arrow, other) = if is_out { ("→", "to") } else { ("←", "from") };
        let data = edge.get("data").filter(|data| data.as_object().is_some_and(|map| !map.is_empty()));
        vec![
            arrow.to_owned(),
            cell(edge, "verb"),
            cell(edge, other),
            paint::brief(data, DATA_CHARS_MAX),
            cell(edge, "createdAt"),
        ]
    };
    table(
        &["way", "verb", "thing", "data", "since"],
        edges.as_array().into_iter().flatten().map(row),
        "no relations: make one with `org.ai relate`",
    )
}
