//! What `dev` keeps in a project: the key of its server, and where that server is while it runs.

use crate::failure::{Failure, Result};
use crate::private_file;
use crate::secret::Secret;
use crate::session::{DevServer, dev_file};
use std::path::{Path, PathBuf};

/// The files, readable by their owner only and unknown to version control.
pub(super) struct Home {
    /// `{url,key}` for the commands that are run beside the server; there only while it runs.
    server: PathBuf,
    /// The key, beside the data that it opens: gone when they are.
    key: PathBuf,
}

impl Home {
    pub(super) fn of(folder: &Path, data: &Path) -> Self {
        Self { server: dev_file(folder), key: data.with_extension("key") }
    }

    /// The key of an earlier run.
    pub(super) fn key(&self) -> Option<Secret> {
        let text = std::fs::read_to_string(&self.key).ok()?;
        let text = text.trim();
        (!text.is_empty()).then(|| Secret::new(text))
    }

    pub(super) fn open(&self, url: &str, key: &Secret) -> Result<()> {
        let failed = |e| Failure::local("the project's .org.ai folder cannot be written", e);
        let server = DevServer { url: url.to_owned(), key: key.clone() };
        let text = serde_json::to_string(&server).expect("our own types serialise to JSON");
        private_file::write(&self.key, key.expose().as_bytes()).map_err(failed)?;
        private_file::write(&self.server, text.as_bytes()).map_err(failed)?;
        let ignore = self.server.with_file_name(".gitignore");
        private_file::write(&ignore, b"*\n").map_err(failed)
    }

    /// Commands go elsewhere from now on. A file that stays only costs them a clear error.
    pub(super) fn close(&self) {
        drop(std::fs::remove_file(&self.server));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_key_stays_private_and_the_address_goes_with_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::of(folder.path(), &folder.path().join(".org.ai/data"));
        assert!(home.key().is_none());
        home.open("http://127.0.0.1:1", &Secret::new("sk_a")).unwrap();
        for name in ["dev.json", "data.key"] {
            let mode = std::fs::metadata(folder.path().join(".org.ai").join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert_eq!(std::fs::read_to_string(folder.path().join(".org.ai/.gitignore")).unwrap(), "*\n");
        home.close();
        assert!(!folder.path().join(".org.ai/dev.json").exists());
        assert_eq!(home.key().unwrap().expose(), "sk_a");
    }
}
