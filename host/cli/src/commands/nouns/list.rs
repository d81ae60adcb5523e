//! `org.ai nouns list`

use crate::client::{Client, rows};
use crate::context::{Context, cell, table};
use crate::failure::Result;
use crate::paint;
use serde_json::Value;

/// Of the fields, in the table.
const FIELDS_CHARS_MAX: usize = 60;

/// List the types of things
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai nouns list")]
pub(crate) struct Command {}

pub(crate) async fn run(_: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let nouns = rows(client.get(context, client.url(&["nouns"])).await?, "nouns");
    context.result(&nouns, |nouns| {
        let row = |noun: &Value| {
            let fields = fields(&noun["schema"]);
            vec![
                cell(noun, "noun"),
                cell(noun, "plural"),
                cell(noun, "things"),
                paint::cut(&fields, FIELDS_CHARS_MAX),
                cell(noun, "description"),
            ]
        };
        table(
            &["noun", "plural", "things", "fields", "description"],
            nouns.as_array().into_iter().flatten().map(row),
            "no types yet: the first thing of a type makes it, or `org.ai nouns set`",
        )
    })
}

/// The names of the fields, of a JSON Schema and of the short form.
fn fields(schema: &Value) -> String {
    let properties = schema["properties"].as_object().or_else(|| schema.as_object());
    let names: Vec<&str> = properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    if names.is_empty() { "-".to_owned() } else { names.join(", ") }
}
