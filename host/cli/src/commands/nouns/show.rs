//! `org.ai nouns show`

use crate::client::Client;
use crate::context::{Context, cell, one_line};
use crate::failure::Result;
use crate::paint;
use serde_json::Value;

/// Show one type with its schema
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai nouns show Startup")]
pub(crate) struct Command {
    /// The noun, or its plural
    #[arg(value_parser = word)]
    noun: String,
}

fn word(text: &str) -> std::result::Result<String, String> {
    // What a type is called like is the server's to say; here only a path must come of it.
    match text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && !text.is_empty() {
        true => Ok(text.to_owned()),
        false => Err("a noun has letters and digits, like Startup".to_owned()),
    }
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let noun = client.get(context, client.url(&["nouns", &command.noun])).await?;
    context.result(&noun, human)
}

fn human(noun: &Value) -> String {
    let mut text = String::new();
    for key in ["noun", "plural", "description", "doClass"] {
        if !noun[key].is_null() {
            text.push_str(&format!("{:<12} {}\n", format!("{key}:"), one_line(&cell(noun, key))));
        }
    }
    match &noun["schema"] {
        Value::Null => text + "schema:      none; every field is taken",
        schema => text + "schema:\n" + &paint::lines(&format!("{schema:#}")),
    }
}
