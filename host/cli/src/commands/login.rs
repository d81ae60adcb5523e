//! `org.ai login`

use crate::client::Client;
use crate::commands::whoami::warn_of_variable;
use crate::context::{Context, cell};
use crate::credentials::{PROFILE_DEFAULT, Profile, Store};
use crate::env;
use crate::failure::{Failure, Result};
use crate::session::{API_URL_DEFAULT, Session, TokenSource, parse_url};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Store an API key, after asking the server whether it is good
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai login --with-token --api-url https://api.example.com < key.txt\n\nLogging in through the browser is not served yet: a key is needed. `org.ai serve` prints the\nfirst one when it makes its data folder; `org.ai keys create` makes more."
)]
pub(crate) struct Command {
    /// Read an API key from standard input
    #[arg(long)]
    with_token: bool,
    /// Replace a login that is there
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    warn_of_variable(context);
    let store = Store::locate(&context.env)?;
    let (credentials, _) = store.read()?;
    let named = context.globals.profile.clone().or_else(|| context.env.get(env::PROFILE));
    let name = named.unwrap_or_else(|| PROFILE_DEFAULT.to_owned());
    let known = credentials.profiles.get(&name);
    let said = context.globals.api_url.clone().or_else(|| context.env.get(env::API_URL));
    let url = said.or_else(|| known.map(|p| p.api_url.clone())).unwrap_or_else(|| API_URL_DEFAULT.to_owned());
    let api_url = parse_url(&url, context.globals.insecure)?;
    if let Some(profile) = known.filter(|p| !command.force && p.api_url == api_url.as_str()) {
        context.note(&format!("Already logged in at {api_url} (profile {name}); --force replaces it"));
        let document = document(profile);
        return if context.is_json() { context.print(&document.to_string()) } else { Ok(()) };
    }
    if !command.with_token {
        return Err(Failure::new("NOT_SERVED", "logging in through the browser is not served yet")
            .with_hint("give an API key on standard input: `org.ai login --with-token < key.txt`"));
    }
    let token = context.read_secret("API key")?;
    let token = crate::secret::Secret::new(token.expose().trim());
    let session =
        Session { api_url: api_url.clone(), token: Some((token.clone(), TokenSource::File)), ns: None, profile: None };
    let session = Session { ns: context.globals.ns.clone().or_else(|| context.env.get(env::NS)), ..session };
    let ns = session.ns.clone();
    let client = Client::of(context, session)?;
    let who = client.get(context, client.url(&["whoami"])).await?;
    let profile = Profile {
        api_url: api_url.to_string(),
        access_token: token,
        refresh_token: None,
        expires_at: who["expiresAt"].as_str().map(str::to_owned),
        user: Some(user(&who)),
        org: who.get("org").filter(|org| !org.is_null()).cloned(),
        ns,
        scopes: who["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
        others: BTreeMap::new(),
    };
    let document = document(&profile);
    store.update(|credentials| {
        if credentials.profiles.is_empty() {
            credentials.default.clone_from(&name);
        }
        credentials.profiles.insert(name, profile);
    })?;
    context.result(&document, |document| format!("Success! Logged in as {}", shown_name(&document["user"])))
}

/// Who the server says this is: its `user`, or the actor of a key, which belongs to nobody in particular.
fn user(who: &Value) -> Value {
    match &who["user"] {
        Value::Null => json!({"id": who["actor"]}),
        user => user.clone(),
    }
}

fn shown_name(user: &Value) -> String {
    ["email", "name", "id"]
        .iter()
        .map(|key| cell(user, key))
        .find(|text| text != "-")
        .unwrap_or_else(|| "somebody".to_owned())
}

fn document(profile: &Profile) -> Value {
    json!({"user": profile.user, "apiUrl": profile.api_url, "expiresAt": profile.expires_at, "scopes": profile.scopes})
}
