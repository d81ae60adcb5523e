//! A project: a folder with a `function.toml`, read and checked once.

use crate::{ConfigError, config};
use std::fs;
use std::path::{Path, PathBuf};
use types::{FunctionName, Manifest};

/// A language with a tool chain here, or a command of the author's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Language {
    Rust,
    JavaScript,
    TypeScript,
    Python,
    C,
    Go,
    /// `build.command` makes the component.
    Other,
}

impl Language {
    pub const ALL: [Self; 7] =
        [Self::Rust, Self::JavaScript, Self::TypeScript, Self::Python, Self::C, Self::Go, Self::Other];

    /// As `function.toml` and `--lang` spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::JavaScript => "js",
            Self::TypeScript => "ts",
            Self::Python => "python",
            Self::C => "c",
            Self::Go => "go",
            Self::Other => "other",
        }
    }

    /// `js` and `javascript`, `ts` and `typescript` are the same.
    pub fn parse(text: &str) -> Option<Self> {
        let text = match text {
            "javascript" => "js",
            "typescript" => "ts",
            other => other,
        };
        Self::ALL.into_iter().find(|l| l.as_str() == text)
    }
}

/// What the component exports: one of the worlds, or its own WIT.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum WorldKind {
    Code,
    Generative,
    Agentic,
    Human,
    App,
    Site,
    ToolBox,
}

impl WorldKind {
    pub const ALL: [Self; 7] =
        [Self::Code, Self::Generative, Self::Agentic, Self::Human, Self::App, Self::Site, Self::ToolBox];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Generative => "generative",
            Self::Agentic => "agentic",
            Self::Human => "human",
            Self::App => "app",
            Self::Site => "site",
            Self::ToolBox => "tool-box",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == text)
    }
}

/// What runs JavaScript inside the component.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub enum Engine {
    /// 1.6 MB, starts in microseconds.
    #[default]
    QuickJs,
    /// 12 MB, most of the web platform.
    StarlingMonkey,
}

/// A project as its `function.toml` describes it.
#[derive(Clone, PartialEq, Debug)]
pub struct Project {
    /// Absolute.
    pub dir: PathBuf,
    pub name: FunctionName,
    pub language: Language,
    pub kind: WorldKind,
    /// The file the build begins with, relative; none means the language's custom.
    pub entry: Option<PathBuf>,
    /// Which world of `wit/`, for a tool box with more than one.
    pub world: Option<String>,
    pub engine: Engine,
    /// The author's own build, run in the project's folder.
    pub command: Vec<String>,
    /// Where that leaves the component, relative.
    pub output: Option<PathBuf>,
    /// More paths for `dev` to watch, relative.
    pub watch: Vec<PathBuf>,
    pub manifest: Manifest,
    /// The folder behind `/assets`, relative.
    pub assets: Option<PathBuf>,
}

impl Project {
    pub const FILE: &str = "function.toml";

    /// Reads `dir/function.toml`.
    ///
    /// # Errors
    /// When it is absent, no TOML, or says something that is not understood: with its line and what would be accepted.
    pub fn open(dir: &Path) -> Result<Self, ConfigError> {
        let path = dir.join(Self::FILE);
        let missing = |_| ConfigError::Missing(dir.to_owned());
        let dir = fs::canonicalize(dir).map_err(missing)?;
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Err(missing(e)),
            Err(source) => return Err(ConfigError::Read { path, source }),
        };
        config::parse(&text, dir).map_err(|(line, message)| ConfigError::Invalid { path, line, message })
    }

    /// Where [`crate::build`] leaves the component.
    pub fn component_path(&self) -> PathBuf {
        self.dir.join("target").join(format!("{}.wasm", self.name))
    }
}
