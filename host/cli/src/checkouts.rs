//! What is checked out (spec VER-6): a session that the server made, kept for one server, namespace and login, so that
//! the next command means the same branch or state.

use crate::client::Client;
use crate::context::Context;
use crate::credentials;
use crate::env::Env;
use crate::failure::{Failure, Result};
use crate::private_file;
use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// The only layout there is.
const VERSION: u32 = 1;
/// Most that are kept; the oldest goes first. A session ends after a day anyway.
const CHECKOUTS_MAX: usize = 100;

/// Where a checkout holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Place {
    pub(crate) api_url: String,
    pub(crate) ns: Option<String>,
    /// The profile the key is from; None: a variable or a dev server.
    pub(crate) profile: Option<String>,
}

/// One checkout.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Checkout {
    #[serde(flatten)]
    pub(crate) place: Place,
    /// What `DO-Session` says.
    pub(crate) session: Secret,
    /// What was asked for, without the `@`.
    #[serde(rename = "ref")]
    pub(crate) at: String,
    /// Nothing can be written there.
    pub(crate) detached: bool,
}

#[derive(Serialize, Deserialize)]
struct Content {
    version: u32,
    checkouts: Vec<Checkout>,
}

/// The file they are kept in.
pub(crate) struct Checkouts {
    path: PathBuf,
}

/// A client that means what is checked out.
pub(crate) fn client(context: &mut Context) -> Result<Client> {
    let mut client = Client::open(context)?;
    let checkout = Checkouts::locate(&context.env)?.find(&client.place())?;
    client.checkout = checkout.map(|checkout| checkout.session);
    Ok(client)
}

/// Ends a checkout of a branch that is gone.
pub(crate) fn leave(client: &Client, branch: &str, context: &mut Context) -> Result<()> {
    let (checkouts, place) = (Checkouts::locate(&context.env)?, client.place());
    if checkouts.find(&place)?.is_some_and(|checkout| checkout.at == branch) {
        checkouts.clear(&place)?;
        context.note(&format!("{branch} was checked out; now nothing is"));
    }
    Ok(())
}

impl Checkouts {
    /// Beside the credentials.
    pub(crate) fn locate(env: &Env) -> Result<Self> {
        Ok(Self { path: credentials::folder(env)?.join("checkouts.json") })
    }

    pub(crate) fn find(&self, place: &Place) -> Result<Option<Checkout>> {
        Ok(self.read()?.into_iter().find(|checkout| checkout.place == *place))
    }

    /// Puts one in the place of the one that was there.
    pub(crate) fn set(&self, checkout: Checkout) -> Result<()> {
        let _lock = self.lock()?;
        let mut all = self.read()?;
        all.retain(|other| other.place != checkout.place);
        let excess = (all.len() + 1).saturating_sub(CHECKOUTS_MAX);
        all.drain(..excess);
        all.push(checkout);
        self.write(all)
    }

    /// Forgets one; says whether there was any. A file that cannot be read is replaced by an empty one: this is the way
    /// out of it.
    pub(crate) fn clear(&self, place: &Place) -> Result<bool> {
        let _lock = self.lock()?;
        let Ok(mut all) = self.read() else {
            return self.write(Vec::new()).map(|()| true);
        };
        let before = all.len();
        all.retain(|other| other.place != *place);
        if all.len() == before {
            return Ok(false);
        }
        self.write(all).map(|()| true)
    }

    fn read(&self) -> Result<Vec<Checkout>> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failure("cannot be read", error)),
        };
        // Going on as if nothing were checked out would write to main what was meant for a branch.
        let content: Content = serde_json::from_str(&text)
            .map_err(|e| self.failure("is damaged", format_args!("line {}, column {}", e.line(), e.column())))?;
        if content.version != VERSION {
            return Err(self.failure("cannot be used", format_args!("version {}, known is {VERSION}", content.version)));
        }
        Ok(content.checkouts)
    }

    fn write(&self, checkouts: Vec<Checkout>) -> Result<()> {
        let content = Content { version: VERSION, checkouts };
        let text = serde_json::to_string_pretty(&content).expect("our own types serialise to JSON");
        private_file::write(&self.path, text.as_bytes()).map_err(|e| self.failure("cannot be written", e))
    }

    /// Until it is dropped no other command changes the file.
    fn lock(&self) -> Result<File> {
        let folder = self.path.parent().expect("the path was made by joining a file name to a folder");
        private_file::make_folder(folder).map_err(|e| self.failure("has no folder", e))?;
        let lock = File::options().create(true).truncate(false).write(true).open(self.path.with_extension("lock"));
        let lock = lock.map_err(|e| self.failure("cannot be locked", e))?;
        lock.lock().map_err(|e| self.failure("cannot be locked", e))?;
        Ok(lock)
    }

    fn failure(&self, what: &str, error: impl std::fmt::Display) -> Failure {
        Failure::new("CONFIG_INVALID", format!("{} {what}: {error}", self.path.display()))
            .with_hint("`org.ai checkout --clear` begins anew")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkouts(folder: &std::path::Path) -> Checkouts {
        let folder = folder.to_str().expect("a temporary folder's name is text");
        Checkouts::locate(&Env::of(&[("XDG_CONFIG_HOME", folder)])).unwrap()
    }

    fn at(ns: &str, at: &str) -> Checkout {
        let place = Place { api_url: "http://a".into(), ns: Some(ns.into()), profile: None };
        Checkout { place, session: Secret::new("t"), at: at.into(), detached: false }
    }

    #[test]
    fn each_namespace_has_its_own_until_it_is_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let all = checkouts(folder.path());
        let (one, two) = (at("https://one", "x"), at("https://two", "y"));
        assert_eq!(all.find(&one.place).unwrap(), None);
        all.set(one.clone()).unwrap();
        all.set(two.clone()).unwrap();
        all.set(Checkout { at: "z".into(), ..one.clone() }).unwrap();
        assert_eq!(all.find(&one.place).unwrap().unwrap().at, "z");
        assert!(all.clear(&one.place).unwrap());
        assert!(!all.clear(&one.place).unwrap());
        assert_eq!(all.find(&two.place).unwrap(), Some(two));
    }

    #[test]
    fn the_oldest_goes_when_there_are_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let all = checkouts(folder.path());
        for n in 0..=CHECKOUTS_MAX {
            all.set(at(&format!("https://{n}"), "x")).unwrap();
        }
        assert_eq!(all.read().unwrap().len(), CHECKOUTS_MAX);
        assert_eq!(all.find(&at("https://0", "x").place).unwrap(), None);
        assert!(all.find(&at("https://1", "x").place).unwrap().is_some());
    }

    #[test]
    fn a_damaged_file_stops_a_command_and_clearing_helps() {
        let folder = tempfile::tempdir().unwrap();
        let all = checkouts(folder.path());
        let one = at("https://one", "x");
        all.set(one.clone()).unwrap();
        std::fs::write(&all.path, "{\"version\":1,\"session\":\"tok\"").unwrap();
        let failure = all.find(&one.place).unwrap_err();
        assert_eq!(failure.exit as u8, 10);
        assert!(!failure.message.contains("tok"), "{}", failure.message);
        assert!(all.clear(&one.place).unwrap());
        assert_eq!(all.find(&one.place).unwrap(), None);
    }
}
