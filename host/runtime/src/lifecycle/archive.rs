//! An archive: a file of JSON lines with complete rows, and at its end the BLAKE3 of all before.
//!
//! It is written under another name, synced, read back and compared, and only then gets its own. So a file of that name
//! is whole; it is checked all the same whenever it is read.

use crate::node::NodeInner;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use types::{ActionRow, EventRow, Id, Namespace, ObjectId, ThingRow, Timestamp};

/// One line.
#[derive(Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub(super) enum Entry {
    Archive(Head),
    Thing(ThingRow),
    Action(ActionRow),
    Event(EventRow),
    End(End),
}

/// The first line.
#[derive(Serialize, Deserialize, Debug)]
pub(super) struct Head {
    pub(super) format: u32,
    pub(super) archive: String,
    pub(super) namespace: Namespace,
    pub(super) at: Timestamp,
}

/// The last line.
#[derive(Serialize, Deserialize, Debug)]
pub(super) struct End {
    pub(super) rows: u64,
    /// Of every byte before this line, in hex.
    blake3: String,
}

const FORMAT: u32 = 1;
/// A thing has 1 MiB of data, an action a little more; a line that is longer is damage.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// Where the archives of an object lie.
pub(super) fn folder_of(node: &NodeInner, object: ObjectId) -> PathBuf {
    node.config.data_dir.join("archives").join(object.to_string())
}

pub(super) fn path_of(node: &NodeInner, object: ObjectId, archive: Id) -> PathBuf {
    folder_of(node, object).join(format!("{archive}.jsonl"))
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// An archive while it is made. Dropped, it leaves a file that the next attempt writes over.
pub(super) struct Writer {
    path: PathBuf,
    out: BufWriter<File>,
    hasher: blake3::Hasher,
    rows: u64,
}

impl Writer {
    pub(super) fn create(path: &Path, archive: Id, namespace: &Namespace, at: Timestamp) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let out = BufWriter::new(File::create(unfinished(path))?);
        let mut writer = Self { path: path.to_owned(), out, hasher: blake3::Hasher::new(), rows: 0 };
        let head = Head { format: FORMAT, archive: archive.to_string(), namespace: namespace.clone(), at };
        writer.line(&Entry::Archive(head))?;
        Ok(writer)
    }

    pub(super) fn add(&mut self, entry: &Entry) -> io::Result<()> {
        self.rows += 1;
        self.line(entry)
    }

    fn line(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.hasher.update(&line);
        self.out.write_all(&line)
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Syncs it, reads it back, and gives it its name. Blocks.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let end = End { rows: self.rows, blake3: self.hasher.finalize().to_hex().to_string() };
        self.line(&Entry::End(end))?;
        let file = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        verify(&unfinished(&self.path))?;
        fs::rename(unfinished(&self.path), &self.path)?;
        sync_parents(&self.path)
    }
}

/// The folder of the file, and the two above: each may be new.
fn sync_parents(path: &Path) -> io::Result<()> {
    path.ancestors().skip(1).take(3).try_for_each(|folder| File::open(folder)?.sync_all())
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("jsonl.part")
}

/// Removes what an attempt left.
pub(super) fn remove_unfinished(path: &Path) {
    let _ = fs::remove_file(unfinished(path));
}

/// Reads all of it, and says whether it is what was written. Blocks.
///
/// # Errors
/// `InvalidData` when it is not.
pub(super) fn verify(path: &Path) -> io::Result<u64> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut hasher = blake3::Hasher::new();
    let (mut rows, mut line) = (0, Vec::new());
    let mut is_first = true;
    loop {
        let before = hasher.finalize();
        if !read_line(&mut reader, &mut line)? {
            return Err(damaged("it has no end"));
        }
        match serde_json::from_slice(&line).map_err(|_| damaged("a line cannot be read"))? {
            Entry::Archive(head) if is_first && head.format == FORMAT => {}
            Entry::Thing(_) | Entry::Action(_) | Entry::Event(_) if !is_first => rows += 1,
            Entry::End(end) if !is_first => {
                let is_whole = end.rows == rows && end.blake3 == before.to_hex().as_str();
                let is_last = !read_line(&mut reader, &mut line)?;
                return if is_whole && is_last {
                    Ok(rows)
                } else {
                    Err(damaged("its rows are not those it was made of"))
                };
            }
            Entry::Archive(_) | Entry::Thing(_) | Entry::Action(_) | Entry::Event(_) | Entry::End(_) => {
                return Err(damaged("its lines are not in order"));
            }
        }
        is_first = false;
        hasher.update(&line);
    }
}

/// False at the end of the file.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = io::Read::take(&mut *reader, LINE_BYTES_MAX).read_until(b'\n', line)?;
    if read > 0 && line.last() != Some(&b'\n') {
        return Err(damaged("a line is cut off, or too long"));
    }
    Ok(read > 0)
}

/// The rows of an archive that was verified, in their order.
pub(super) struct Rows(BufReader<File>);

impl Rows {
    /// From the row after so many.
    pub(super) fn open(path: &Path, skip: u64) -> io::Result<Self> {
        let mut rows = Self(BufReader::new(File::open(path)?));
        let mut line = Vec::new();
        for _ in 0..=skip {
            read_line(&mut rows.0, &mut line)?;
        }
        Ok(rows)
    }

    /// At most so many rows, and so many bytes of them; with what each takes. Empty at the end.
    pub(super) fn chunk(&mut self, rows_max: usize, bytes_max: u64) -> io::Result<Vec<(Entry, u64)>> {
        let (mut found, mut line, mut bytes) = (Vec::new(), Vec::new(), 0);
        while found.len() < rows_max && bytes < bytes_max && read_line(&mut self.0, &mut line)? {
            match serde_json::from_slice(&line).map_err(|_| damaged("a line cannot be read"))? {
                Entry::End(_) => break,
                entry => found.push((entry, line.len() as u64)),
            }
            bytes += line.len() as u64;
        }
        Ok(found)
    }
}
