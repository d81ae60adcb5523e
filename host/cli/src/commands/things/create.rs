//! `org.ai things create`

use super::headline;
use crate::address::{Address, When, type_word, with_ref};
use crate::checkouts;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::fields::{self, Fields, Given, WithData};
use reqwest::Method;
use types::ThingId;

/// Make a thing
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai things create Startup/acme --name Acme --set city=Oslo --set team.size=4\n  org.ai things create Startup --data @acme.json\n  org.ai things get Startup/acme --json | org.ai things create Startup/copy --data -\n\nWithout an id the server makes one. --set takes JSON if it reads as such: zip='\"0150\"' is a text."
)]
pub(crate) struct Command {
    /// Startup/acme, or only the type
    #[arg(value_name = "THING")]
    thing: String,
    /// The id as it is, where THING is only the type
    #[arg(value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    given: Given,
    /// Also where a thing of that id was deleted
    #[arg(long)]
    revive: bool,
    /// Of two commands with the same key, only the first makes something
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    when: When,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let (kind, id, at) = target(&command)?;
    let document = command.given.data.as_deref().map(|text| fields::document(text, "--data", context)).transpose()?;
    let mut fields = Fields::of(document, &command.given)?;
    if let Some(id) = id {
        fields.id = Some(id.as_str().into());
    }
    let client = checkouts::client(context)?;
    let mut url = client.url(&[&kind]);
    if command.revive {
        url.query_pairs_mut().append_pair("revive", "true");
    }
    let request = with_ref(client.request(Method::POST, url)?, at.as_deref());
    let mut request = request.json(&fields.into_body(WithData::Always));
    if let Some(key) = &command.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let thing = client.send(context, request).await?.body;
    context.result(&thing, |thing| format!("Created {}", headline(thing)))
}

/// Type, id if one was given, and ref.
fn target(command: &Command) -> Result<(String, Option<ThingId>, Option<String>)> {
    let at = command.when.at()?;
    if let Some(id) = &command.id {
        return Ok((type_word(&command.thing)?, Some(ThingId::parse(id).map_err(Failure::usage)?), at));
    }
    if command.thing.contains('/') {
        let Address { kind, id, at } = Address::parse(&command.thing)?.at(at)?;
        return Ok((kind, Some(id), at));
    }
    Ok((type_word(&command.thing)?, None, at))
}
