//! Writes that are done once however often they are asked for (spec VER-24).

use super::write::Change;
use super::writer::{Done, Writer};
use crate::Caller;
use crate::object::fault_of;
use serde_json::Value;
use std::time::Duration;
use store::Turn;
use types::{ActionRow, Fault, FaultKind, Hash, Json};

/// How long an idempotency key is remembered (spec VER-24).
pub(crate) const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// As much of a route's hash as tells the routes of one caller apart.
const ROUTE_CHARS: usize = 16;
/// An idempotency key as the caller sent it.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// A key under which a write is done once (spec VER-24).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Idempotency {
    pub key: String,
    /// What the key belongs to, beside its caller: the same key elsewhere is another one.
    pub route: Hash,
    /// What tells one use of the key from another: the body.
    pub fingerprint: Hash,
}

impl Idempotency {
    /// A key of a request to this route (its method, its path) with this body.
    pub fn of(key: String, route: &[&str], body: &str) -> Self {
        let hash = |parts: &[&str]| {
            let mut hasher = blake3::Hasher::new();
            for part in parts {
                hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
            }
            Hash::from_bytes(*hasher.finalize().as_bytes())
        };
        Self { key, route: hash(route), fingerprint: hash(&[body]) }
    }

    /// The key as it is kept, so that nobody meets another's.
    pub(crate) fn kept_for(&self, caller: &Caller) -> Result<String, Fault> {
        let key = &self.key;
        if key.is_empty() || key.len() > IDEMPOTENCY_KEY_BYTES_MAX {
            let message = format!("an idempotency key has 1 to {IDEMPOTENCY_KEY_BYTES_MAX} bytes");
            return Err(Fault::invalid("IDEMPOTENCY_KEY_INVALID", message));
        }
        let route: String = self.route.to_string().chars().take(ROUTE_CHARS).collect();
        Ok(format!("{} {route} {key}", caller.identity.actor))
    }
}

impl Writer<'_> {
    /// The key as it is kept, and what tells one request from another.
    pub(super) fn remember_by(&self, idempotency: &Idempotency) -> Result<(String, Json), Fault> {
        let options = serde_json::json!({ "request": idempotency.fingerprint.to_string() });
        Ok((idempotency.kept_for(&self.scene.caller)?, Json::from_value(&options)))
    }

    /// What an earlier request with the same key did.
    pub(super) fn replayed(
        &self,
        turn: &Turn<'_>,
        key: &str,
        idempotency: &Idempotency,
    ) -> Result<Option<Done>, Fault> {
        let fault = |e: store::Error| fault_of(&e);
        let earlier: Option<ActionRow> = turn.action_by_key(key).map_err(fault)?;
        let Some(earlier) = earlier.filter(|row| row.created_at.plus(REMEMBERED) > turn.at()) else { return Ok(None) };
        let options = earlier.options.to_value();
        if options.get("request").and_then(Value::as_str) != Some(&idempotency.fingerprint.to_string()) {
            let message = "this idempotency key was used for another request within 24 hours; use a new one";
            return Err(Fault::invalid("IDEMPOTENCY_KEY_REUSED", message));
        }
        let row = earlier.output.map(|version| turn.version(version)).transpose().map_err(fault)?.flatten();
        let Some(row) = row else {
            let message = "what this idempotency key did is not kept any more (its version was archived)";
            return Err(Fault::new(FaultKind::Gone, "GONE", message));
        };
        let change = match (earlier.verb.as_str(), earlier.input == earlier.output) {
            ("delete", _) => Change::Deleted,
            ("create", _) => Change::Created,
            ("restore", _) => Change::Restored,
            (_, true) => Change::Unchanged,
            (_, false) => Change::Updated,
        };
        Ok(Some(Done { row, previous: earlier.input, change, action: earlier.id, replayed: true }))
    }
}
