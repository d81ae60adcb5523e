//! API keys of an object, and who calls with them.

use crate::Caller;
use crate::commit::write_event;
use crate::functions::ANCESTORS_MAX;
use crate::history::{ActionDraft, done};
use crate::node::Node;
use crate::object::{Object, fault_of};
pub use auth::NewKey;
use auth::{Credential, Key, Refusal};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use types::{Fault, FaultKind, Hash, Id, Identity, KeyRow, ObjectId, Row};

/// Callers remembered, strangers among them.
const REMEMBERED_MAX: u64 = 10_000;
/// How long a stranger stays one: a key may be made meanwhile (spec FED-2).
const REMEMBERED_FOR: Duration = Duration::from_secs(10);
/// Keys ever made in one object: revoked ones stay on record.
const KEYS_MAX: u32 = store::PAGE_MAX;

/// Who was recognised at which object lately.
pub(crate) struct Credentials {
    known: moka::sync::Cache<(ObjectId, Hash), Known>,
    /// Counts the changes of keys. What was looked up under an earlier count is not believed: else a look-up that was
    /// on its way while a key was revoked would bring the key back.
    generation: AtomicU64,
}

/// Under which generation, and who, if anybody.
type Known = (u64, Option<(KeyRow, Identity)>);

impl Credentials {
    pub(crate) fn new() -> Self {
        let known = moka::sync::Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(REMEMBERED_FOR).build();
        Self { known, generation: AtomicU64::new(0) }
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Keys changed: whoever calls next is looked up again.
    pub(crate) fn forget(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }
}

impl Node {
    /// Who calls, by a key of this object or of one above it (spec FED-1). The fault is the same whatever was wrong
    /// with a credential that was sent.
    pub async fn authenticate(&self, object: &Object, credential: Option<&Credential>) -> Result<Identity, Fault> {
        let Some(Credential::ApiKey(key)) = credential else { return Err(Refusal::Missing.into()) };
        let hash = key.hash();
        let remembered = (object.inner.id, hash);
        let credentials = &self.inner.credentials;
        let generation = credentials.generation();
        let known = match credentials.known.get(&remembered) {
            Some((of, known)) if of == generation => known,
            Some(_) | None => {
                let found = self.look_up(object, key).await?;
                credentials.known.insert(remembered, (generation, found.clone()));
                found
            }
        };
        let (row, identity) = known.ok_or_else(|| Fault::from(Refusal::Unknown))?;
        auth::check(&row, self.now()).map_err(Fault::from)?;
        Ok(identity)
    }

    async fn look_up(&self, object: &Object, key: &Key) -> Result<Option<(KeyRow, Identity)>, Fault> {
        let hash = key.hash();
        let mut at = object.clone();
        for _ in 0..ANCESTORS_MAX {
            if let Some(row) = at.read(|store| store.key_by_hash(&hash)).await?.filter(|row| auth::matches(row, key)) {
                let identity = auth::identity(at.namespace(), &row);
                return Ok(Some((row, identity)));
            }
            let Some(parent) = at.parent().await? else { break };
            let Some(above) = self.object(&parent).await? else { break };
            at = above;
        }
        Ok(None)
    }

    /// The key that may do everything, made when there is none, or once more when the operator asks for it.
    pub(crate) async fn ensure_root_key(&self, root: &Object) -> Result<Option<Key>, Fault> {
        let has_keys = !root.read(|store| store.keys(None, 1)).await?.items.is_empty();
        if has_keys && !self.inner.config.new_root_key {
            return Ok(None);
        }
        let now = self.now();
        let (row, key) = auth::decide::root(root.namespace(), Id::new(now, rand::random()), rand::random(), now);
        root.change(512, move |turn| turn.write(Row::Key(row)).map_err(|e| fault_of(&e))).await?;
        Ok(Some(key))
    }
}

impl Object {
    /// Makes a key. It leaves the host with this answer and is stored nowhere.
    pub async fn issue_key(&self, caller: &Caller, new: NewKey) -> Result<(KeyRow, Key), Fault> {
        let now = self.node.now();
        let id = Id::new(now, rand::random());
        let (row, key) = auth::issue(new, &caller.identity, id, rand::random(), now)?;
        let draft = ActionDraft::of(caller, now, "create", format!("Key/{id}"));
        let made = row.clone();
        // Who speaks for somebody is that one to every request: it takes a permission of its own.
        if let Some(subject) = &row.subject {
            caller.may("actors", "impersonate")?;
            if let types::Worker::Human(id) = subject {
                self.must_be_own(id).await?;
            }
        }
        self.change(512, move |turn| {
            let held = turn.keys(None, KEYS_MAX).map_err(|e| fault_of(&e))?.items.len();
            if held >= KEYS_MAX as usize {
                return Err(Fault::limit(
                    "KEYS_LIMIT",
                    format!("an object has made {KEYS_MAX} keys, which is the limit, revoked ones included"),
                ));
            }
            let details = serde_json::json!({ "name": row.name, "scopes": row.scopes, "as": row.subject });
            let subject = row.subject.clone().map(|subject| Row::KeySubject { key: row.id, subject });
            let write = |turn: &mut store::Turn<'_>| {
                turn.write(Row::Key(row))?;
                subject.map_or(Ok(()), |subject| turn.write(subject))?;
                let (action, event) = done(&draft, None, None, details, "created");
                turn.write(Row::Action(action))?;
                write_event(turn, event, draft.id, draft.at)
            };
            write(turn).map_err(|e| fault_of(&e))
        })
        .await?;
        // Somebody may have tried it too early.
        self.node.inner.credentials.forget();
        Ok((made, key))
    }

    /// Keys that are not revoked, without the keys.
    pub async fn keys(&self, caller: &Caller) -> Result<Vec<KeyRow>, Fault> {
        caller.may("keys", "read")?;
        let keys = self.read(|store| store.keys(None, KEYS_MAX)).await?;
        Ok(keys.items.into_iter().filter(|row| row.revoked_at.is_none()).collect())
    }

    /// Ends a key at once.
    pub async fn revoke_key(&self, caller: &Caller, id: Id) -> Result<KeyRow, Fault> {
        caller.may("keys", "revoke")?;
        let now = self.node.now();
        let draft = ActionDraft::of(caller, now, "delete", format!("Key/{id}"));
        let node = self.node.clone();
        self.change_then(
            512,
            move |turn| {
                let found = turn.key(id).map_err(|e| fault_of(&e))?.filter(|row| row.revoked_at.is_none());
                let mut row = found.ok_or_else(|| {
                    Fault::new(FaultKind::NotFound, "KEY_NOT_FOUND", format!("there is no key with the id {id} here"))
                })?;
                row.revoked_at = Some(now);
                let write = |turn: &mut store::Turn<'_>| {
                    turn.write(Row::Key(row.clone()))?;
                    let (action, event) = done(&draft, None, None, serde_json::json!({ "name": row.name }), "deleted");
                    turn.write(Row::Action(action))?;
                    write_event(turn, event, draft.id, draft.at)
                };
                write(turn).map_err(|e| fault_of(&e))?;
                Ok(row)
            },
            move |_| node.inner.credentials.forget(),
        )
        .await
    }
}
