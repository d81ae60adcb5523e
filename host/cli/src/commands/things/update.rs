//! `org.ai things update`

use super::{Expected, headline, not_there};
use crate::address::{Address, Which};
use crate::checkouts;
use crate::client::Client;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::fields::{self, Fields, Given, WithData};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// Change a thing: a new version with these fields changed and all others as they were
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai things update Startup/acme --set city=Oslo --unset founded --if-version 7\n  org.ai things update Startup/acme@experiment --data '{\"team\":{\"size\":5}}'\n  org.ai things update Startup/acme --replace --data @acme.json\n  org.ai things update Startup/acme --data '[{\"op\":\"test\",\"path\":\"/data/n\",\"value\":1},{\"op\":\"replace\",\"path\":\"/data/n\",\"value\":2}]'\n\nAn object in --data is a merge patch (RFC 7396: null removes a field), an array a JSON patch (RFC 6902)."
)]
pub(crate) struct Command {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    given: Given,
    /// Take a field away
    #[arg(long, value_name = "FIELD")]
    unset: Vec<String>,
    /// What is given is the whole thing: fields that are not there go; what does not exist is made
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    expected: Expected,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let thing = command.which.address()?;
    let document = command.given.data.as_deref().map(|text| fields::document(text, "--data", context)).transpose()?;
    let client = checkouts::client(context)?;
    let request = request(&command, document, &thing, &client)?;
    let answer = client.send(context, command.expected.of(request)).await.map_err(not_there(&thing))?;
    let is_unchanged = answer.is_unchanged;
    context.result(&answer.body, |thing| match is_unchanged {
        true => format!("Unchanged: {}", headline(thing)),
        false => format!("Updated {}", headline(thing)),
    })
}

fn request(command: &Command, document: Option<Value>, thing: &Address, client: &Client) -> Result<RequestBuilder> {
    if document.as_ref().is_some_and(Value::is_array) {
        let is_alone = command.given.sets.is_empty() && command.unset.is_empty() && command.given.name.is_none();
        if command.replace || !is_alone {
            let message = "a JSON patch stands alone: give it without --replace, --set, --unset and --name";
            return Err(Failure::usage(message));
        }
        let body = document.unwrap_or_default().to_string();
        let request = thing.request(client, Method::PATCH, &[])?;
        return Ok(request.header("content-type", "application/json-patch+json").body(body));
    }
    let is_given = document.is_some();
    let mut fields = Fields::of(document, &command.given)?;
    // The path names it; a representation that was read from elsewhere may name another.
    fields.id = None;
    if command.replace {
        if !command.unset.is_empty() {
            return Err(Failure::usage("--unset has no meaning with --replace: leave the field out"));
        }
        return Ok(thing.request(client, Method::PUT, &[])?.json(&fields.into_body(WithData::Always)));
    }
    for field in &command.unset {
        fields.unset(field)?;
    }
    if fields.is_empty() && !is_given {
        return Err(Failure::usage("nothing to change: give --set, --unset, --name or --data"));
    }
    let body = fields.into_body(WithData::IfAny).to_string();
    let request = thing.request(client, Method::PATCH, &[])?;
    Ok(request.header("content-type", "application/merge-patch+json").body(body))
}
