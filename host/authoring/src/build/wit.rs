//! Which world a project is of, and its WIT as the tools want it.

use super::Work;
use crate::{BuildError, WorldKind, embedded};
use std::fs;
use std::path::{Path, PathBuf};
use wit_bindgen_core::wit_parser::{PackageId, Resolve, WorldId};

/// A project's WIT, read.
pub(super) struct Wit {
    pub(super) dir: PathBuf,
    pub(super) resolve: Resolve,
    pub(super) world: WorldId,
    /// `namespace:package/world@version`.
    pub(super) name: String,
}

/// The project's own `wit/`, or the embedded copy when it has none.
pub(super) fn open(work: &Work<'_>) -> Result<Wit, BuildError> {
    let mut dir = work.project.dir.join("wit");
    if !dir.is_dir() {
        dir = work.stage.join("wit");
        embedded::write::<embedded::Wit>("", &dir).map_err(BuildError::io("write", &dir))?;
    }
    read(dir, |resolve, root| {
        let world = match work.project.kind {
            WorldKind::ToolBox => work.project.world.clone(),
            kind => Some(format!("org-ai:function/{}@0.1.0", kind.as_str())),
        };
        resolve.select_world(&[root], world.as_deref())
    })
}

/// The same world with `imports` added: JavaScript's console and random numbers need WASI, which our worlds leave out.
pub(super) fn widen(work: &Work<'_>, wit: &Wit, imports: &[&str]) -> Result<Wit, BuildError> {
    let dir = work.stage.join("wit-wide");
    embedded::write::<embedded::Wit>("deps/", &dir.join("deps")).map_err(BuildError::io("write", &dir))?;
    copy(&wit.dir.join("deps"), &dir.join("deps"))?;
    copy_files(&wit.dir, &dir.join("deps/project"))?;
    let imports: String = imports.iter().map(|i| format!("  import {i};\n")).collect();
    let text = format!("package org-ai:build;\n\nworld guest {{\n  include {};\n{imports}}}\n", wit.name);
    let file = dir.join("guest.wit");
    fs::write(&file, text).map_err(BuildError::io("write", &file))?;
    read(dir, |resolve, root| resolve.select_world(&[root], Some("guest")))
}

fn read(dir: PathBuf, select: impl FnOnce(&Resolve, PackageId) -> anyhow::Result<WorldId>) -> Result<Wit, BuildError> {
    let mut resolve = Resolve::default();
    let refuse = |e: anyhow::Error| BuildError::Component(format!("the WIT in {} is not usable: {e:#}", dir.display()));
    let (root, _) = resolve.push_dir(&dir).map_err(refuse)?;
    let world = select(&resolve, root).map_err(refuse)?;
    let package = resolve.worlds[world].package.map(|p| resolve.packages[p].name.clone());
    let name = match package {
        Some(package) => package.interface_id(&resolve.worlds[world].name),
        None => resolve.worlds[world].name.clone(),
    };
    Ok(Wit { dir, resolve, world, name })
}

/// A folder of packages, each a folder or a file.
fn copy(from: &Path, to: &Path) -> Result<(), BuildError> {
    if !from.is_dir() {
        return Ok(());
    }
    copy_files(from, to)?;
    for entry in fs::read_dir(from).map_err(BuildError::io("read", from))? {
        let path = entry.map_err(BuildError::io("read", from))?.path();
        if let (true, Some(name)) = (path.is_dir(), path.file_name()) {
            copy_files(&path, &to.join(name))?;
        }
    }
    Ok(())
}

fn copy_files(from: &Path, to: &Path) -> Result<(), BuildError> {
    fs::create_dir_all(to).map_err(BuildError::io("make", to))?;
    for entry in fs::read_dir(from).map_err(BuildError::io("read", from))? {
        let path = entry.map_err(BuildError::io("read", from))?.path();
        if let (true, Some(name)) = (path.extension().is_some_and(|e| e == "wit"), path.file_name()) {
            fs::copy(&path, to.join(name)).map_err(BuildError::io("copy", &path))?;
        }
    }
    Ok(())
}
