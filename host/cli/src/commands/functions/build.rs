//! `org.ai functions build`

use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::project;
use serde_json::json;
use std::path::PathBuf;

/// Build a project into a component
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai functions build hello\n  org.ai functions build hello --out hello.wasm")]
pub(crate) struct Command {
    /// The project's folder
    #[arg(default_value = ".")]
    path: PathBuf,
    /// Copy the component to here
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let built = project::build(&context.folder.join(&command.path), context).await?;
    let component = match command.out {
        None => built.component.clone(),
        Some(out) => {
            let target = context.folder.join(&out);
            std::fs::copy(&built.component, &target)
                .map_err(|e| Failure::local(format_args!("{} cannot be written", out.display()), e))?;
            out
        }
    };
    let size =
        std::fs::metadata(&built.component).map_err(|e| Failure::local("the component cannot be read", e))?.len();
    let document = json!({"name": built.name, "component": component, "size": size});
    context.result(&document, |_| format!("Built {} ({size} bytes)", component.display()))
}
