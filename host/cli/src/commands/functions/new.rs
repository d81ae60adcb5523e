//! `org.ai functions new`

use super::function_name;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::project;
use serde_json::json;
use std::path::PathBuf;
use types::FunctionName;

/// Make a project from a template
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai functions new hello --lang rust\n  org.ai functions new price --lang js --dir ./functions/price"
)]
pub(crate) struct Command {
    /// The function's name; also the folder's, unless --dir says
    #[arg(value_parser = function_name)]
    name: FunctionName,
    /// The template: rust, js, ts, python, c, go, rust-toolbox
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    lang: String,
    /// Where to make it
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let known = project::languages();
    if !known.contains(&command.lang) {
        let nearest =
            known.iter().max_by(|a, b| strsim::jaro(a, &command.lang).total_cmp(&strsim::jaro(b, &command.lang)));
        let nearest = nearest.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        return Err(Failure::usage(format!("there is no template {:?}{nearest}", command.lang))
            .with_hint(format!("templates: {}", known.join(", "))));
    }
    let shown = command.dir.unwrap_or_else(|| PathBuf::from(command.name.as_str()));
    project::create(&context.folder.join(&shown), &command.lang, &command.name)?;
    let document = json!({"name": command.name, "language": command.lang, "path": shown});
    let shown = shown.display().to_string();
    context.result(&document, |_| {
        format!(
            "Made {shown}\n\nNext:\n  org.ai dev {shown}\nor, with a server running:\n  org.ai functions deploy {shown}"
        )
    })
}
