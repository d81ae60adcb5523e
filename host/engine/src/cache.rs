//! Compiled components on disk.
//!
//! A file is the machine code and a MAC behind it. The MAC covers the component's hash and the engine's settings too, so
//! a file cannot stand in for another one. What does not verify is never loaded: it is compiled again and replaced.
//!
//! What verified is mapped from the very file that was read, not copied. So the folder belongs to the host alone (0700):
//! who could change a file of it in place could read the key beside it just as well. The host itself never does; it
//! replaces files by renaming and removes them by name, which leaves what is mapped as it was.

use crate::config::Config;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use types::Hash;
use wasmtime::component::Component;

const MAC_BYTES: usize = blake3::OUT_LEN;
const EXTENSION: &str = "cwasm";
/// Read at a time while a file is verified: it stays in the processor's cache, and is enough for blake3's widest step.
const PIECE_BYTES: usize = 256 << 10;

pub struct DiskCache {
    dir: PathBuf,
    key: [u8; 32],
    bytes_max: u64,
    /// Of wasmtime's version and every setting that machine code depends on.
    compatibility: u64,
}

impl DiskCache {
    pub fn open(config: &Config, engine: &wasmtime::Engine) -> std::io::Result<Self> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.cache_dir)?;
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self {
            dir: config.cache_dir.clone(),
            key: config.cache_key,
            bytes_max: config.cache_disk_bytes_max,
            compatibility: hasher.finish(),
        })
    }

    /// Nothing when there is no file, or none that may be loaded.
    pub fn load(&self, engine: &wasmtime::Engine, hash: &Hash) -> Option<Component> {
        let file = std::fs::File::open(self.path(hash)).ok()?;
        if !self.verifies(&file, hash).ok()? {
            tracing::warn!(%hash, "a compiled component does not verify; it is compiled anew");
            return None;
        }
        // For the eviction, which takes what was not used for longest. Missing it costs a compilation some day.
        file.set_modified(SystemTime::now()).ok();
        deserialize(engine, &file)
            .inspect_err(|error| tracing::warn!(%hash, %error, "a compiled component does not load"))
            .ok()
    }

    /// Whether the file ends in the MAC of what stands before it.
    fn verifies(&self, mut file: &std::fs::File, hash: &Hash) -> std::io::Result<bool> {
        let Some(code_bytes) = file.metadata()?.len().checked_sub(MAC_BYTES as u64) else { return Ok(false) };
        let mut mac = self.mac(hash);
        let mut code = file.take(code_bytes);
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            match code.read(&mut piece)? {
                0 => break,
                read => mac.update(&piece[..read]),
            };
        }
        let mut expected = [0; MAC_BYTES];
        file.read_exact(&mut expected)?;
        // Compared in constant time by blake3.
        Ok(mac.finalize() == expected)
    }

    /// A cache that cannot be written (a full disk) is a slow start some day, not a failure now.
    pub fn store(&self, component: &Component, hash: &Hash) {
        let stored = component.serialize().map_err(std::io::Error::other).and_then(|code| {
            self.write(hash, &code)?;
            self.evict(&self.path(hash))
        });
        if let Err(error) = stored {
            tracing::warn!(%hash, %error, "a compiled component could not be kept");
        }
    }

    fn write(&self, hash: &Hash, code: &[u8]) -> std::io::Result<()> {
        // Renamed when whole, so nobody reads a half; synced never, for a torn file does not verify.
        let mut file = tempfile::Builder::new().suffix(".tmp").tempfile_in(&self.dir)?;
        file.write_all(code)?;
        file.write_all(self.mac(hash).update(code).finalize().as_bytes())?;
        file.persist(self.path(hash)).map_err(|error| error.error)?;
        Ok(())
    }

    fn evict(&self, keep: &Path) -> std::io::Result<()> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let path = entry?.path();
            // Another one may remove the same files at the same time.
            if let (true, Ok(metadata)) = (path.extension().is_some_and(|e| e == EXTENSION), path.metadata()) {
                files.push((metadata.modified()?, metadata.len(), path));
            }
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, len, _)| len).sum();
        for (_, len, path) in files.iter().filter(|(_, _, path)| path != keep) {
            if bytes <= self.bytes_max {
                break;
            }
            std::fs::remove_file(path).ok();
            bytes -= len;
        }
        Ok(())
    }

    /// Begun with what the code is the code of.
    fn mac(&self, hash: &Hash) -> blake3::Hasher {
        let mut mac = blake3::Hasher::new_keyed(&self.key);
        mac.update(hash.as_bytes()).update(&self.compatibility.to_le_bytes());
        mac
    }

    pub fn path(&self, hash: &Hash) -> PathBuf {
        self.dir.join(format!("{hash}-{:016x}.{EXTENSION}", self.compatibility))
    }
}

#[expect(unsafe_code, reason = "loading machine code; its MAC, under a key that only this host has, was just verified")]
fn deserialize(engine: &wasmtime::Engine, file: &std::fs::File) -> wasmtime::Result<Component> {
    // wasmtime opens files by name only; this is the name of the open one, whatever stands in the folder meanwhile.
    let opened = format!("/dev/fd/{}", file.as_raw_fd());
    // SAFETY: the file holds what `Component::serialize` of this host gave: `DiskCache::load` verified its MAC through
    // the same descriptor, and nobody but this host, which never writes into a file it has named, can change it (see the
    // head of this file). wasmtime itself refuses code of another version or configuration, and does not look at what
    // stands behind the code.
    unsafe { Component::deserialize_file(engine, opened) }
}
