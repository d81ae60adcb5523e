//! Compiled components on disk.
//!
//! A file is a MAC and the machine code behind it. The MAC covers the component's hash and the engine's settings too, so
//! a file cannot stand in for another one. What does not verify is never loaded: it is compiled again and replaced.

use crate::config::Config;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use types::Hash;
use wasmtime::component::Component;

const MAC_BYTES: usize = blake3::OUT_LEN;
const EXTENSION: &str = "cwasm";

pub struct DiskCache {
    dir: PathBuf,
    key: [u8; 32],
    bytes_max: u64,
    /// Of wasmtime's version and every setting that machine code depends on.
    compatibility: u64,
}

impl DiskCache {
    pub fn open(config: &Config, engine: &wasmtime::Engine) -> std::io::Result<Self> {
        std::fs::create_dir_all(&config.cache_dir)?;
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
        let mut file = std::fs::File::open(self.path(hash)).ok()?;
        let mut bytes = Vec::with_capacity(file.metadata().ok()?.len().try_into().ok()?);
        file.read_to_end(&mut bytes).ok()?;
        let (mac, code) = bytes.split_at_checked(MAC_BYTES)?;
        // Compared in constant time by blake3.
        if self.mac(hash, code) != <[u8; MAC_BYTES]>::try_from(mac).ok()? {
            tracing::warn!(%hash, "a compiled component does not verify; it is compiled anew");
            return None;
        }
        // For the eviction, which takes what was not used for longest. Missing it costs a compilation some day.
        file.set_modified(SystemTime::now()).ok();
        deserialize(engine, code)
            .inspect_err(|error| tracing::warn!(%hash, %error, "a compiled component does not load"))
            .ok()
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
        file.write_all(self.mac(hash, code).as_bytes())?;
        file.write_all(code)?;
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

    fn mac(&self, hash: &Hash, code: &[u8]) -> blake3::Hash {
        blake3::Hasher::new_keyed(&self.key)
            .update(hash.as_bytes())
            .update(&self.compatibility.to_le_bytes())
            .update(code)
            .finalize()
    }

    pub fn path(&self, hash: &Hash) -> PathBuf {
        self.dir.join(format!("{hash}-{:016x}.{EXTENSION}", self.compatibility))
    }
}

#[expect(unsafe_code, reason = "loading machine code; its MAC, under a key that only this host has, was just verified")]
fn deserialize(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes are what `Component::serialize` of this host gave: `DiskCache::load` verified their MAC in the
    // same memory that is read here. wasmtime itself refuses those of another version or configuration.
    unsafe { Component::deserialize(engine, code) }
}
