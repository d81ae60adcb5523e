//! `org.ai whoami`

use crate::client::Client;
use crate::context::{Context, cell};
use crate::credentials::Store;
use crate::failure::{Exit, Failure, Result};
use crate::session::{Session, TokenSource};
use serde_json::{Value, json};

/// Show who you are to the server, and where that is from
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai whoami --json")]
pub(crate) struct Command {
    /// Do not ask the server; show what is stored
    #[arg(long)]
    offline: bool,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let session = Session::resolve(context)?;
    let url = session.api_url.to_string();
    let Some(source) = session.token.as_ref().map(|(_, source)| *source) else {
        return logged_out(context, Failure::new("NOT_LOGGED_IN", format!("you are not logged in at {url}")));
    };
    let client = Client::of(context, session)?;
    let answer = if command.offline { stored(context) } else { client.get(context, client.url(&["whoami"])).await };
    let mut who = match answer {
        Err(failure) if failure.exit == Exit::NotAuthenticated => return logged_out(context, failure),
        other => other?,
    };
    if !who.is_object() {
        who = json!({});
    }
    who["authenticated"] = true.into();
    who["tokenSource"] = source.as_str().into();
    who["apiUrl"] = url.into();
    context.result(&who, |who| {
        let name = ["email", "actor", "name", "id"].iter().map(|key| cell(&who["user"], key)).find(|text| text != "-");
        let name = name.or_else(|| who["actor"].as_str().map(str::to_owned)).unwrap_or_else(|| "somebody".to_owned());
        format!("{name} at {} via {}", cell(who, "apiUrl"), source.as_str())
    })
}

/// With `--json` the answer is a document all the same (spec 17.3), and the exit code says the rest.
fn logged_out(context: &mut Context, failure: Failure) -> Result<()> {
    if context.is_json() {
        context.print(&json!({"authenticated": false}).to_string())?;
    }
    Err(failure)
}

fn stored(context: &Context) -> Result<Value> {
    let (credentials, _) = Store::locate(&context.env)?.read()?;
    let name = context.globals.profile.as_ref().unwrap_or(&credentials.default);
    Ok(credentials.profiles.get(name).map_or_else(
        || json!({}),
        |p| json!({"user": p.user, "org": p.org, "scopes": p.scopes, "expiresAt": p.expires_at}),
    ))
}

/// The warning of `login` and `logout` when the variable decides anyway.
pub(crate) fn warn_of_variable(context: &mut Context) {
    if context.env.get(crate::env::TOKEN).is_some() {
        context.note(&format!("warning: {} is set and goes before what is stored", crate::env::TOKEN));
    }
}

/// The word for a token's origin that a person reads.
impl std::fmt::Display for TokenSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
