//! Waiting for a change of a project's files.

use crate::failure::{Failure, Result};
use crate::project;
use notify::event::EventKind;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::path::Path;
use std::time::Duration;
use tokio::sync::mpsc;

/// An editor writes several files at once, and one in several steps: this long nothing must have happened.
const QUIET: Duration = Duration::from_millis(150);
/// But who writes without end is not waited for.
const WAIT_MAX: Duration = Duration::from_secs(2);

/// Says when something changed.
pub(super) struct Changes {
    /// One place: that something changed is all there is to know.
    changed: mpsc::Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl Changes {
    pub(super) fn watch(folder: &Path) -> Result<Self> {
        let failed = |e: notify::Error| Failure::local(format_args!("{} cannot be watched", folder.display()), e);
        let root = std::fs::canonicalize(folder).map_err(|e| failed(notify::Error::io(e)))?;
        let (sender, changed) = mpsc::channel(1);
        let inside = root.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let is_change = event.is_ok_and(|event| {
                let is_written =
                    matches!(event.kind, EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_));
                is_written && event.paths.iter().any(|path| !super::is_ours(path.strip_prefix(&inside).unwrap_or(path)))
            });
            if is_change {
                // A full place says it already.
                let _ = sender.try_send(());
            }
        })
        .map_err(failed)?;
        watcher.watch(&root, RecursiveMode::NonRecursive).map_err(failed)?;
        let project = project::open(&root)?;
        for path in authoring::watch_paths(&project).iter().filter(|path| path.is_dir()) {
            watcher.watch(path, RecursiveMode::Recursive).map_err(failed)?;
        }
        Ok(Self { changed, _watcher: watcher })
    }

    /// Ready when something changed and then nothing more for a moment.
    pub(super) async fn next(&mut self) -> Result<()> {
        let gone = || Failure::local("the folder is not watched any more", "the watcher ended");
        self.changed.recv().await.ok_or_else(gone)?;
        let settle = async { while let Ok(Some(())) = tokio::time::timeout(QUIET, self.changed.recv()).await {} };
        // Past the longest wait it is as good as quiet.
        let _ = tokio::time::timeout(WAIT_MAX, settle).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("src/deep")).unwrap();
        let text = "name = \"hello\"\nlanguage = \"rust\"\n";
        std::fs::write(folder.path().join("function.toml"), text).unwrap();
        folder
    }

    #[tokio::test]
    async fn a_source_file_that_changes_is_noticed_and_what_tools_write_is_not() {
        let folder = project();
        let mut changes = Changes::watch(folder.path()).unwrap();
        std::fs::create_dir(folder.path().join("target")).unwrap();
        std::fs::write(folder.path().join("target/x.wasm"), "x").unwrap();
        std::fs::write(folder.path().join("src/deep/lib.rs"), "x").unwrap();
        changes.next().await.unwrap();
        std::fs::write(folder.path().join("function.toml"), "name = \"other\"\nlanguage = \"rust\"\n").unwrap();
        changes.next().await.unwrap();
        // All that is left are the tool's files, which say nothing.
        std::fs::write(folder.path().join("target/y.wasm"), "y").unwrap();
        assert!(changes.changed.try_recv().is_err());
    }
}
