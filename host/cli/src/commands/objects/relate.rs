//! `org.ai objects relate`

use super::show::namespace;
use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::Result;
use reqwest::Method;
use serde_json::json;
use types::Namespace;

/// Say how another durable object stands to this one
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai objects relate https://mirror.example follower --event 'Customer.*' --filter 'data.amount > 1000'\n  org.ai objects relate https://mirror.example reference   (it follows no more; of a parent or child: say that relation again)\n  org.ai objects relate https://s1.example shard --shard-key country --shard-index 1"
)]
pub(crate) struct Command {
    /// The other object
    #[arg(value_name = "NAMESPACE", value_parser = namespace)]
    namespace: Namespace,
    /// What it is to this one; reference gives no rights
    #[arg(value_parser = ["parent", "child", "follower", "shard", "reference"])]
    relation: String,
    /// Of a shard: the field that things are split by
    #[arg(long, value_name = "FIELD")]
    shard_key: Option<String>,
    /// Of a shard: which part it is
    #[arg(long, value_name = "N")]
    shard_index: Option<u32>,
    /// Of a follower: which events it is told, like Customer.* or *.created [default: *.*]
    #[arg(long, value_name = "NOUN.EVENT")]
    event: Option<String>,
    /// Of a follower: a condition on those events
    #[arg(long, value_name = "CONDITION")]
    filter: Option<String>,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut body = json!({"relation": command.relation});
    if let Some(key) = command.shard_key {
        body["shardKey"] = key.into();
    }
    if let Some(index) = command.shard_index {
        body["shardIndex"] = index.into();
    }
    if let Some(event) = command.event {
        body["event"] = event.into();
    }
    if let Some(filter) = command.filter {
        body["filter"] = filter.into();
    }
    let url = client.url(&["objects", command.namespace.as_str()]);
    let request = client.request(Method::PUT, url)?.json(&body);
    let object = client.send(context, request).await?.body;
    context.result(&object, |object| format!("{} is a {} of this object", cell(object, "ns"), cell(object, "relation")))
}
