//! Whole commands, from arguments to streams and exit code, against a server that answers from a script.

mod account;
mod agents;
mod applying;
mod branching;
mod deploying;
mod help;
mod invoking;
mod rules;
mod server;
mod things;
mod workflows;

use crate::context::{Context, Streams};
use crate::env::Env;
use serde_json::Value;
use server::FakeServer;
use std::ffi::OsString;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What a command left behind.
#[derive(Debug)]
struct Done {
    code: u8,
    stdout: String,
    stderr: String,
}

impl Done {
    /// Standard output as the one document it must be.
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e} in {self:?}"))
    }

    /// The error document, and nothing on standard output beside it.
    fn error(&self) -> Value {
        assert_eq!(self.stdout, "", "{self:?}");
        let document: Value = serde_json::from_str(&self.stderr).unwrap_or_else(|e| panic!("{e} in {self:?}"));
        assert_eq!(document["error"]["exitCode"], self.code, "{self:?}");
        document["error"].clone()
    }
}

/// A user at a machine of their own: a home, a working folder, an environment.
struct User {
    home: tempfile::TempDir,
    env: Vec<(String, String)>,
}

impl User {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("config").display().to_string();
        Self { home, env: vec![("XDG_CONFIG_HOME".into(), config)] }
    }

    /// Somebody with a key for this server.
    fn of(server: &FakeServer) -> Self {
        Self::new().with("ORG_AI_API_URL", &server.url).with("ORG_AI_TOKEN", "sk_test")
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    fn folder(&self) -> &Path {
        self.home.path()
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    async fn run(&self, arguments: &[&str]) -> Done {
        self.run_with(arguments, "").await
    }

    async fn run_with(&self, arguments: &[&str], stdin: &str) -> Done {
        let (stdout, stderr) = (Buffer::default(), Buffer::default());
        let mut streams = Streams {
            stdin: Box::new(Cursor::new(stdin.as_bytes().to_vec())),
            stdout: Box::new(stdout.clone()),
            stderr: Box::new(stderr.clone()),
            stdin_is_terminal: false,
            stdout_is_terminal: false,
            stderr_is_terminal: false,
        };
        let arguments: Vec<OsString> = std::iter::once(&"org.ai").chain(arguments).map(OsString::from).collect();
        let code = match crate::parse(&arguments, &mut streams) {
            Err(code) => code,
            Ok(cli) => {
                let pairs: Vec<(&str, &str)> = self.env.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
                let folder = self.home.path().to_owned();
                let mut context = Context { globals: cli.globals, env: Env::of(&pairs), streams, folder };
                crate::execute(cli.command, &mut context).await
            }
        };
        Done { code, stdout: stdout.text(), stderr: stderr.text() }
    }
}

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()).unwrap()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
