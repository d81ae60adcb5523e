//! Go: the stock compiler for wasip1, with bindings by the wit-bindgen-go library and the SDK beside the project's files.

use super::{Work, c, files, read, wit};
use crate::process::{self, Stdout};
use crate::toolchain::Tool;
use crate::{BuildError, Event, Progress, WorldKind, component, embedded};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use wit_component::StringEncoding;

/// The module that generated code believes to be in; a project's go.mod names it too.
const MODULE: &str = "wit_component";
const RUNTIME: &str = "go.bytecodealliance.org/pkg";

pub(super) fn compile(work: &Work<'_>, progress: &mut dyn Progress) -> Result<Vec<u8>, BuildError> {
    let home = work.tools.ensure(Tool::Go, progress)?;
    let go = compiler(&home)?;
    let mut wit = wit::open(work)?;
    let source = work.stage.join("go");
    c::bindings(
        wit_bindgen_go::Opts { format: wit_bindgen_go::Format::False, ..Default::default() }.build(),
        &mut wit,
        &source,
    )?;
    for (package, is_for) in
        [("orgai", work.project.kind != WorldKind::ToolBox), ("export_wit_world", work.project.kind == WorldKind::Code)]
    {
        let dir = source.join(package);
        if is_for {
            embedded::write::<embedded::Sdk>(&format!("go/{package}/"), &dir).map_err(BuildError::io("write", &dir))?;
        }
    }
    let runtime = work.stage.join("go-runtime");
    embedded::write::<embedded::GoPackage>("", &runtime).map_err(BuildError::io("write", &runtime))?;
    copy_project(&work.project.dir, &source)?;

    let tool = |arguments: &[&str]| {
        let mut command = Command::new(&go);
        command.current_dir(&source).args(arguments);
        command.env("GOTOOLCHAIN", "local").env("GOWORK", "off").env("GOFLAGS", "-mod=mod");
        command.env("GOCACHE", work.tools.cache("go-build")).env("GOMODCACHE", work.tools.cache("go-mod"));
        command.env("GOOS", "wasip1").env("GOARCH", "wasm");
        command
    };
    let replace = format!("-replace={RUNTIME}={}", runtime.display());
    let require = format!("-require={}", wit_bindgen_go::remote_pkg_version().replace(' ', "@"));
    let edit = ["mod", "edit", &format!("-module={MODULE}"), &require, &replace];
    // The runtime package allocates through runtime.sbrk before Go itself runs: hence checklinkname.
    process::run("go", &mut tool(&edit), Stdout::Person, progress)?;
    progress.report(Event::Step("compiling"));
    let module = work.stage.join("module.wasm");
    let mut command = tool(&["build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w -checklinkname=0", "-o"]);
    process::run("go", command.arg(&module).arg("."), Stdout::Person, progress)?;

    let mut module = read(&module)?;
    wit_component::embed_component_metadata(&mut module, &wit.resolve, wit.world, StringEncoding::UTF8)
        .map_err(|e| BuildError::Component(format!("the module does not take its world: {e:#}")))?;
    component::encode(&module)
}

/// The package's script names the folder it was installed in; the compiler itself does not mind having been moved.
fn compiler(home: &Path) -> Result<PathBuf, BuildError> {
    let lib = home.join("lib");
    let mut pythons = fs::read_dir(&lib).map_err(BuildError::io("read", &lib))?.flatten();
    let found = pythons.find_map(|p| Some(p.path().join("site-packages/go/bin/go")).filter(|go| go.is_file()));
    found
        .ok_or_else(|| BuildError::Setup { tool: "go".to_owned(), message: "its package holds no compiler".to_owned() })
}

/// The author's Go files and what they read, beside the generated ones.
fn copy_project(from: &Path, to: &Path) -> Result<(), BuildError> {
    for path in files::walk(from, files::FILES_MAX)? {
        let relative = path.strip_prefix(from).unwrap_or(&path);
        if relative.starts_with("wit") || relative.starts_with("sdk") {
            continue;
        }
        let target = to.join(relative);
        let parent = target.parent().expect("it was joined to one");
        fs::create_dir_all(parent).map_err(BuildError::io("make", parent))?;
        fs::copy(&path, &target).map_err(BuildError::io("copy", &path))?;
    }
    Ok(())
}
