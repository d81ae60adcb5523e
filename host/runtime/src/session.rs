//! What was checked out, as a token that its holder keeps (spec VER-6). The host remembers nothing of it: the token says
//! what it means, and a code that only this node can make says that it is ours.

use crate::Caller;
use crate::object::Object;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::time::Duration;
use types::{Fault, Ref, Timestamp};

/// How long a session lasts.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// The longest token: a branch's name and the rest of it, in base64.
const TOKEN_BYTES_MAX: usize = 512;
/// What the node's key is derived for; another purpose gives another key.
const KEY_CONTEXT: &str = "org.ai 2026-11 checkout sessions";
const FORMAT: u8 = 1;
const MAC_BYTES: usize = 32;
const OWNER_BYTES: usize = 16;
/// Format, object, caller, expiry; the ref follows.
const HEAD_BYTES: usize = 1 + OWNER_BYTES + OWNER_BYTES + 8;

/// A state that was checked out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    pub token: String,
    pub expires_at: Timestamp,
}

impl Object {
    /// Checks a ref out: looks once whether there is such a state, and makes the token that names it. Reads with the
    /// token of a branch follow the branch.
    ///
    /// # Errors
    /// `not-found` for a branch or a version that is not there; `invalid` for `@~N`, which is about one thing.
    pub async fn check_out(&self, caller: &Caller, to: &Ref) -> Result<Session, Fault> {
        self.find_state(caller, to).await?;
        let expires_at = self.node.now().plus(LIFETIME);
        let mut bytes = vec![FORMAT];
        bytes.extend(self.own_hash());
        bytes.extend(hash_of(caller));
        bytes.extend(expires_at.as_millis().to_be_bytes());
        bytes.extend(to.to_string().into_bytes());
        let mac = self.mac(&bytes);
        bytes.extend(mac.as_bytes());
        Ok(Session { token: URL_SAFE_NO_PAD.encode(bytes), expires_at })
    }

    /// What a token of [`check_out`](Self::check_out) names. Whether it is still there, the read will say.
    ///
    /// # Errors
    /// `invalid` with the code `SESSION_INVALID`: it is no token of this node, of another object or of another caller, or
    /// it has expired.
    pub fn session(&self, caller: &Caller, token: &str) -> Result<Ref, Fault> {
        let refuse = |why: &str| {
            Fault::invalid("SESSION_INVALID", format!("DO-Session {why}; make a session with POST /api/checkout"))
        };
        let garbled = || refuse("is no session of this server");
        if token.len() > TOKEN_BYTES_MAX {
            return Err(garbled());
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| garbled())?;
        let (said, mac) = bytes.split_last_chunk::<MAC_BYTES>().ok_or_else(garbled)?;
        // `blake3::Hash` compares in the same time wherever two differ.
        if self.mac(said) != blake3::Hash::from_bytes(*mac) {
            return Err(garbled());
        }
        let (head, to) = said.split_at_checked(HEAD_BYTES).ok_or_else(garbled)?;
        let (object, rest) = head[1..].split_at(OWNER_BYTES);
        let (holder, expiry) = rest.split_at(OWNER_BYTES);
        if head[0] != FORMAT {
            return Err(garbled());
        }
        if object != self.own_hash() {
            return Err(refuse("belongs to another object"));
        }
        if holder != hash_of(caller) {
            return Err(refuse("belongs to another caller"));
        }
        let expiry = expiry.try_into().map(u64::from_be_bytes).map_err(|_| garbled())?;
        if self.node.now() >= Timestamp::from_millis(expiry) {
            return Err(refuse("has expired"));
        }
        let to = std::str::from_utf8(to).map_err(|_| garbled())?;
        Ref::parse(to).map_err(|_| garbled())
    }

    fn mac(&self, bytes: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&blake3::derive_key(KEY_CONTEXT, &self.node.inner.node_key), bytes)
    }

    /// The internal id stays inside (spec OBJ-3).
    fn own_hash(&self) -> [u8; OWNER_BYTES] {
        shortened(&self.mac(&self.inner.id.as_u128().to_be_bytes()))
    }
}

/// A caller is their key; one without a key is their actor.
fn hash_of(caller: &Caller) -> [u8; OWNER_BYTES] {
    match caller.identity.key {
        Some(key) => key.to_bytes(),
        None => shortened(&blake3::hash(caller.identity.actor.as_bytes())),
    }
}

fn shortened(hash: &blake3::Hash) -> [u8; OWNER_BYTES] {
    let mut out = [0; OWNER_BYTES];
    out.copy_from_slice(&hash.as_bytes()[..OWNER_BYTES]);
    out
}
