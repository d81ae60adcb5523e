//! `org.ai agents create`

use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::{Failure, Result};
use clap::ValueEnum;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Create an agent: a model with instructions and tools
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai agents create support --tools search,calc.* --instructions @support.md\n  org.ai agents create clerk --mode supervised --supervisor Human/ann@acme.example --tools charge\n  org.ai agents create support --from support.json"
)]
pub(crate) struct Command {
    /// Its name
    name: String,
    /// The model, as provider/model [default: the server's standard model]
    #[arg(long)]
    model: Option<String>,
    /// How far it goes by itself [default: autonomous]
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// What it may call: functions (charge), tool boxes (calc.*), tools of servers outside (mcp:github.search)
    #[arg(long, value_name = "TOOL,…", value_delimiter = ',')]
    tools: Vec<String>,
    /// What it is told about itself, or @file
    #[arg(long, value_name = "TEXT|@FILE")]
    instructions: Option<String>,
    /// Who approves for it: Human/NAME, role:NAME, Agent/NAME
    #[arg(long, value_name = "WORKER")]
    supervisor: Option<String>,
    /// A JSON file with all of it; the flags win
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// It calls its tools by itself
    Autonomous,
    /// Its supervisor approves what changes something
    Supervised,
    /// Its supervisor approves each call of a tool
    Manual,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let mut agent = match &command.from {
        None => json!({}),
        Some(file) => {
            let text = context.read_file(file)?;
            let agent: Value = serde_json::from_str(&text)
                .map_err(|error| Failure::new("BAD_JSON", format!("{} is no JSON: {error}", file.display())))?;
            if !agent.is_object() {
                return Err(Failure::usage(format!("{} is no JSON object", file.display())));
            }
            agent
        }
    };
    agent["id"] = command.name.into();
    if let Some(mode) = command.mode {
        agent["mode"] = json!(mode);
    }
    if !command.tools.is_empty() {
        agent["tools"] = command.tools.iter().map(|tool| json!({ "uses": tool })).collect();
    }
    if let Some(text) = command.instructions {
        let text = match text.strip_prefix('@') {
            Some(file) => context.read_file(Path::new(file))?,
            None => text,
        };
        agent["instructions"] = text.into();
    }
    for (key, value) in [("model", command.model), ("supervisor", command.supervisor)] {
        if let Some(value) = value {
            agent[key] = value.into();
        }
    }
    let client = Client::open(context)?;
    let made = client.post(context, client.url(&["agents"]), &agent).await?;
    context.result(&made, |made| format!("Created agent {}", cell(made, "id")))
}
