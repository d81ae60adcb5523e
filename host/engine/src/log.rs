//! What a run writes: stdout, stderr and `context.log`, cut into lines and held to one limit.
//!
//! A guest's print ends in a WASI stream, which cannot reach the `Host` that the run belongs to; so lines collect here
//! and are handed over at the next call of the guest, at the next tick of the clock, and at the end, whichever is first.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use types::LogStream;

/// A longer line is split: whoever shows logs should not need a buffer of the whole limit for one of them.
pub const LINE_BYTES_MAX: usize = 8 << 10;
/// Lines that a fault carries in its details.
const TAIL_LINES: usize = 20;
/// Bytes of each of them; the whole line is in the log.
const TAIL_LINE_BYTES_MAX: usize = 500;

/// Shared between a run and its streams.
pub struct Log(Mutex<Inner>);

struct Inner {
    bytes_max: u64,
    bytes: u64,
    dropped: bool,
    pending: Vec<(LogStream, String)>,
    tail: VecDeque<String>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Log {
    pub fn new(bytes_max: u64) -> Self {
        Self(Mutex::new(Inner {
            bytes_max,
            bytes: 0,
            dropped: false,
            pending: Vec::new(),
            tail: VecDeque::new(),
            stdout: Vec::new(),
            stderr: Vec::new(),
        }))
    }

    /// Bytes of a stream, as they come; a line is complete at its `\n`.
    pub fn write(&self, stream: LogStream, bytes: &[u8]) {
        self.lock().write(stream, bytes);
    }

    /// Whole lines.
    pub fn message(&self, stream: LogStream, message: &str) {
        let mut inner = self.lock();
        for line in message.lines() {
            inner.line(stream, line.as_bytes());
        }
    }

    /// A line of the host's own about this run. It counts like the guest's: what causes it is the guest.
    pub fn host_line(&self, line: &str) {
        self.message(LogStream::Warn, line);
    }

    /// The lines since the last time.
    pub fn take(&self) -> Vec<(LogStream, String)> {
        std::mem::take(&mut self.lock().pending)
    }

    /// What was left without a line end becomes a line.
    pub fn finish(&self) {
        let mut inner = self.lock();
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            let rest = std::mem::take(inner.partial(stream));
            if !rest.is_empty() {
                inner.line(stream, &rest);
            }
        }
    }

    /// The last lines, oldest first.
    pub fn tail(&self) -> Vec<String> {
        self.lock().tail.iter().cloned().collect()
    }

    /// What was kept, without line ends.
    pub fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn partial(&mut self, stream: LogStream) -> &mut Vec<u8> {
        if stream == LogStream::Stdout { &mut self.stdout } else { &mut self.stderr }
    }

    fn write(&mut self, stream: LogStream, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.dropped {
            let partial = self.partial(stream);
            let room = LINE_BYTES_MAX - partial.len();
            let end = bytes.iter().take(room + 1).position(|b| *b == b'\n');
            let taken = end.unwrap_or(room.min(bytes.len()));
            partial.extend_from_slice(&bytes[..taken]);
            let is_full = partial.len() == LINE_BYTES_MAX;
            bytes = &bytes[taken + usize::from(end.is_some())..];
            if end.is_some() || (is_full && !bytes.is_empty()) {
                let line = std::mem::take(self.partial(stream));
                self.line(stream, &line);
            }
        }
    }

    fn line(&mut self, stream: LogStream, line: &[u8]) {
        for part in split(&String::from_utf8_lossy(line)) {
            if self.dropped {
                return;
            }
            let bytes = self.bytes + part.len() as u64 + 1;
            if bytes > self.bytes_max {
                self.dropped = true;
                let said = format!("the log ends here: a run may write {} bytes, the rest is dropped", self.bytes_max);
                return self.keep(LogStream::Warn, said);
            }
            self.bytes = bytes;
            self.keep(stream, part.to_owned());
        }
    }

    fn keep(&mut self, stream: LogStream, line: String) {
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        let mut end = line.len().min(TAIL_LINE_BYTES_MAX);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        self.tail.push_back(line[..end].to_owned());
        self.pending.push((stream, line));
    }
}

/// Parts of at most [`LINE_BYTES_MAX`], cut between characters. An empty line is one empty part.
fn split(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(line.strip_suffix('\r').unwrap_or(line));
    std::iter::from_fn(move || {
        let text = rest.take()?;
        if text.len() <= LINE_BYTES_MAX {
            return Some(text);
        }
        let mut end = LINE_BYTES_MAX;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        rest = Some(&text[end..]);
        Some(&text[..end])
    })
}
