//! `org.ai deployments import`

use crate::context::Context;
use crate::failure::{Failure, Result};
use authoring::{Application, Complaint, import_wrangler};
use serde_json::json;
use std::path::{Path, PathBuf};

/// Print the do.toml that a wrangler.toml becomes; what has no place in it is told on stderr, by line
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai deployments import wrangler.toml > do.toml")]
pub(crate) struct Command {
    /// The file to read; nothing is sent to a server
    file: PathBuf,
}

pub(crate) fn run(command: &Command, context: &mut Context) -> Result<()> {
    let shown = command.file.display().to_string();
    let text = context.read_file(&command.file)?;
    let told =
        |complaints: &[Complaint]| -> Vec<String> { complaints.iter().map(|c| format!("{shown}:{c}")).collect() };
    let imported =
        import_wrangler(&text).map_err(|complaints| Failure::new("CONFIG_INVALID", told(&complaints).join("\n  ")))?;
    let mut warnings = told(&imported.warnings);
    // What the file that is printed still lacks, or has no effect with, by its own lines.
    let mut none = |path: &Path| Err(format!("there is no file {}", path.display()));
    let lacks = match Application::parse(&imported.file, None, &mut none) {
        Ok(application) => application.warnings,
        Err(complaints) => complaints,
    };
    warnings.extend(lacks.iter().map(|complaint| format!("{}:{complaint}", Application::FILE)));
    for warning in &warnings {
        context.note(&format!("warning: {warning}"));
    }
    let document = json!({ "file": imported.file, "warnings": warnings });
    context.result(&document, |_| imported.file.trim_end().to_owned())
}
