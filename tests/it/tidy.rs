//! The rules of the house, as a test: crate edges, file heads, sizes, no ignored tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

/// Which of our crates each may use. An edge that is not here is a change of the architecture: change
/// `host/ARCHITECTURE.md` with it.
const EDGES: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("log", &["types"]),
    ("store", &["types"]),
    ("model", &["types"]),
    ("journal", &["types"]),
    ("schedule", &["types"]),
    ("workers", &["types"]),
    ("auth", &["types"]),
    ("channels", &["types", "auth"]),
    ("world", &[]),
    ("engine", &["types", "world"]),
    ("ai", &["types"]),
    ("mcp", &["types"]),
    ("runtime", &["types", "commit-log", "store", "model", "journal", "schedule", "auth", "workers"]),
    ("console", &[]),
    ("api", &["types", "model", "auth", "runtime", "console"]),
    ("authoring", &["types", "workers"]),
    ("testkit", &["types", "commit-log", "auth", "runtime"]),
    (
        "cli",
        &[
            "types",
            "model",
            "commit-log",
            "store",
            "engine",
            "ai",
            "auth",
            "channels",
            "mcp",
            "runtime",
            "api",
            "authoring",
        ],
    ),
];

/// Crates of others that one crate of ours keeps to itself.
const KEPT: &[(&str, &[&str])] = &[
    ("wasmtime", &["world", "engine"]),
    ("wasmtime-wasi", &["world", "engine"]),
    ("wasmtime-wasi-http", &["engine"]),
    ("wasmtime-wasi-io", &["engine"]),
    ("rusqlite", &["store"]),
    ("axum", &["api"]),
    ("clap", &["cli"]),
    ("askama", &["console"]),
    ("wit-component", &["authoring", "engine"]),
    ("lettre", &["channels"]),
    ("reqwest", &["ai", "cli", "channels", "mcp"]),
    ("rmcp", &["api", "mcp"]),
];

fn manifest(krate: &str) -> toml::Table {
    let path = root().join("host").join(krate).join("Cargo.toml");
    std::fs::read_to_string(&path).expect("each crate has a manifest").parse().expect("it is TOML")
}

fn dependencies(krate: &str) -> BTreeSet<String> {
    let manifest = manifest(krate);
    manifest.get("dependencies").and_then(|d| d.as_table()).map(|d| d.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn crates_use_only_the_crates_below_them() {
    let ours: BTreeSet<_> =
        EDGES.iter().flat_map(|(krate, below)| std::iter::once(*krate).chain(below.iter().copied())).collect();
    let known: BTreeMap<_, _> = EDGES.iter().copied().collect();
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(root().join("host")).expect("host/ is there") {
        let path = entry.expect("it can be read").path();
        if !path.join("Cargo.toml").exists() {
            continue;
        }
        let krate = path.file_name().and_then(|n| n.to_str()).expect("crates have plain names").to_owned();
        let Some(allowed) = known.get(krate.as_str()) else {
            wrong.push(format!("{krate} is not in the table of edges"));
            continue;
        };
        for dependency in dependencies(&krate) {
            if ours.contains(dependency.as_str()) && !allowed.contains(&dependency.as_str()) {
                wrong.push(format!("{krate} must not use {dependency}"));
            }
            for (kept, by) in KEPT {
                if *kept == dependency && !by.contains(&krate.as_str()) {
                    wrong.push(format!("{krate} must not use {kept}: only {by:?} may"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn sources(below: &str) -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).expect("it can be read") {
            let path = entry.expect("it can be read").path();
            let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
            if path.is_dir() && !matches!(name, "target" | "node_modules" | ".git" | "wit") {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(below), &mut found);
    found
}

#[test]
fn files_say_what_they_are_for_and_stay_short() {
    /// Past this a file wants to be two.
    const LINES_MAX: usize = 700;
    let mut wrong = Vec::new();
    for path in sources("host").into_iter().chain(sources("tests")) {
        let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
        if !text.starts_with("//!") {
            wrong.push(format!("{} does not begin with //!", path.display()));
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            wrong.push(format!("{} has {lines} lines", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_test_is_switched_off_and_no_lint_without_a_reason() {
    let mut wrong = Vec::new();
    let (ignored, allowed, registry) = (concat!("#[", "ignore"), concat!("#[", "allow("), concat!("crates", ".io/api"));
    for path in sources("host").into_iter().chain(sources("tests")) {
        let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
        for (n, line) in text.lines().enumerate() {
            if line.contains(ignored) || line.contains(allowed) || line.contains(registry) {
                wrong.push(format!("{}:{}: {}", path.display(), n + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_process_dies_at_every_named_point_in_some_test() {
    let names = |text: &str| -> BTreeSet<String> {
        let after = [".hit(\"", ".point(\""].into_iter().flat_map(|call| text.split(call).skip(1));
        after.filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).filter(|name| name.contains('.')).collect()
    };
    let (mut points, mut tests) = (BTreeSet::new(), String::new());
    for path in sources("host") {
        let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
        if path.components().any(|part| part.as_os_str() == "tests") {
            tests.push_str(&text);
        } else {
            points.extend(names(&text));
        }
    }
    assert!(points.len() > 30, "{points:?}");
    let missing: Vec<_> = points.iter().filter(|point| !tests.contains(&format!("\"{point}\""))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_map_of_the_code_is_there_and_short() {
    let text = std::fs::read_to_string(root().join("host/ARCHITECTURE.md")).expect("host/ARCHITECTURE.md is there");
    assert!(text.lines().count() <= 250, "host/ARCHITECTURE.md has {} lines", text.lines().count());
    for (krate, _) in EDGES {
        assert!(text.contains(&format!("`{krate}")), "host/ARCHITECTURE.md does not mention {krate}");
    }
}
