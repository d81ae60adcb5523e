//! One way in for every language: check, set up, compile, check what came out, put it in place.

mod c;
mod files;
mod go;
mod javascript;
mod python;
mod rust;
mod wit;

use crate::process::{self, Stdout};
use crate::{BuildError, Language, Project, Toolchains, component};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use types::{AssetFile, Manifest};

pub use files::{fingerprint, watch_paths};

/// A component above this is refused by the server too.
const COMPONENT_BYTES_MAX: u64 = 64 << 20;

/// What a build gave.
#[derive(Clone, PartialEq, Debug)]
pub struct Built {
    /// `target/<name>.wasm` of the project.
    pub component: PathBuf,
    pub manifest: Manifest,
    /// What will be under `/assets`; empty when the project has none.
    pub assets: Vec<AssetFile>,
}

/// Is told how a build goes. A closure is one.
pub trait Progress {
    fn report(&mut self, event: Event<'_>);
}

/// One thing that a build says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event<'a> {
    /// What begins now, in a few words.
    Step(&'a str),
    /// A line that a tool wrote.
    Output(&'a str),
}

impl<F: FnMut(Event<'_>)> Progress for F {
    fn report(&mut self, event: Event<'_>) {
        self(event);
    }
}

/// What each language's build is given.
struct Work<'a> {
    project: &'a Project,
    tools: &'a Toolchains,
    /// A folder of this build alone, gone afterwards.
    stage: &'a Path,
}

/// Builds a project. Two builds of one project at once wait for each other; the component is replaced in one step.
///
/// # Errors
/// Every [`BuildError`]; the component of an earlier build stays then.
pub fn build(project: &Project, tools: &Toolchains, progress: &mut dyn Progress) -> Result<Built, BuildError> {
    let target = project.dir.join("target");
    fs::create_dir_all(&target).map_err(BuildError::io("make", &target))?;
    let lock_path = target.join(".org-ai.lock");
    let lock = File::create(&lock_path).map_err(BuildError::io("make", &lock_path))?;
    lock.lock().map_err(BuildError::io("lock", &lock_path))?;

    let stage = target.join(".org-ai-stage");
    let _ = fs::remove_dir_all(&stage);
    fs::create_dir_all(&stage).map_err(BuildError::io("make", &stage))?;
    progress.report(Event::Step(&format!("building {} ({})", project.name, project.language.as_str())));
    let component = compile(&Work { project, tools, stage: &stage }, progress);
    let _ = fs::remove_dir_all(&stage);
    let component = component?;

    if component.len() as u64 > COMPONENT_BYTES_MAX {
        let limit = format!("{} MiB", COMPONENT_BYTES_MAX >> 20);
        return Err(BuildError::Limit { what: format!("the component ({} MiB)", component.len() >> 20), limit });
    }
    component::check(&component, project)?;
    let assets = files::assets(project)?;
    let path = project.component_path();
    let fresh = path.with_added_extension("new");
    fs::write(&fresh, &component).map_err(BuildError::io("write", &fresh))?;
    fs::rename(&fresh, &path).map_err(BuildError::io("move", &fresh))?;
    Ok(Built { component: path, manifest: project.manifest.clone(), assets })
}

fn compile(work: &Work<'_>, progress: &mut dyn Progress) -> Result<Vec<u8>, BuildError> {
    match work.project.language {
        Language::Rust => rust::compile(work, progress),
        Language::JavaScript | Language::TypeScript => javascript::compile(work, progress),
        Language::Python => python::compile(work, progress),
        Language::C => c::compile(work, progress),
        Language::Go => go::compile(work, progress),
        Language::Other => other(work, progress),
    }
}

/// The author's own command.
fn other(work: &Work<'_>, progress: &mut dyn Progress) -> Result<Vec<u8>, BuildError> {
    let project = work.project;
    let (program, arguments) = project.command.split_first().expect("config refuses an empty command");
    let output = project.output.as_ref().expect("config refuses a missing output");
    let mut command = Command::new(program);
    command.args(arguments).current_dir(&project.dir);
    process::run(program, &mut command, Stdout::Person, progress)?;
    read(&project.dir.join(output))
}

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    fs::read(path).map_err(BuildError::io("read", path))
}
