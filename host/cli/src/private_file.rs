//! Files that only the user may read: written whole or not at all, in a folder that only the user may enter.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

/// Writes `content` so that a reader, or a power cut, sees the old file or the new one.
///
/// # Errors
/// Those of the file system.
pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("the file has no folder"))?;
    make_folder(folder)?;
    let mut name = path.file_name().ok_or_else(|| io::Error::other("the file has no name"))?.to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = folder.join(name);
    let written = write_new(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // What is left of a failed write is of no use; that it cannot be removed changes nothing about the failure.
        drop(fs::remove_file(&temporary));
    }
    written
}

/// The folder and its parents; mode 0700 if it is made here.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    tighten(path, 0o600)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Takes away what others may do with it; says whether there was something to take.
pub(crate) fn tighten(path: &Path, mode: u32) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let permissions = fs::metadata(path)?.permissions();
        let is_wide = permissions.mode() & 0o777 & !mode != 0;
        if is_wide {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        Ok(is_wide)
    }
    #[cfg(not(unix))]
    {
        let _ = (path, mode);
        Ok(false)
    }
}
