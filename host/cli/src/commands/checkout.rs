//! `org.ai checkout`

use crate::address::parse_ref;
use crate::checkouts::{Checkout, Checkouts};
use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::{Failure, Result};
use crate::secret::Secret;
use serde_json::{Value, json};

/// Choose the branch or past state that the next commands mean; nobody else sees a difference
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai checkout experiment\n  org.ai checkout 2024-01-08\n  org.ai checkout\n  org.ai checkout --clear\n\nIt holds for this server, namespace and login, for a day. A past state can be read, not written."
)]
pub(crate) struct Command {
    /// A branch, v12, 2024-01-08 or a time [default: show what is checked out]
    #[arg(value_name = "REF")]
    at: Option<String>,
    /// Back to where one is without a checkout
    #[arg(long, conflicts_with = "at")]
    clear: bool,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    // Without the session of before: where one goes does not depend on where one was.
    let client = Client::open(context)?;
    let (checkouts, place) = (Checkouts::locate(&context.env)?, client.place());
    if command.clear {
        let was = checkouts.clear(&place)?;
        return context.result(&json!({"cleared": was}), |_| match was {
            true => "Nothing is checked out now".to_owned(),
            false => "Nothing was checked out".to_owned(),
        });
    }
    let Some(at) = command.at else {
        let current = checkouts.find(&place)?;
        let document = current.as_ref().map_or(Value::Null, |c| json!({"ref": c.at, "detached": c.detached}));
        return context.result(&document, |_| match &current {
            Some(checkout) => place_of(&checkout.at, checkout.detached),
            None => "Nothing is checked out: commands mean main, or the object's default branch".to_owned(),
        });
    };
    let at = parse_ref(&at)?;
    let mut answer = client.post(context, client.url(&["checkout"]), &json!({"ref": at})).await?;
    let session = answer.as_object_mut().and_then(|members| members.shift_remove("session"));
    let Some(Value::String(session)) = session else {
        return Err(Failure::new("NETWORK", "the server answered without a session")
            .with_hint("is it an org.ai server of this version?"));
    };
    let detached = answer["detached"] == true;
    checkouts.set(Checkout { place, session: Secret::new(session), at: at.clone(), detached })?;
    answer["ref"] = at.as_str().into();
    context.result(&answer, |answer| {
        let until = if answer["expiresAt"].is_null() {
            String::new()
        } else {
            format!(", until {}", cell(answer, "expiresAt"))
        };
        format!("{}{until}", place_of(&at, detached))
    })
}

fn place_of(at: &str, detached: bool) -> String {
    if detached { format!("At {at}, a past state: reads only") } else { format!("On {at}") }
}
