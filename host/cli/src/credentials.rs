//! The credentials file (spec CLI-4): one profile a server, readable by its owner only, replaced whole under a lock.

use crate::env::{Env, HOME, XDG_CONFIG_HOME};
use crate::failure::{Failure, Result};
use crate::private_file;
use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// The only layout there is.
const VERSION: u32 = 1;
/// The profile's name when nobody gives one.
pub(crate) const PROFILE_DEFAULT: &str = "default";

/// What the file holds.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Credentials {
    pub(crate) version: u32,
    /// The profile that is used when none is named.
    pub(crate) default: String,
    pub(crate) profiles: BTreeMap<String, Profile>,
}

/// One server and how to sign in there. Members that this version does not know are kept.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Profile {
    pub(crate) api_url: String,
    pub(crate) access_token: Secret,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh_token: Option<Secret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) org: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ns: Option<String>,
    #[serde(default)]
    pub(crate) scopes: Vec<String>,
    #[serde(flatten)]
    pub(crate) others: BTreeMap<String, Value>,
}

impl Default for Credentials {
    /// What stands for a file that is not there.
    fn default() -> Self {
        Self { version: VERSION, default: PROFILE_DEFAULT.to_owned(), profiles: BTreeMap::new() }
    }
}

/// Where the file is, or would be.
pub(crate) struct Store {
    path: PathBuf,
}

/// The folder of all that the commands keep for the user.
pub(crate) fn folder(env: &Env) -> Result<PathBuf> {
    let config = match (env.get(XDG_CONFIG_HOME), env.get(HOME)) {
        (Some(config), _) => PathBuf::from(config),
        (None, Some(home)) => Path::new(&home).join(".config"),
        (None, None) => {
            return Err(Failure::new(
                "CONFIG_INVALID",
                "neither XDG_CONFIG_HOME nor HOME says where credentials are kept",
            ));
        }
    };
    Ok(config.join("org.ai"))
}

impl Store {
    pub(crate) fn locate(env: &Env) -> Result<Self> {
        Ok(Self { path: folder(env)?.join("credentials.json") })
    }

    /// The file's content, nothing if there is no file; and a warning if others could read it until now.
    pub(crate) fn read(&self) -> Result<(Credentials, Option<String>)> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Credentials::default(), None)),
            Err(error) => return Err(self.failure("cannot be read", error)),
        };
        let file_was_wide =
            private_file::tighten(&self.path, 0o600).map_err(|e| self.failure("cannot be made private", e))?;
        let folder_was_wide = private_file::tighten(self.folder(), 0o700)
            .map_err(|e| self.failure("lies in a folder that cannot be made private", e))?;
        let warning = (file_was_wide || folder_was_wide).then(|| {
            format!("warning: others could open {}; it is private to you now. Consider a new key", self.path.display())
        });
        // The parser's own words could quote a piece of a token: only the place is told.
        let credentials: Credentials = serde_json::from_str(&text)
            .map_err(|e| self.failure("is damaged", format_args!("line {}, column {}", e.line(), e.column())))?;
        if credentials.version != VERSION {
            return Err(self.failure(
                "cannot be used",
                format_args!("it has version {}, known is {VERSION}", credentials.version),
            ));
        }
        Ok((credentials, warning))
    }

    /// Reads, changes, and replaces the file, while no other command can. A damaged file is left as it is.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut Credentials) -> T) -> Result<T> {
        private_file::make_folder(self.folder()).map_err(|e| self.failure("has no folder", e))?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.path.with_extension("lock"))
            .map_err(|e| self.failure("cannot be locked", e))?;
        lock.lock().map_err(|e| self.failure("cannot be locked", e))?;
        let (mut credentials, _) = self.read()?;
        let answer = change(&mut credentials);
        let text = serde_json::to_string_pretty(&credentials).expect("our own types serialise to JSON");
        private_file::write(&self.path, format!("{text}\n").as_bytes())
            .map_err(|e| self.failure("cannot be written", e))?;
        Ok(answer)
    }

    fn folder(&self) -> &Path {
        self.path.parent().expect("the path was made by joining a file name to a folder")
    }

    fn failure(&self, what: &str, error: impl std::fmt::Display) -> Failure {
        Failure::new("CREDENTIALS_INVALID", format!("{} {what}: {error}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn store(folder: &Path) -> Store {
        let folder = folder.to_str().expect("a temporary folder's name is text");
        Store::locate(&Env::of(&[("XDG_CONFIG_HOME", folder), ("HOME", "/nowhere")])).unwrap()
    }

    fn profile(token: &str) -> Profile {
        Profile {
            api_url: "http://127.0.0.1:8787".into(),
            access_token: Secret::new(token),
            refresh_token: None,
            expires_at: None,
            user: None,
            org: None,
            ns: None,
            scopes: vec![],
            others: BTreeMap::new(),
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_file_and_its_folder_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        store.update(|c| c.profiles.insert("default".into(), profile("sk_a"))).unwrap();
        assert_eq!(mode(&folder.path().join("org.ai")), 0o700);
        assert_eq!(mode(&folder.path().join("org.ai/credentials.json")), 0o600);
        assert_eq!(store.read().unwrap().0.profiles["default"].access_token.expose(), "sk_a");
    }

    #[test]
    fn a_file_that_others_can_read_is_tightened_with_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        store.update(|c| c.profiles.insert("default".into(), profile("sk_a"))).unwrap();
        let file = folder.path().join("org.ai/credentials.json");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(store.read().unwrap().1.unwrap().contains("private to you now"));
        assert_eq!(mode(&file), 0o600);
        assert_eq!(store.read().unwrap().1, None);
    }

    #[test]
    fn a_damaged_file_is_reported_without_its_content_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        let file = folder.path().join("org.ai/credentials.json");
        fs::create_dir(folder.path().join("org.ai")).unwrap();
        for text in [
            "{\"version\":1,\"profiles\":\"sk_secret\"}",
            "sk_secret",
            "{\"version\":2,\"default\":\"d\",\"profiles\":{}}",
        ] {
            fs::write(&file, text).unwrap();
            let failure = store.update(|_| ()).unwrap_err();
            assert_eq!(failure.exit as u8, 10, "{text}");
            assert!(!failure.message.contains("sk_secret"), "{}", failure.message);
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[test]
    fn members_of_another_version_survive_an_update() {
        let folder = tempfile::tempdir().unwrap();
        let store = store(folder.path());
        store.update(|c| c.profiles.insert("default".into(), profile("sk_a"))).unwrap();
        let file = folder.path().join("org.ai/credentials.json");
        let text = fs::read_to_string(&file).unwrap().replace("\"scopes\"", "\"colour\": \"blue\",\n\"scopes\"");
        fs::write(&file, text).unwrap();
        store.update(|c| c.profiles.insert("other".into(), profile("sk_b"))).unwrap();
        assert_eq!(store.read().unwrap().0.profiles["default"].others["colour"], "blue");
    }

    #[test]
    fn updates_at_the_same_time_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for n in 0..8 {
                let store = store(folder.path());
                scope.spawn(move || store.update(|c| c.profiles.insert(format!("p{n}"), profile("sk_a"))).unwrap());
            }
        });
        assert_eq!(store(folder.path()).read().unwrap().0.profiles.len(), 8);
    }
}
