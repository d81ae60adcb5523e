//! The bridge to `authoring`: its errors as failures, its progress as a line on a terminal.

use crate::context::Context;
use crate::failure::{Failure, Result};
use std::path::{Path, PathBuf};
use types::{FunctionName, Manifest};

/// What a build gave.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) name: FunctionName,
    pub(crate) component: PathBuf,
    pub(crate) manifest: Manifest,
    pub(crate) assets: Option<PathBuf>,
}

pub(crate) fn languages() -> Vec<String> {
    Vec::new()
}

pub(crate) fn create(_folder: &Path, _language: &str, _name: &FunctionName) -> Result<Vec<String>> {
    Err(Failure::new("NOT_SERVED", "templates are not served yet"))
}

pub(crate) async fn build(_folder: &Path, _context: &mut Context) -> Result<Built> {
    Err(Failure::new("NOT_SERVED", "building is not served yet"))
}

/// What to look at for changes.
pub(crate) fn watch_paths(_folder: &Path) -> Result<Vec<PathBuf>> {
    Err(Failure::new("NOT_SERVED", "building is not served yet"))
}
