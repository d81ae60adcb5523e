//! C: bindings by the wit-bindgen-c library, compiled by zig's clang, made a component by the wit-component library.

use super::{Work, files, read, wit};
use crate::process::{self, Stdout};
use crate::toolchain::Tool;
use crate::{BuildError, Event, Progress, component, embedded};
use std::fs;
use std::path::Path;
use std::process::Command;
use wit_bindgen_core::{Files, WorldGenerator};

pub(super) fn compile(work: &Work<'_>, progress: &mut dyn Progress) -> Result<Vec<u8>, BuildError> {
    let zig = work.tools.ensure(Tool::Zig, progress)?;
    let mut wit = wit::open(work)?;
    let generated = work.stage.join("bindings");
    let generator = wit_bindgen_c::Opts::default().build();
    let names = bindings(generator, &mut wit, &generated)?;
    let sdk = work.stage.join("sdk");
    embedded::write::<embedded::Sdk>("c/", &sdk).map_err(BuildError::io("write", &sdk))?;

    progress.report(Event::Step("compiling"));
    let module = work.stage.join("module.wasm");
    let mut command = Command::new(zig.join("bin/python"));
    command.current_dir(&work.project.dir).args(["-m", "ziglang", "cc", "-target", "wasm32-wasi-musl"]);
    command.args(["-mexec-model=reactor", "-O2", "-s", "-Wall", "-fno-color-diagnostics"]);
    command.arg("-I").arg(&generated).arg("-I").arg(&sdk).arg("-o").arg(&module);
    command.args(files::sources(work.project, "c")?);
    command.args(names.iter().filter(|n| n.ends_with(".c") || n.ends_with(".o")).map(|n| generated.join(n)));
    command.env("ZIG_GLOBAL_CACHE_DIR", work.tools.cache("zig"));
    command.env("ZIG_LOCAL_CACHE_DIR", work.tools.cache("zig"));
    process::run("zig cc", &mut command, Stdout::Person, progress)?;
    component::encode(&read(&module)?)
}

/// Generates bindings into `dir`; the names of the files that were written.
pub(super) fn bindings(
    mut generator: Box<dyn WorldGenerator>,
    wit: &mut wit::Wit,
    dir: &Path,
) -> Result<Vec<String>, BuildError> {
    let mut files = Files::default();
    let refuse = |e: anyhow::Error| BuildError::Component(format!("no bindings for this WIT: {e:#}"));
    if generator.uses_nominal_type_ids() {
        wit.resolve.generate_nominal_type_ids(wit.world);
    }
    generator.generate(&mut wit.resolve, wit.world, &mut files).map_err(refuse)?;
    let mut names = Vec::new();
    for (name, content) in files.iter() {
        let path = dir.join(name);
        let parent = path.parent().expect("it was joined to one");
        fs::create_dir_all(parent).map_err(BuildError::io("make", parent))?;
        fs::write(&path, content).map_err(BuildError::io("write", &path))?;
        names.push(name.to_owned());
    }
    Ok(names)
}
