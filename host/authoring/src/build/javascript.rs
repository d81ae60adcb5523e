//! JavaScript and TypeScript: esbuild makes one module of it, then QuickJS or StarlingMonkey goes around that.

use super::{Work, files, read, wit};
use crate::process::{self, Stdout};
use crate::toolchain::Tool;
use crate::{BuildError, Engine, Event, Language, Progress, embedded};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the SDK's console and random numbers stand on. StarlingMonkey has its own.
const GLOBALS: [&str; 3] = ["wasi:cli/stdout@0.2.12", "wasi:cli/stderr@0.2.12", "wasi:random/random@0.2.12"];

/// componentize-js is a library of JavaScript; its features stand for the WASI it would import.
const STARLINGMONKEY: &str = r#"
import { readFile, writeFile } from "node:fs/promises";
import { componentize } from "@bytecodealliance/componentize-js";
const [source, witPath, worldName, output, features] = process.argv.slice(2);
const disableFeatures = features === "http" ? ["fetch-event"] : ["http", "fetch-event"];
const { component } = await componentize(await readFile(source, "utf8"), { witPath, worldName, disableFeatures });
await writeFile(output, component);
"#;

pub(super) fn compile(work: &Work<'_>, progress: &mut dyn Progress) -> Result<Vec<u8>, BuildError> {
    let tool = match work.project.engine {
        Engine::QuickJs => Tool::QuickJs,
        Engine::StarlingMonkey => Tool::StarlingMonkey,
    };
    let home = work.tools.ensure(tool, progress)?;
    let wit = wit::open(work)?;
    let module = bundle(work, &home, progress)?;
    let output = work.stage.join("component.wasm");
    progress.report(Event::Step("making the component"));
    match work.project.engine {
        Engine::QuickJs => {
            let wide = wit::widen(work, &wit, &GLOBALS)?;
            let mut command = Command::new(home.join("node_modules/.bin/componentize-qjs"));
            command.current_dir(work.stage).arg("--wit").arg(&wide.dir).args(["-n", "guest"]);
            // Without --sync the component speaks an ABI that our engine refuses.
            command.arg("--js").arg(&module).arg("--sync").arg("-o").arg(&output);
            process::run("componentize-qjs", &mut command, Stdout::Program, progress)?;
        }
        Engine::StarlingMonkey => {
            let script = home.join("org-ai.mjs");
            embedded::write_if_changed(&script, STARLINGMONKEY.as_bytes()).map_err(BuildError::io("write", &script))?;
            let features = if work.project.manifest.allow.is_empty() { "" } else { "http" };
            let mut command = Command::new("node");
            command.current_dir(work.stage).arg(&script).arg(&module).arg(&wit.dir).arg(&wit.name).arg(&output);
            process::run("componentize-js", command.arg(features), Stdout::Person, progress)?;
        }
    }
    read(&output)
}

/// One module, in which only the WIT's imports are left.
fn bundle(work: &Work<'_>, home: &Path, progress: &mut dyn Progress) -> Result<PathBuf, BuildError> {
    let project = work.project;
    let customs: &[&str] = match project.language {
        Language::TypeScript => &["src/index.ts", "index.ts"],
        _ => &["src/index.js", "index.js"],
    };
    let entry = files::entry(project, customs)?;
    let sdk = work.stage.join("sdk");
    embedded::write::<embedded::Sdk>("js/", &sdk).map_err(BuildError::io("write", &sdk))?;
    let module = work.stage.join("bundle.js");
    let mut command = Command::new(home.join("node_modules/.bin/esbuild"));
    command.current_dir(&project.dir).arg(entry.strip_prefix(&project.dir).unwrap_or(&entry));
    command.args(["--bundle", "--format=esm", "--target=es2023", "--log-level=warning", "--color=false"]);
    command.args(["--external:org-ai:*", "--external:wasi:*"]);
    command.arg(joined("--alias:org-ai=", &sdk.join("index.js"))).arg(joined("--outfile=", &module));
    if project.engine == Engine::QuickJs {
        command.arg(joined("--inject:", &sdk.join("globals.js")));
    }
    progress.report(Event::Step("bundling"));
    process::run("esbuild", &mut command, Stdout::Person, progress)?;
    fs::metadata(&module).map_err(BuildError::io("find", &module))?;
    Ok(module)
}

fn joined(prefix: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(prefix);
    argument.push(path);
    argument
}
