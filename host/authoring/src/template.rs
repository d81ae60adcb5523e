//! Templates: a complete, building project for each language, embedded.

use crate::{Language, NewError, embedded};
use std::fs;
use std::path::Path;
use types::FunctionName;

/// One kind of new project.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Template {
    /// What `--lang` takes.
    pub name: &'static str,
    pub language: Language,
    pub description: &'static str,
    folder: &'static str,
}

/// The name that a template's files carry where the project's own goes.
const PLACEHOLDER: &str = "my-function";

const TEMPLATES: [Template; 7] = [
    Template { name: "rust", language: Language::Rust, description: "JSON in, JSON out, in Rust", folder: "rust-code" },
    Template {
        name: "js",
        language: Language::JavaScript,
        description: "JSON in, JSON out, in JavaScript",
        folder: "js-code",
    },
    Template {
        name: "ts",
        language: Language::TypeScript,
        description: "JSON in, JSON out, in TypeScript",
        folder: "ts-code",
    },
    Template {
        name: "python",
        language: Language::Python,
        description: "JSON in, JSON out, in Python",
        folder: "python-code",
    },
    Template { name: "c", language: Language::C, description: "JSON in, JSON out, in C", folder: "c-code" },
    Template { name: "go", language: Language::Go, description: "JSON in, JSON out, in Go", folder: "go-code" },
    Template {
        name: "rust-toolbox",
        language: Language::Rust,
        description: "typed functions of your own WIT, each an action, in Rust",
        folder: "rust-toolbox",
    },
];

/// All templates, the one for newcomers first.
pub fn templates() -> &'static [Template] {
    &TEMPLATES
}

/// Writes a project into `dir`, which is made, or is empty. `template` is the name of a template; the long names of
/// languages (`javascript`) work too.
///
/// # Errors
/// [`NewError`]; a `dir` that was made here is removed again.
pub fn new_project(dir: &Path, template: &str, name: &str) -> Result<(), NewError> {
    let name = FunctionName::parse(name)?;
    let by_language = Language::parse(template).map_or(template, |language| language.as_str());
    let template = TEMPLATES.iter().find(|t| t.name == by_language).ok_or_else(|| NewError::Template {
        asked: template.to_owned(),
        known: TEMPLATES.iter().map(|t| t.name.to_owned()).collect(),
    })?;
    let is_taken = dir.is_file() || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some());
    if is_taken {
        return Err(NewError::NotEmpty(dir.to_owned()));
    }
    write(dir, template, &name).map_err(|source| {
        let _ = fs::remove_dir_all(dir);
        NewError::Write { path: dir.to_owned(), source }
    })
}

fn write(dir: &Path, template: &Template, name: &FunctionName) -> std::io::Result<()> {
    let own_wit = dir.join("wit");
    for (path, content) in embedded::files::<embedded::Templates>(&format!("{}/", template.folder)) {
        // `gitignore` and `Cargo.toml.in` would act on this repository under their own names.
        let path = match path.to_str() {
            Some("gitignore") => ".gitignore".into(),
            Some("Cargo.toml.in") => "Cargo.toml".into(),
            _ => path,
        };
        let content = match String::from_utf8(content) {
            Ok(text) => text.replace(PLACEHOLDER, name.as_str()).into_bytes(),
            Err(binary) => binary.into_bytes(),
        };
        embedded::write_if_changed(&dir.join(path), &content)?;
    }
    // A package has one root: its own WIT, or the platform's.
    let prefix = if own_wit.is_dir() { "deps/" } else { "" };
    let to = if own_wit.is_dir() { own_wit.join("deps") } else { own_wit };
    embedded::write::<embedded::Wit>(prefix, &to)?;
    write_sdk(&dir.join("sdk"), template.language)
}

/// Only Rust needs the SDK in the project: cargo has to find it without us. The others get it at build time; what they
/// have of it in the project is for the editor.
fn write_sdk(dir: &Path, language: Language) -> std::io::Result<()> {
    match language {
        Language::Rust => {
            for name in ["Cargo.toml", "src/"] {
                for (path, content) in embedded::files::<embedded::Sdk>("").filter(|(p, _)| p.starts_with(name)) {
                    embedded::write_if_changed(&dir.join(path), &content)?;
                }
            }
            Ok(())
        }
        Language::JavaScript | Language::TypeScript => embedded::write::<embedded::Sdk>("js/", dir),
        Language::Python => embedded::write::<embedded::Sdk>("python/", dir),
        Language::C => embedded::write::<embedded::Sdk>("c/", dir),
        Language::Go => embedded::write::<embedded::Sdk>("go/", dir),
        Language::Other => Ok(()),
    }
}
