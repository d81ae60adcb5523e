//! Rust: cargo for wasm32-wasip2, by way of the script that finds or fetches the target.

use super::{Work, read};
use crate::process::{self, Stdout};
use crate::{BuildError, Progress};
use std::path::PathBuf;
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";

pub(super) fn compile(work: &Work<'_>, progress: &mut dyn Progress) -> Result<Vec<u8>, BuildError> {
    let script = work.tools.rust()?;
    let mut command = Command::new("bash");
    command.arg(script).args(["build", "--release", "--target", TARGET, "--message-format=json-render-diagnostics"]);
    command.current_dir(&work.project.dir);
    // Flags and folders meant for the machine's own programs; a guest is for another machine.
    for name in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR"] {
        command.env_remove(name);
    }
    let messages = process::run("cargo", &mut command, Stdout::Program, progress)?;
    let manifest = work.project.dir.join("Cargo.toml");
    let component = messages.iter().rev().find_map(|line| component_of(line, &manifest));
    let Some(component) = component else {
        return Err(BuildError::Component(format!(
            "cargo built no component for {}; a function's Cargo.toml has [lib] crate-type = [\"cdylib\"]",
            work.project.name
        )));
    };
    read(&component)
}

/// The `.wasm` that one of cargo's messages says it made of this package.
fn component_of(message: &str, manifest: &std::path::Path) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let is_ours =
        message["reason"] == "compiler-artifact" && message["manifest_path"].as_str()? == manifest.to_str()?;
    let files = message["filenames"].as_array().filter(|_| is_ours)?;
    files.iter().filter_map(|f| f.as_str()).find(|f| f.ends_with(".wasm")).map(PathBuf::from)
}
