//! Running other people's compilers: their output passed on as it comes, kept within bounds, and read for places.

use crate::{BuildError, Diagnostic, Event, Progress};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Setting up and building a large Python guest on a busy machine takes minutes; what takes this long hangs.
const RUN_TIME_MAX: Duration = Duration::from_secs(30 * 60);
/// What is kept of a tool's output; the rest is read and dropped.
const KEPT_BYTES_MAX: usize = 4 << 20;
const LINE_BYTES_MAX: usize = 64 << 10;
/// How much of an output without understandable places a person gets to see.
const TAIL_LINES: usize = 30;
const DIAGNOSTICS_MAX: usize = 20;

/// Who reads what the tool writes to its standard output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stdout {
    /// A person: passed on, like standard error.
    Person,
    /// We do: kept, not passed on.
    Program,
}

enum Line {
    Out(String),
    Err(String),
}

/// Runs to the end and gives the lines of standard output.
pub(crate) fn run(
    tool: &str,
    command: &mut Command,
    stdout: Stdout,
    progress: &mut dyn Progress,
) -> Result<Vec<String>, BuildError> {
    let setup = |message: String| BuildError::Setup { tool: tool.to_owned(), message };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| setup(format!("cannot run it: {e}")))?;
    let lines = listen(&mut child);

    let (mut kept_out, mut kept_all, mut kept_bytes) = (Vec::new(), Vec::new(), 0);
    let deadline = Instant::now() + RUN_TIME_MAX;
    loop {
        let line = match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(setup(format!("it did not end within {} minutes", RUN_TIME_MAX.as_secs() / 60)));
            }
        };
        let (text, person) = match &line {
            Line::Out(text) => (text, stdout == Stdout::Person),
            Line::Err(text) => (text, true),
        };
        if person {
            progress.report(Event::Output(text));
        }
        kept_bytes += text.len();
        if kept_bytes > KEPT_BYTES_MAX {
            continue;
        }
        if person {
            kept_all.push(text.clone());
        }
        if let Line::Out(text) = line {
            kept_out.push(text);
        }
    }
    let status = child.wait().map_err(|e| setup(format!("cannot wait for it: {e}")))?;
    if status.success() {
        return Ok(kept_out);
    }
    let output = kept_all[kept_all.len().saturating_sub(TAIL_LINES)..].join("\n");
    let output = if output.is_empty() { format!("it ended with {status}") } else { output };
    Err(BuildError::Compile { tool: tool.to_owned(), diagnostics: diagnostics(&kept_all), output })
}

/// Both streams as one sequence of lines; it ends when the tool has closed both.
fn listen(child: &mut Child) -> mpsc::Receiver<Line> {
    let (sender, receiver) = mpsc::sync_channel(1_000);
    let out = child.stdout.take().expect("it was piped");
    let err = child.stderr.take().expect("it was piped");
    let error_sender = sender.clone();
    thread::spawn(move || read_lines(out, |text| sender.send(Line::Out(text)).is_ok()));
    thread::spawn(move || read_lines(err, |text| error_sender.send(Line::Err(text)).is_ok()));
    receiver
}

fn read_lines(from: impl Read, mut each: impl FnMut(String) -> bool) {
    let mut from = BufReader::new(from);
    loop {
        let mut line = Vec::new();
        match from.by_ref().take(LINE_BYTES_MAX as u64).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line);
        if !each(text.trim_end().to_owned()) {
            return;
        }
    }
}

/// The places that a compiler complained about: rustc, clang and zig, go, esbuild, Python.
pub(crate) fn diagnostics(lines: &[String]) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut header = None;
    let conclusion = lines.iter().rev().map(|l| l.trim()).find(|l| !l.is_empty()).unwrap_or_default();
    for line in lines {
        let text = line.trim();
        if text.starts_with("error") || text.contains("[ERROR]") {
            header = Some(text.trim_start_matches("✘ ").trim_start_matches("[ERROR] ").to_owned());
            continue;
        }
        if text.starts_with("warning") {
            header = None;
            continue;
        }
        let (place, traceback) = match text.strip_prefix("File \"").and_then(|rest| rest.split_once("\", line ")) {
            Some((file, rest)) => {
                let line = rest.split(|c: char| !c.is_ascii_digit()).next().and_then(|n| n.parse().ok());
                (line.map(|line| (file.to_owned(), line, None, "")), true)
            }
            None => (place(text.strip_prefix("--> ").unwrap_or(text)), false),
        };
        let Some((file, line, column, rest)) = place else { continue };
        let message = if traceback {
            conclusion.to_owned()
        } else if !rest.is_empty() {
            if rest.starts_with("note") || rest.starts_with("warning") {
                continue;
            }
            rest.trim_start_matches("error: ").to_owned()
        } else if let Some(header) = header.take() {
            header
        } else {
            continue;
        };
        let diagnostic = Diagnostic { file, line, column, message };
        if found.len() < DIAGNOSTICS_MAX && !found.contains(&diagnostic) {
            found.push(diagnostic);
        }
    }
    found
}

/// `path:line[:column][: rest]`.
fn place(text: &str) -> Option<(String, u32, Option<u32>, &str)> {
    let (file, rest) = text.split_once(':')?;
    if file.is_empty() || file.contains(' ') || !file.contains('.') {
        return None;
    }
    let (line, rest) = number(rest)?;
    let (column, rest) = match rest.strip_prefix(':').and_then(number) {
        Some((column, rest)) => (Some(column), rest),
        None => (None, rest),
    };
    Some((file.to_owned(), line, column, rest.trim_start_matches(':').trim()))
}

fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}
