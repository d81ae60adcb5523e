//! `org.ai nouns set`

use super::noun;
use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::{Exit, Failure, Result};
use crate::fields;
use reqwest::Method;
use serde_json::{Map, Value};
use types::Noun;

/// Register a type, or change it: what is not given stays as it is
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai nouns set Startup --field name=string --field age=number? --field owner='->Person'\n  org.ai nouns set Startup --schema startup.schema.json --plural Startups\n\nField types: string, number, boolean, date, json; behind it ? (may be missing) or [] (a list); ->Noun for a thing;\nor an object like '{\"type\":\"string\",\"unique\":true}'. Things that are there are not changed by it."
)]
pub(crate) struct Command {
    /// The noun, in PascalCase
    #[arg(value_parser = noun)]
    noun: Noun,
    /// A file with the whole schema: fields with their types, or a JSON Schema
    #[arg(long, value_name = "FILE")]
    schema: Option<String>,
    /// A field of the schema; several may be given, and the others stay
    #[arg(long = "field", value_name = "NAME=TYPE")]
    fields: Vec<String>,
    /// The plural, where it is not the regular one
    #[arg(long)]
    plural: Option<String>,
    /// What it is, for people
    #[arg(long)]
    description: Option<String>,
    /// The class of the durable object that a promoted thing becomes
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
}

/// What a noun consists of; the server adds more to what it shows.
const MEMBERS: &[&str] = &["plural", "description", "schema", "doClass"];

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let schema = match &command.schema {
        Some(file) => {
            let text = if file.starts_with(['@', '{']) || file == "-" { file.clone() } else { format!("@{file}") };
            Some(fields::document(&text, "--schema", context)?)
        }
        None => None,
    };
    let client = Client::open(context)?;
    let url = client.url(&["nouns", command.noun.as_str()]);
    let mut body = match client.get(context, url.clone()).await {
        Ok(known) => MEMBERS.iter().filter_map(|key| Some(((*key).to_owned(), known.get(*key)?.clone()))).collect(),
        Err(failure) if failure.exit == Exit::NotFound => Map::new(),
        Err(failure) => return Err(failure),
    };
    body.retain(|_, value| !value.is_null());
    if let Some(schema) = schema {
        body.insert("schema".to_owned(), schema);
    }
    if !command.fields.is_empty() {
        add_fields(body.entry("schema").or_insert_with(|| Value::Object(Map::new())), &command.fields)?;
    }
    for (key, value) in [("plural", command.plural), ("description", command.description), ("doClass", command.class)] {
        body.extend(value.map(|value| (key.to_owned(), value.into())));
    }
    let request = client.request(Method::PUT, url)?.json(&body);
    let noun = client.send(context, request).await?.body;
    let warnings: Vec<String> = noun["warnings"].as_array().into_iter().flatten().map(text_of).collect();
    for warning in warnings {
        context.note(&format!("warning: {}", crate::context::one_line(&warning)));
    }
    context.result(&noun, |noun| format!("Set {} (plural {})", cell(noun, "noun"), cell(noun, "plural")))
}

fn text_of(value: &Value) -> String {
    value.as_str().or_else(|| value["message"].as_str()).map_or_else(|| value.to_string(), str::to_owned)
}

/// `name=type` into a schema of the short form.
fn add_fields(schema: &mut Value, given: &[String]) -> Result<()> {
    if schema.get("$schema").is_some() || schema["properties"].is_object() {
        let message = "it has a JSON Schema, which --field does not change: give the whole of it with --schema FILE";
        return Err(Failure::usage(message));
    }
    let map = schema.as_object_mut().ok_or_else(|| Failure::usage("the schema is no object of fields"))?;
    for text in given {
        let (name, kind) = text
            .split_once('=')
            .filter(|(name, kind)| !name.is_empty() && !kind.is_empty())
            .ok_or_else(|| Failure::usage(format!("--field {text:?}: write name=type, like age=number?")))?;
        let kind = if kind.starts_with('{') { object(kind)? } else { kind.into() };
        map.insert(name.to_owned(), kind);
    }
    Ok(())
}

/// The long form of a field.
fn object(text: &str) -> Result<Value> {
    let value = fields::value_of(text);
    if value.is_object() {
        Ok(value)
    } else {
        Err(Failure::new("BAD_JSON", format!("--field: {text} is no JSON object")))
    }
}
