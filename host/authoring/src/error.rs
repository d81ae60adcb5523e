//! What can go wrong, said to the person who wrote the function.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use types::NameError;

/// What is wrong with a `function.toml`.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("no function.toml in {}; `functions new` makes a project", .0.display())]
    Missing(PathBuf),
    /// `line` counts from 1.
    #[error("{}:{line}: {message}", .path.display())]
    Invalid { path: PathBuf, line: usize, message: String },
    #[error("cannot read {}: {source}", .path.display())]
    Read { path: PathBuf, source: io::Error },
}

/// Why a new project was not written. Nothing is left behind then.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("no template {asked:?}; there are {}", .known.join(", "))]
    Template { asked: String, known: Vec<String> },
    #[error("{} exists and is not empty", .0.display())]
    NotEmpty(PathBuf),
    #[error("cannot write {}: {source}", .path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Why a build gave no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something has to be there that cannot be set up privately.
    #[error("{language} needs {what}, which is not on this machine: {install}")]
    ToolMissing { language: &'static str, what: String, install: String },
    /// Setting up a tool chain failed, most often for want of a network.
    #[error("setting up {tool} failed: {message}")]
    Setup { tool: String, message: String },
    /// The compiler refused the source.
    #[error("{tool} refused the source{}", Listed(.diagnostics, .output))]
    Compile { tool: String, diagnostics: Vec<Diagnostic>, output: String },
    /// The compiler was satisfied, but what it made is not what was asked for.
    #[error("{0}")]
    Component(String),
    /// A limit of [`crate::build`].
    #[error("{what} is over its limit of {limit}")]
    Limit { what: String, limit: String },
    #[error("cannot {what} {}: {source}", .path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
}

impl BuildError {
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

/// One complaint of a compiler, at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diagnostic {
    /// As the compiler spelled it.
    pub file: String,
    /// Counts from 1.
    pub line: u32,
    /// Counts from 1, where the compiler says so.
    pub column: Option<u32>,
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// The diagnostics, or the end of the output when none was understood.
struct Listed<'a>(&'a [Diagnostic], &'a str);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return write!(f, "\n{}", self.1);
        }
        self.0.iter().try_for_each(|d| write!(f, "\n  {d}"))
    }
}
