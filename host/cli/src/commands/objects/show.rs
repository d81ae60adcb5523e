//! `org.ai objects show`

use crate::client::Client;
use crate::context::{Context, cell, one_line};
use crate::failure::Result;
use serde_json::Value;
use types::{Namespace, NamespaceError};

/// Show a durable object: this one, or one that it knows
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai objects show\n  org.ai objects show https://acme.example")]
pub(crate) struct Command {
    /// The other object [default: this one]
    #[arg(value_name = "NAMESPACE", value_parser = namespace)]
    namespace: Option<Namespace>,
}

pub(super) fn namespace(text: &str) -> std::result::Result<Namespace, NamespaceError> {
    Namespace::parse(text)
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let url = match &command.namespace {
        Some(namespace) => client.url(&["objects", namespace.as_str()]),
        None => client.url(&["$self"]),
    };
    let object = client.get(context, url).await?;
    context.result(&object, human)
}

fn human(object: &Value) -> String {
    let mut text = String::new();
    let mut line =
        |label: &str, value: &str| text.push_str(&format!("{:<15} {}\n", format!("{label}:"), one_line(value)));
    for (key, value) in object.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::Object(inner) if key == "children" => {
                line(key, &inner.get("count").map_or_else(String::new, Value::to_string))
            }
            Value::Array(_) | Value::Object(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) => {
                line(key, &cell(object, key));
            }
        }
    }
    text
}
