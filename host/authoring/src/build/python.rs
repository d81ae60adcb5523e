//! Python: componentize-py puts CPython and the project's modules into one component.

use super::{Work, files, read, wit};
use crate::process::{self, Stdout};
use crate::toolchain::Tool;
use crate::{BuildError, Event, Progress, embedded};
use std::process::Command;

pub(super) fn compile(work: &Work<'_>, progress: &mut dyn Progress) -> Result<Vec<u8>, BuildError> {
    let home = work.tools.ensure(Tool::ComponentizePy, progress)?;
    let wit = wit::open(work)?;
    let entry = files::entry(work.project, &["src/app.py", "app.py"])?;
    let (folder, module) = entry.parent().zip(entry.file_stem()).expect("a file has both");
    let sdk = work.stage.join("sdk");
    embedded::write::<embedded::Sdk>("python/", &sdk).map_err(BuildError::io("write", &sdk))?;

    progress.report(Event::Step("making the component"));
    let output = work.stage.join("component.wasm");
    let mut command = Command::new(home.join("bin/python"));
    // The program is a function of its module; its script would name the folder it was installed in.
    command.args(["-c", "import sys, componentize_py; sys.exit(componentize_py.script())"]);
    command.current_dir(&work.project.dir).arg("-d").arg(&wit.dir).arg("-w").arg(&wit.name);
    command.arg("componentize").arg(module).arg("-p").arg(folder).arg("-p").arg(&sdk).arg("-o").arg(&output);
    process::run("componentize-py", &mut command, Stdout::Person, progress)?;
    read(&output)
}
