//! The bridge to `authoring`: its errors as failures, its progress as lines on standard error.

use crate::context::{Context, one_line};
use crate::env::Env;
use crate::failure::{Failure, Result};
use authoring::{BuildError, Event, Project, Toolchains};
use serde_json::json;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;
use types::{AssetFile, FunctionName, Manifest};

/// Lines of progress on their way to the terminal; a tool that writes faster waits.
const PROGRESS_QUEUE_MAX: usize = 256;

/// What a build gave.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) name: FunctionName,
    pub(crate) component: PathBuf,
    pub(crate) manifest: Manifest,
    pub(crate) assets: Vec<AssetFile>,
}

/// What `--lang` takes.
pub(crate) fn languages() -> Vec<String> {
    authoring::templates().iter().map(|template| template.name.to_owned()).collect()
}

pub(crate) fn create(folder: &Path, language: &str, name: &FunctionName) -> Result<()> {
    authoring::new_project(folder, language, name.as_str()).map_err(|e| Failure::new("PROJECT_INVALID", e))
}

pub(crate) fn open(folder: &Path) -> Result<Project> {
    Project::open(folder).map_err(|e| Failure::new("PROJECT_INVALID", e))
}

/// Builds the project of a folder, showing how it goes. The compiler's own lines are shown with `--verbose`; what it
/// complains about is in the failure.
pub(crate) async fn build(folder: &Path, context: &mut Context) -> Result<Built> {
    let project = open(folder)?;
    let tools = toolchains(&context.env)?;
    let name = project.name.clone();
    let (sender, mut lines) = mpsc::channel(PROGRESS_QUEUE_MAX);
    let build = tokio::task::spawn_blocking(move || {
        let mut report = |event: Event<'_>| {
            let (is_step, line) = match event {
                Event::Step(line) => (true, line),
                Event::Output(line) => (false, line),
            };
            // Who asked may have gone: then the build ends by itself, unwatched.
            drop(sender.blocking_send((is_step, line.to_owned())));
        };
        authoring::build(&project, &tools, &mut report)
    });
    while let Some((is_step, line)) = lines.recv().await {
        if is_step || context.globals.verbose {
            context.note(&one_line(&line));
        }
    }
    let built = build.await.map_err(|e| Failure::local("the build broke", e))?.map_err(failure)?;
    Ok(Built { name, component: built.component, manifest: built.manifest, assets: built.assets })
}

fn toolchains(env: &Env) -> Result<Toolchains> {
    let cache = authoring::default_cache(|name| env.get(name).map(OsString::from));
    let cache = cache
        .ok_or_else(|| Failure::new("CONFIG_INVALID", "neither XDG_CACHE_HOME nor HOME says where tool chains go"))?;
    Ok(Toolchains::new(cache))
}

/// Changes when a build would give another component; none while that cannot be told.
pub(crate) fn fingerprint(project: &Project) -> Option<String> {
    authoring::fingerprint(project).ok()
}

fn failure(error: BuildError) -> Failure {
    let message = error.to_string();
    match error {
        BuildError::Config(_) => Failure::new("PROJECT_INVALID", message),
        BuildError::Compile { diagnostics, .. } => {
            let places: Vec<_> = diagnostics
                .iter()
                .map(|d| json!({"file": d.file, "line": d.line, "column": d.column, "message": d.message}))
                .collect();
            let failure = Failure::new("BUILD_FAILED", message);
            if places.is_empty() { failure } else { Failure { details: Some(Box::new(places.into())), ..failure } }
        }
        BuildError::ToolMissing { .. }
        | BuildError::Setup { .. }
        | BuildError::Component(_)
        | BuildError::Limit { .. }
        | BuildError::Io { .. } => Failure::new("BUILD_FAILED", message),
    }
}
