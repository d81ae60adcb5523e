//! `org.ai logout`

use crate::commands::whoami::warn_of_variable;
use crate::context::Context;
use crate::credentials::Store;
use crate::env;
use crate::failure::Result;
use serde_json::json;

/// Forget the stored login; the key itself goes on working until it is revoked
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai logout --profile work")]
pub(crate) struct Command {
    /// Forget all profiles
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(command: Command, context: &mut Context) -> Result<()> {
    warn_of_variable(context);
    let store = Store::locate(&context.env)?;
    let (stored, _) = store.read()?;
    let named = context.globals.profile.clone().or_else(|| context.env.get(env::PROFILE));
    let name = named.unwrap_or_else(|| stored.default.clone());
    let is_there = if command.all { !stored.profiles.is_empty() } else { stored.profiles.contains_key(&name) };
    if is_there {
        store.update(|credentials| {
            if command.all {
                credentials.profiles.clear();
            } else {
                credentials.profiles.remove(&name);
            }
        })?;
        context.note("The key is forgotten here, not revoked: `org.ai keys revoke` does that");
    }
    context.result(&json!({"loggedOut": is_there}), |_| {
        if is_there { "Logged out".to_owned() } else { "Nobody was logged in".to_owned() }
    })
}
