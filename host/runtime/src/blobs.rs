//! Components and asset bundles, by what is in them.
//!
//! A blob is on disk, synced, under its hash before any record names it. Power off in between leaves a file that
//! nothing names; it is taken up by the next deploy of the same bytes.

use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use types::Hash;

pub(crate) struct Blobs {
    dir: PathBuf,
}

impl Blobs {
    pub(crate) fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self { dir })
    }

    pub(crate) fn path(&self, hash: &Hash) -> PathBuf {
        self.dir.join(hash.to_string())
    }

    pub(crate) fn assets_path(&self, hash: &Hash) -> PathBuf {
        self.dir.join(format!("{hash}.assets"))
    }

    /// Copies a file in; says its hash and size. Blocks.
    pub(crate) fn put(&self, source: &Path) -> io::Result<(Hash, u64)> {
        let mut from = File::open(source)?;
        let temporary = Temporary(self.dir.join(format!("incoming-{:032x}", rand::random::<u128>())));
        let mut to = File::create_new(&temporary.0)?;
        let (mut hasher, mut size, mut buffer) = (Sha256::new(), 0u64, vec![0; 256 << 10]);
        loop {
            let n = from.read(&mut buffer)?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
            to.write_all(&buffer[..n])?;
            size += n as u64;
        }
        let hash = Hash::from_bytes(hasher.finalize().into());
        let path = self.path(&hash);
        if !path.exists() {
            to.sync_all()?;
            fs::rename(&temporary.0, &path)?;
            File::open(&self.dir)?.sync_all()?;
        }
        Ok((hash, size))
    }

    /// Puts a text in; says its hash and size. Blocks.
    pub(crate) fn put_text(&self, text: &str) -> io::Result<(Hash, u64)> {
        let source = Temporary(self.dir.join(format!("incoming-{:032x}", rand::random::<u128>())));
        fs::write(&source.0, text)?;
        self.put(&source.0)
    }

    /// Unpacks a bundle into a folder of its own, which is then never written again. Blocks.
    pub(crate) fn put_assets(&self, bundle: &Path, limits: &AssetLimits) -> Result<Hash, AssetError> {
        let (hash, _) = self.put(bundle)?;
        let path = self.assets_path(&hash);
        if path.exists() {
            return Ok(hash);
        }
        let temporary = self.dir.join(format!("incoming-{:032x}", rand::random::<u128>()));
        let unpacked = unpack(bundle, &temporary, limits).and_then(|()| Ok(fs::rename(&temporary, &path)?));
        if unpacked.is_err() {
            let _ = fs::remove_dir_all(&temporary);
        }
        unpacked.map(|()| hash)
    }
}

/// Removed when the copy did not get its final name.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// What a bundle may hold.
pub(crate) struct AssetLimits {
    pub(crate) files_max: usize,
    pub(crate) bytes_max: u64,
}

impl AssetLimits {
    pub(crate) const STANDARD: Self = Self { files_max: 10_000, bytes_max: 64 << 20 };
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum AssetError {
    #[error("the asset bundle is no tar archive of plain files: {0}")]
    Refused(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Only plain files and folders, only below the target: a bundle comes from a tenant.
fn unpack(bundle: &Path, target: &Path, limits: &AssetLimits) -> Result<(), AssetError> {
    fs::create_dir_all(target)?;
    let mut archive = tar::Archive::new(File::open(bundle)?);
    let refuse = |what: String| AssetError::Refused(what);
    let (mut files, mut bytes) = (0usize, 0u64);
    for entry in archive.entries()? {
        let mut entry = entry.map_err(|e| refuse(e.to_string()))?;
        let path = entry.path().map_err(|e| refuse(e.to_string()))?.into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() {
            continue;
        }
        if !kind.is_file() {
            return Err(refuse(format!("{} is not a plain file", path.display())));
        }
        files += 1;
        bytes += entry.size();
        if files > limits.files_max || bytes > limits.bytes_max {
            return Err(refuse(format!("more than {} files or {} bytes", limits.files_max, limits.bytes_max)));
        }
        if !entry.unpack_in(target).map_err(|e| refuse(e.to_string()))? {
            return Err(refuse(format!("{} leads outside of the bundle", path.display())));
        }
    }
    Ok(())
}

/// Whether writing failed because there was no room.
pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
