//! `org.ai objects destroy`

use super::show::namespace;
use crate::client::Client;
use crate::context::Context;
use crate::failure::Result;
use reqwest::Method;
use serde_json::json;
use types::Namespace;

/// Destroy a durable object with all that is in it; its URL answers "gone" for 30 days
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai objects destroy https://acme.example\n\nAt a terminal the namespace has to be typed once more; elsewhere --yes stands for that."
)]
pub(crate) struct Command {
    /// The object
    #[arg(value_name = "NAMESPACE", value_parser = namespace)]
    namespace: Namespace,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let name = command.namespace.as_str();
    context.confirm_by(&format!("This destroys {name} with its things, history, functions and keys."), name)?;
    let client = Client::open(context)?;
    let mut url = client.url(&["objects", name]);
    url.query_pairs_mut().append_pair("confirm", name);
    let request = client.request(Method::DELETE, url)?.header("prefer", "wait");
    let answer = client.send(context, request).await?;
    let is_done = answer.status != 202;
    context.result(&json!({"ns": name, "destroyed": is_done}), |_| match is_done {
        true => format!("Destroyed {name}"),
        false => format!("{name} is being destroyed; `org.ai actions list` shows when it is done"),
    })
}
