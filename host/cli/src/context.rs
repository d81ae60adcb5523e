//! What a command has: the global flags, the environment, the three streams. A test gives it its own.

use crate::args::Globals;
use crate::env::{Env, NO_COLOR};
use crate::failure::{Failure, Result};
use crate::paint::Paint;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::Value;
use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;

/// The three streams, and which of them a person sits at.
pub(crate) struct Streams {
    pub(crate) stdin: Box<dyn Read + Send>,
    pub(crate) stdout: Box<dyn Write + Send>,
    pub(crate) stderr: Box<dyn Write + Send>,
    pub(crate) stdin_is_terminal: bool,
    pub(crate) stdout_is_terminal: bool,
    pub(crate) stderr_is_terminal: bool,
}

impl Streams {
    pub(crate) fn process() -> Self {
        Self {
            stdin: Box::new(io::stdin()),
            stdout: Box::new(io::stdout()),
            stderr: Box::new(io::stderr()),
            stdin_is_terminal: io::stdin().is_terminal(),
            stdout_is_terminal: io::stdout().is_terminal(),
            stderr_is_terminal: io::stderr().is_terminal(),
        }
    }
}

pub(crate) struct Context {
    pub(crate) globals: Globals,
    pub(crate) env: Env,
    pub(crate) streams: Streams,
    /// The folder that relative paths start from.
    pub(crate) folder: PathBuf,
}

/// Most that is read from standard input or an `@file`: more than the server takes for anything that comes this way.
const INPUT_BYTES_MAX: u64 = 16 << 20;

impl Context {
    pub(crate) fn is_json(&self) -> bool {
        self.globals.json
    }

    /// Whether bars may be drawn.
    pub(crate) fn has_progress(&self) -> bool {
        self.streams.stderr_is_terminal && !self.globals.quiet && !self.globals.json
    }

    pub(crate) fn has_color(&self) -> bool {
        self.streams.stderr_is_terminal && !self.globals.no_color && self.env.get(NO_COLOR).is_none()
    }

    /// Whether results may be coloured: somebody reads them, and did not say no.
    pub(crate) fn paint(&self) -> Paint {
        let is_wanted = !self.globals.no_color && self.env.get(NO_COLOR).is_none();
        if self.streams.stdout_is_terminal && is_wanted { Paint::Ansi } else { Paint::Plain }
    }

    /// The result of the command: the document with `--json`, else what `human` makes of it.
    pub(crate) fn result(&mut self, document: &Value, human: impl FnOnce(&Value) -> String) -> Result<()> {
        let text = if self.globals.json { document.to_string() } else { human(document) };
        self.print(&text)
    }

    /// A line of result on standard output. A reader that has gone away (`| head`) is no failure.
    pub(crate) fn print(&mut self, text: &str) -> Result<()> {
        let stdout = &mut self.streams.stdout;
        let text = text.trim_end_matches('\n');
        let written = if text.is_empty() { Ok(()) } else { writeln!(stdout, "{text}").and_then(|()| stdout.flush()) };
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::local("standard output cannot be written", error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A piece of a result as it comes, without an end of its line.
    pub(crate) fn print_piece(&mut self, text: &str) -> Result<()> {
        let stdout = &mut self.streams.stdout;
        match write!(stdout, "{text}").and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::local("standard output cannot be written", error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// A line for the person, on standard error; not with `--quiet` or `--json`.
    pub(crate) fn note(&mut self, text: &str) {
        if !self.globals.quiet && !self.globals.json {
            self.complain(text);
        }
    }

    /// A line on standard error in any case. Nothing can be done where there is no standard error.
    pub(crate) fn complain(&mut self, text: &str) {
        drop(writeln!(self.streams.stderr, "{text}"));
    }

    /// What was asked for on standard input, as text.
    pub(crate) fn read_stdin(&mut self) -> Result<String> {
        read_text(&mut self.streams.stdin, "standard input")
    }

    pub(crate) fn read_file(&self, path: &std::path::Path) -> Result<String> {
        let shown = path.display();
        let mut file = std::fs::File::open(self.folder.join(path)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::new("FILE_NOT_FOUND", format!("there is no file {shown}")),
            _ => Failure::local(format_args!("{shown} cannot be opened"), error),
        })?;
        read_text(&mut file, &shown.to_string())
    }

    /// Asks before something that cannot be taken back. Without a terminal nobody is asked, and nothing is done.
    pub(crate) fn confirm(&mut self, question: &str) -> Result<()> {
        if self.globals.yes {
            return Ok(());
        }
        if !self.streams.stdin_is_terminal || !self.streams.stderr_is_terminal {
            return Err(Failure::new("CONFIRMATION_REQUIRED", format!("{question} Nobody is there to say yes")));
        }
        let answer = dialoguer::Confirm::new().with_prompt(question).default(false).interact();
        match answer {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::new("CANCELLED", "nothing was done")),
            Err(_) => Err(Failure::new("INTERRUPTED", "nothing was done")),
        }
    }

    /// Asks for a word to be typed before something that nothing brings back.
    pub(crate) fn confirm_by(&mut self, warning: &str, word: &str) -> Result<()> {
        if self.globals.yes {
            return Ok(());
        }
        if !self.streams.stdin_is_terminal || !self.streams.stderr_is_terminal {
            return Err(Failure::new("CONFIRMATION_REQUIRED", format!("{warning} Nobody is there to confirm it")));
        }
        let typed: String = dialoguer::Input::new()
            .with_prompt(format!("{warning} Type {word} to do it"))
            .allow_empty(true)
            .interact_text()
            .map_err(|_| Failure::new("INTERRUPTED", "nothing was done"))?;
        if typed.trim() == word {
            return Ok(());
        }
        Err(Failure::new("CANCELLED", format!("that is not {word}: nothing was done")))
    }

    /// A secret: typed without echo at a terminal, else all of standard input without the line's end.
    pub(crate) fn read_secret(&mut self, prompt: &str) -> Result<crate::secret::Secret> {
        let text = if self.streams.stdin_is_terminal {
            dialoguer::Password::new()
                .with_prompt(prompt)
                .interact()
                .map_err(|_| Failure::new("INTERRUPTED", "nothing was read"))?
        } else {
            self.read_stdin()?
        };
        let text = text.strip_suffix('\n').map_or(text.as_str(), |t| t.strip_suffix('\r').unwrap_or(t));
        if text.is_empty() {
            return Err(Failure::usage("standard input is empty: write the value to it, as in `… < file`"));
        }
        Ok(crate::secret::Secret::new(text))
    }
}

fn read_text(from: &mut dyn Read, name: &str) -> Result<String> {
    let mut bytes = Vec::new();
    from.take(INPUT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::local(format_args!("{name} cannot be read"), error))?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(Failure::usage(format!("{name} is larger than {} MiB", INPUT_BYTES_MAX >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{name} is not UTF-8 text")))
}

/// A list for a person: the columns in this order, the rows as they came. `empty` is said when there are none.
pub(crate) fn table(columns: &[&str], rows: impl IntoIterator<Item = Vec<String>>, empty: &str) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|c| c.to_uppercase()));
    let mut is_empty = true;
    for row in rows {
        table.add_row(row.iter().map(|cell| one_line(cell)));
        is_empty = false;
    }
    if is_empty {
        return empty.to_owned();
    }
    table.lines().map(|line| line.trim().to_owned() + "\n").collect()
}

/// A cell stays on its line, and what a guest or another user wrote cannot steer the terminal.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The text at a key, or a number or boolean as text, or a dash.
pub(crate) fn cell(value: &Value, key: &str) -> String {
    match &value[key] {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}
