//! One file of the log.

use crate::Error;
use crate::frame::{HEADER_BYTES, segment_header};
use std::fs::{File, OpenOptions};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

pub(crate) struct Segment {
    pub number: u32,
    pub path: PathBuf,
    pub salt: u32,
    file: File,
}

impl Segment {
    /// A new, empty segment whose header and name survive a power cut.
    pub fn create(folder: &Path, number: u32) -> Result<Self, Error> {
        let path = folder.join(name(number));
        let salt = random_salt();
        let make = || {
            let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
            file.write_all_at(&segment_header(salt), 0)?;
            file.sync_all()?;
            File::open(folder)?.sync_all()?;
            Ok(file)
        };
        match make() {
            Ok(file) => Ok(Self { number, path, salt, file }),
            Err(source) => {
                // The next attempt takes the same name; a rest without a header is removed at the next open too.
                let _ = std::fs::remove_file(&path);
                Err(error("could not create the segment", &path, source))
            }
        }
    }

    pub fn open(path: &Path, number: u32, salt: u32) -> Result<Self, Error> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(|source| Error::Io {
            what: "could not open the segment",
            path: path.into(),
            source,
        })?;
        Ok(Self { number, path: path.into(), salt, file })
    }

    pub fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    pub fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    pub fn read(&self, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, offset).map_err(|e| error("could not read the segment", &self.path, e))?;
        Ok(bytes)
    }

    /// A reader may still hold it open; its name is gone.
    pub fn remove(&self) -> Result<(), Error> {
        std::fs::remove_file(&self.path).map_err(|e| error("could not remove the segment", &self.path, e))
    }

    pub const FIRST_FRAME: u64 = HEADER_BYTES as u64;
}

fn error(what: &'static str, path: &Path, source: io::Error) -> Error {
    if is_full(&source) { Error::Full } else { Error::Io { what, path: path.into(), source } }
}

/// The kinds of failure after which the file is as it was, once what was written of the new part is cut off.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

pub(crate) fn name(number: u32) -> String {
    format!("{number:010}.seg")
}

pub(crate) fn number_of(name: &str) -> Option<u32> {
    name.strip_suffix(".seg").filter(|n| n.len() == 10)?.parse().ok()
}

fn random_salt() -> u32 {
    let [a, b, c, d, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
