//! What travels inside the binary: the WIT, the guest SDKs, the templates, Go's runtime package, the Rust recipe.

use rust_embed::RustEmbed;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[derive(RustEmbed)]
#[folder = "../../wit"]
pub(crate) struct Wit;

#[derive(RustEmbed)]
#[folder = "../../sdk-guest"]
#[exclude = "target/*"]
#[exclude = "Cargo.lock"]
#[exclude = "*/__pycache__/*"]
#[exclude = "*/node_modules/*"]
pub(crate) struct Sdk;

#[derive(RustEmbed)]
#[folder = "../../templates"]
#[exclude = "*/target/*"]
#[exclude = "*/__pycache__/*"]
#[exclude = "*/node_modules/*"]
pub(crate) struct Templates;

/// `go.bytecodealliance.org/pkg`, which generated Go code imports.
#[derive(RustEmbed)]
#[folder = "$ORG_AI_GO_PKG"]
#[include = "go.mod"]
#[include = "LICENSE"]
#[include = "wit/*"]
pub(crate) struct GoPackage;

pub(crate) const WASM_RUST: &str = include_str!("../../../scripts/wasm-rust");

/// Writes the embedded files below `prefix` into `dir`; those that are there with the same content stay untouched, so
/// that compilers see no change.
pub(crate) fn write<E: RustEmbed>(prefix: &str, dir: &Path) -> io::Result<()> {
    for path in E::iter() {
        let Some(relative) = path.strip_prefix(prefix) else { continue };
        let file = E::get(&path).expect("its name came from the same list");
        write_if_changed(&dir.join(relative), &file.data)?;
    }
    Ok(())
}

pub(crate) fn write_if_changed(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|old| old == content) {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, content)
}

/// The files below `prefix` as relative paths with their content.
pub(crate) fn files<E: RustEmbed>(prefix: &str) -> impl Iterator<Item = (PathBuf, Vec<u8>)> {
    E::iter().filter_map(move |path| {
        let relative = PathBuf::from(path.strip_prefix(prefix)?);
        Some((relative, E::get(&path)?.data.into_owned()))
    })
}
