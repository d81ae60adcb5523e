//! What a dead process leaves on the disk.

use crate::Tape;
use crate::scene::Scene;
use crate::steps::Lost;
use std::path::Path;

/// The process is gone between two instants: what it had written to files is what there is.
pub async fn kill(scene: Scene, lost: Lost, tape: &Tape) -> anyhow::Result<Scene> {
    let copy = tempfile::tempdir()?;
    copy_folder(scene.dir.path(), copy.path())?;
    drop(scene);
    for file in files(&copy.path().join("objects"))? {
        let is_wal = file.extension().is_some_and(|e| e == "sqlite-wal");
        // A file whose log has forgotten its beginning is not to be lost.
        if lost != Lost::Nothing && (is_wal || lost == Lost::Files && !tape.forgets) {
            std::fs::remove_file(file)?;
        }
    }
    tape.open(copy).await
}

fn files(folder: &Path) -> anyhow::Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else {
            found.push(path);
        }
    }
    Ok(found)
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    for file in files(from)? {
        let copy = to.join(file.strip_prefix(from)?);
        std::fs::create_dir_all(copy.parent().expect("it lies in a folder"))?;
        std::fs::copy(&file, copy)?;
    }
    Ok(())
}
