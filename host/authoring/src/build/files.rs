//! A project's files: what was written by hand, what belongs to the function's assets, what to watch.

use crate::{BuildError, Language, Project, Toolchains, embedded};
use std::fs;
use std::path::{Path, PathBuf};
use types::AssetFile;

/// What tools leave behind; never a source.
const GENERATED: [&str; 6] = ["target", "node_modules", "__pycache__", ".venv", ".git", "zig-out"];
/// A project with more is no longer hashed in a blink, and holds something that is not source.
pub(super) const FILES_MAX: usize = 10_000;
const ASSET_FILES_MAX: usize = 1_000;
const ASSET_BYTES_MAX: u64 = 32 << 20;
/// Goes up when a build makes other bytes from the same source.
const RECIPE: &str = "1";

/// A hash, in hex, of everything of this project and of us that a build depends on: with equal fingerprints and the same
/// Rust compiler, a build would give the same component.
///
/// # Errors
/// When a file cannot be read, or there are more than 10,000.
pub fn fingerprint(project: &Project) -> Result<String, BuildError> {
    let mut hash = blake3::Hasher::new();
    let mut add = |name: &str, content: &[u8]| {
        hash.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
        hash.update(&(content.len() as u64).to_le_bytes()).update(content);
    };
    add("recipe", RECIPE.as_bytes());
    add("tools", Toolchains::id(project.language, project.engine).as_bytes());
    for (path, content) in embedded::files::<embedded::Wit>("").chain(embedded::files::<embedded::Sdk>("")) {
        add(&path.to_string_lossy(), &content);
    }
    for path in walk(&project.dir, FILES_MAX)? {
        let content = fs::read(&path).map_err(BuildError::io("read", &path))?;
        add(&path.strip_prefix(&project.dir).unwrap_or(&path).to_string_lossy(), &content);
    }
    if project.language == Language::Rust {
        for name in ["Cargo.lock", "Cargo.toml"] {
            for dir in project.dir.ancestors().skip(1).take(2) {
                add(name, &fs::read(dir.join(name)).unwrap_or_default());
            }
        }
    }
    Ok(hash.finalize().to_hex().to_string())
}

/// What `dev` watches: the project's folder (without what tools leave in it) and the paths it names.
pub fn watch_paths(project: &Project) -> Vec<PathBuf> {
    let entries = fs::read_dir(&project.dir).into_iter().flatten().flatten();
    let own = entries.map(|e| e.path()).filter(|p| !is_generated(p));
    own.chain(project.watch.iter().map(|p| project.dir.join(p))).collect()
}

/// The sources of a project with this extension: below `src/`, or beside `function.toml` when there is no `src/`.
pub(super) fn sources(project: &Project, extension: &str) -> Result<Vec<PathBuf>, BuildError> {
    let src = project.dir.join("src");
    let root = if src.is_dir() { src } else { project.dir.clone() };
    let mut found = walk(&root, FILES_MAX)?;
    found.retain(|p| p.extension().is_some_and(|e| e == extension));
    if found.is_empty() {
        return Err(BuildError::Component(format!("there is no .{extension} file in {}", root.display())));
    }
    Ok(found)
}

/// The file the build begins with: the one `function.toml` names, or the first custom one that is there.
pub(super) fn entry(project: &Project, customs: &[&str]) -> Result<PathBuf, BuildError> {
    let named = project.entry.iter().map(|e| project.dir.join(e));
    let custom = customs.iter().map(|c| project.dir.join(c)).filter(|_| project.entry.is_none());
    named.chain(custom).find(|p| p.is_file()).ok_or_else(|| {
        let looked = project.entry.as_ref().map_or(customs.join(", "), |e| e.display().to_string());
        BuildError::Component(format!("there is no {looked} in {}; [build] entry names another", project.dir.display()))
    })
}

/// The files behind `/assets`, bounded in number and bytes.
pub(super) fn assets(project: &Project) -> Result<Vec<AssetFile>, BuildError> {
    let Some(folder) = &project.assets else { return Ok(Vec::new()) };
    let root = project.dir.join(folder);
    let mut bytes = 0;
    let mut assets = Vec::new();
    for path in walk(&root, ASSET_FILES_MAX)? {
        let content = fs::read(&path).map_err(BuildError::io("read", &path))?;
        bytes += content.len() as u64;
        if bytes > ASSET_BYTES_MAX {
            let limit = format!("{} MiB", ASSET_BYTES_MAX >> 20);
            return Err(BuildError::Limit { what: format!("the assets in {}", root.display()), limit });
        }
        let relative = path.strip_prefix(&root).unwrap_or(&path);
        let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
        assets.push(AssetFile { path: parts.join("/"), content });
    }
    Ok(assets)
}

/// Files below `root` in the order of their paths, without what tools leave behind and without links.
pub(super) fn walk(root: &Path, files_max: usize) -> Result<Vec<PathBuf>, BuildError> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(BuildError::io("read", &folder))? {
            let entry = entry.map_err(BuildError::io("read", &folder))?;
            let kind = entry.file_type().map_err(BuildError::io("read", &folder))?;
            if kind.is_dir() && !is_generated(&entry.path()) {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
            if files.len() > files_max {
                let what = format!("the number of files in {}", root.display());
                return Err(BuildError::Limit { what, limit: files_max.to_string() });
            }
        }
    }
    files.sort();
    Ok(files)
}

fn is_generated(path: &Path) -> bool {
    path.file_name().is_some_and(|name| GENERATED.iter().any(|g| name == *g))
}
