//! What must not change by accident: the interfaces that guests were built against.
//!
//! To accept a change that is meant, run the tests with `UPDATE_GOLDEN=1` and look at the difference in git. A package
//! of `wit/` that has shipped is frozen: a change is a new version beside it.

use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

/// Compares with `tests/golden/NAME`, or writes it.
pub fn check(name: &str, actual: &str) {
    let path = root().join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).expect("goldens can be written");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected != actual {
        let changed: Vec<_> = actual.lines().filter(|line| !expected.lines().any(|l| l == *line)).take(20).collect();
        panic!("{name} differs from tests/golden/{name}; new or changed lines:\n{}", changed.join("\n"));
    }
}

#[test]
fn the_interfaces_are_frozen() {
    let mut lines = Vec::new();
    let mut files = Vec::new();
    for package in std::fs::read_dir(root().join("wit/deps")).expect("wit/deps is there") {
        let package = package.expect("it can be read").path();
        for file in std::fs::read_dir(&package).expect("a package is a folder") {
            files.push(file.expect("it can be read").path());
        }
    }
    files.push(root().join("wit/host.wit"));
    files.sort();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("it is text");
        let digest = Sha256::digest(without_comments(&text));
        let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
        let name = file.strip_prefix(root()).expect("below the root").display().to_string();
        lines.push(format!("{hex}  {name}"));
    }
    check("wit.txt", &(lines.join("\n") + "\n"));
}

/// What a guest was built against; what is said about it may become truer.
fn without_comments(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line.trim_end(), "\n"]).collect()
}

#[test]
fn every_interface_item_says_since_when_it_is_there() {
    let deps = root().join("wit/deps");
    for package in std::fs::read_dir(deps).expect("wit/deps is there") {
        let package = package.expect("it can be read").path();
        if !package.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("org-ai-")) {
            continue;
        }
        for file in std::fs::read_dir(&package).expect("a package is a folder") {
            let path = file.expect("it can be read").path();
            let text = std::fs::read_to_string(&path).expect("it is text");
            let mut previous = "";
            for line in text.lines() {
                let item = ["interface ", "record ", "enum ", "type "].iter().any(|k| line.trim_start().starts_with(k))
                    || line.starts_with("world ")
                    || line.contains(": func(") && !line.contains("export ");
                if item {
                    assert!(previous.contains("@since"), "{}: {line}", path.display());
                }
                previous = line;
            }
        }
    }
}
