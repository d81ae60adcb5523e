//! `org.ai completions`

use crate::args::Cli;
use crate::context::Context;
use crate::failure::{Failure, Result};
use clap::CommandFactory;
use clap_complete::Shell;

/// Print the completion script for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai completions bash > ~/.local/share/bash-completion/completions/org.ai")]
pub(crate) struct Command {
    /// Which shell
    shell: Shell,
}

pub(crate) fn run(command: &Command, context: &mut Context) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(command.shell, &mut Cli::command(), "org.ai", &mut script);
    let script = String::from_utf8(script).map_err(|e| Failure::local("the script is not text", e))?;
    if context.is_json() {
        return context.print(&serde_json::json!({"shell": command.shell.to_string(), "script": script}).to_string());
    }
    context.print(&script)
}
