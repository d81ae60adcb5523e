//! The private `/tmp` of a run, and how full it is.

use std::path::Path;

/// What a file or folder costs beside its content, so that a million empty ones are not free.
const ENTRY_BYTES: u64 = 4096;

/// Whether everything in `dir` together fits into `bytes_max`. Stops counting as soon as it does not. What cannot be
/// read counts nothing: it is gone again.
pub fn is_within(dir: &Path, bytes_max: u64) -> bool {
    let mut left = bytes_max;
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            let Some(rest) = left.checked_sub(metadata.len().saturating_add(ENTRY_BYTES)) else { return false };
            left = rest;
            if metadata.is_dir() {
                dirs.push(entry.path());
            }
        }
    }
    true
}
