//! `org.ai keys create`

use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::{Failure, Result};
use serde_json::json;
use std::time::Duration;
use types::Permission;

/// Make an API key; it is shown this once
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai keys create ci --scope Function.write --scope '*.invoke' --expires-in 90d\n  org.ai keys create ann --as Human/ann --scope Approval.read"
)]
pub(crate) struct Command {
    /// What it is for: the name that the log will show
    name: String,
    /// What it may do, like Function.write, invoice-pay.invoke or *.read; may be given more than once
    #[arg(long = "scope", value_name = "PERMISSION", required = true, value_parser = permission)]
    scopes: Vec<Permission>,
    /// After which time it stops working, like 90d [default: never]
    #[arg(long, value_name = "DURATION", value_parser = types::parse_duration)]
    expires_in: Option<Duration>,
    /// Whom it speaks for: Human/NAME or Agent/NAME; who calls with it is them
    #[arg(long = "as", value_name = "WHO")]
    subject: Option<types::Worker>,
}

fn permission(text: &str) -> std::result::Result<Permission, types::PermissionError> {
    Permission::parse(text)
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut body = json!({"name": command.name, "scopes": command.scopes});
    if let Some(duration) = command.expires_in {
        body["expiresIn"] = u64::try_from(duration.as_millis()).map_err(Failure::usage)?.into();
    }
    if let Some(subject) = command.subject {
        body["as"] = subject.to_string().into();
    }
    let created = client.post(context, client.url(&["keys"]), &body).await?;
    context.note("This is the only time the key is shown:");
    context.result(&created, |key| cell(key, "key"))
}
