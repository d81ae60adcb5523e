//! `org.ai things list`

use crate::address::{self, When, type_word};
use crate::checkouts;
use crate::client::{Client, all_rows, array, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use crate::{filter, paint};
use reqwest::{Method, Url};
use serde_json::Value;

/// Most that `--all` fetches: more than a person reads, and what fits into memory as JSON.
const ALL_MAX: usize = 100_000;
/// Things a page when all are fetched: as many as the server gives.
const PAGE: u16 = 100;
/// Of the fields, in the table.
const DATA_CHARS_MAX: usize = 60;

/// List the things of one type
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai things list Startup\n  org.ai things list Startup --where 'age>10' --where status=active --sort -updatedAt\n  org.ai things list startups --all --at experiment --json\n\nConditions: field=value, != > >= < <=, ~= (contains), ^= (begins with), field? (is there), !field (is not).\nQuote them: a shell reads > and < itself."
)]
pub(crate) struct Command {
    /// The type: a noun or its plural
    #[arg(value_name = "TYPE")]
    kind: String,
    /// Only what meets this condition; several must all hold
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// In this order: id, name, version, createdAt, updatedAt or any field; - before it turns it round
    #[arg(long, value_name = "FIELD,-FIELD", allow_hyphen_values = true)]
    sort: Option<String>,
    /// Only these fields of each
    #[arg(long, value_name = "FIELD,FIELD", value_delimiter = ',')]
    fields: Vec<String>,
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=100), conflicts_with = "all")]
    limit: u16,
    /// Leave out so many at the beginning
    #[arg(long, conflicts_with = "all")]
    offset: Option<u64>,
    /// All there are, page after page
    #[arg(long)]
    all: bool,
    /// Also those that were deleted
    #[arg(long)]
    deleted: bool,
    #[command(flatten)]
    when: When,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let (kind, at) = (type_word(&command.kind)?, command.when.at()?);
    let query = query(&command)?;
    let client = checkouts::client(context)?;
    let mut url = client.url(&[&kind]);
    url.query_pairs_mut().extend_pairs(query);
    let (things, total) = if command.all {
        let things = all(&client, context, &url, at.as_deref()).await?;
        let total = things.len() as u64;
        (things, total)
    } else {
        let mut body = page(&client, context, url, at.as_deref()).await?;
        let total = body["total"].as_u64().unwrap_or_default();
        (array(rows(body["data"].take(), "data")), total)
    };
    let shown = things.len() as u64;
    context.result(&Value::Array(things), |things| human(things, &command))?;
    if total > shown && shown > 0 {
        context.note(&format!("{shown} of {total}; --all shows all, --offset what is behind"));
    }
    Ok(())
}

fn query(command: &Command) -> Result<Vec<(String, String)>> {
    let mut query: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| query.push((name.to_owned(), value));
    for condition in &command.conditions {
        let (key, value) = filter::parse(condition)?;
        add(&key, value);
    }
    if let Some(sort) = &command.sort {
        add("sort", sort.clone());
    }
    if !command.fields.is_empty() {
        add("fields", command.fields.join(","));
    }
    if command.deleted {
        add("includeDeleted", "true".to_owned());
    }
    if let Some(offset) = command.offset {
        add("offset", offset.to_string());
    }
    add("limit", (if command.all { PAGE } else { command.limit }).to_string());
    Ok(query)
}

async fn page(client: &Client, context: &mut Context, url: Url, at: Option<&str>) -> Result<Value> {
    let request = address::with_ref(client.request(Method::GET, url)?, at);
    Ok(client.send(context, request).await?.body)
}

async fn all(client: &Client, context: &mut Context, url: &Url, at: Option<&str>) -> Result<Vec<Value>> {
    let too_many = format!("there are more than {ALL_MAX}: narrow the list with --where");
    all_rows("data", ALL_MAX, &too_many, async |cursor| {
        let mut here = url.clone();
        if let Some(cursor) = cursor {
            here.query_pairs_mut().append_pair("cursor", cursor);
        }
        page(client, context, here, at).await
    })
    .await
}

fn human(things: &Value, command: &Command) -> String {
    let fields: Vec<&str> = command.fields.iter().map(String::as_str).collect();
    let (columns, empty) = match fields.as_slice() {
        [] => (vec!["id", "name", "version", "updated", "fields"], "nothing matches"),
        some => ([&["id", "version"], some].concat(), "nothing matches"),
    };
    let row = |thing: &Value| {
        let id = match thing["deleted"] == true {
            true => format!("{} (deleted)", cell(thing, "id")),
            false => cell(thing, "id"),
        };
        let version = format!("v{}", cell(thing, "version"));
        if fields.is_empty() {
            let data = paint::brief(thing.get("data"), DATA_CHARS_MAX);
            return vec![id, cell(thing, "name"), version, cell(thing, "updatedAt"), data];
        }
        let values = fields.iter().map(|field| field_of(thing, field));
        [id, version].into_iter().chain(values).collect()
    };
    table(&columns, things.as_array().into_iter().flatten().map(row), empty)
}

/// A field by its dotted path, or a member of the representation.
fn field_of(thing: &Value, field: &str) -> String {
    let inner = field.split('.').try_fold(&thing["data"], |value, key| value.get(key));
    match inner.or_else(|| thing.get(field)) {
        Some(Value::String(text)) => paint::cut(text, DATA_CHARS_MAX),
        other => paint::brief(other, DATA_CHARS_MAX),
    }
}
