//! `org.ai objects create`

use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::Result;
use serde_json::json;
use types::Namespace;

/// Make a durable object: its own file, its own keys, apart from all others
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai objects create https://acme.example --class Business")]
pub(crate) struct Command {
    /// Its namespace: the URL that will name it
    #[arg(value_name = "NAMESPACE", value_parser = namespace)]
    namespace: Namespace,
    /// What kind of object it is, in one word [default: App]
    #[arg(long)]
    class: Option<String>,
}

fn namespace(text: &str) -> std::result::Result<Namespace, types::NamespaceError> {
    Namespace::parse(text)
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut body = json!({"ns": command.namespace.as_str()});
    if let Some(class) = command.class {
        body["class"] = class.into();
    }
    let object = client.post(context, client.url(&["objects"]), &body).await?;
    context.result(&object, |object| format!("Created {} ({})", cell(object, "ns"), cell(object, "class")))
}
