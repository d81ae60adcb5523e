//! Things of this object: versioned, never changed in place.
//!
//! What a function writes is seen by itself at once and by everybody else when its turn commits: when it returns, or
//! before it waits on something outside (another function, a sleep, the network). Until then no other turn of the object
//! comes in between, so reading, computing and writing back needs no lock.

use crate::bindings::org_ai::things::things as raw;
use crate::{Fault, FaultKind, ThingRef, json};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use raw::WriteOptions;

/// `Startup/acme`, the newest version.
pub fn at(noun: &str, id: &str) -> ThingRef {
    ThingRef { noun: noun.to_owned(), id: id.to_owned(), at: None }
}

/// One version of a thing, as the platform tells it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Thing<T> {
    pub id: String,
    #[serde(rename = "type")]
    pub noun: String,
    pub name: Option<String>,
    pub data: T,
    pub version: u64,
    pub branch: String,
    pub created_at: String,
    pub updated_at: String,
}

/// A page of a list.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub struct Page<T> {
    pub data: Vec<T>,
    pub total: Option<u64>,
    /// The `cursor` of the next page.
    pub next: Option<String>,
}

/// # Errors
/// Fault `not-found` when there is none.
pub fn get<T: DeserializeOwned>(at: &ThingRef) -> Result<Thing<T>, Fault> {
    json::value(&raw::get(at)?)
}

/// The thing, or None where there is none.
///
/// # Errors
/// Any fault but `not-found`.
pub fn find<T: DeserializeOwned>(at: &ThingRef) -> Result<Option<Thing<T>>, Fault> {
    match get(at) {
        Ok(thing) => Ok(Some(thing)),
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// `query` is `{limit?, cursor?, sort?, where?, branch?, at?, includeDeleted?}`.
///
/// # Errors
/// Fault `not-found` when nobody knows the noun.
pub fn list<T: DeserializeOwned>(noun: &str, query: Option<&impl Serialize>) -> Result<Page<Thing<T>>, Fault> {
    json::value(&raw::list(noun, json::optional_text(query)?.as_deref())?)
}

/// `data` may have `id` and `name` beside its own fields; without an id the host makes one.
///
/// # Errors
/// Fault `conflict` when the id is taken.
pub fn create<T: DeserializeOwned>(noun: &str, data: &impl Serialize) -> Result<Thing<T>, Fault> {
    json::value(&raw::create(noun, &json::text(data)?, None)?)
}

/// The whole of name and data; made when absent.
///
/// # Errors
/// Fault `conflict` when a condition of `options` is not met.
pub fn put<T: DeserializeOwned>(
    at: &ThingRef,
    data: &impl Serialize,
    options: Option<&WriteOptions>,
) -> Result<Thing<T>, Fault> {
    json::value(&raw::put(at, &json::text(data)?, options)?)
}

/// A merge patch (RFC 7396): what is null goes.
///
/// # Errors
/// Fault `not-found` when there is none; `conflict` when a condition of `options` is not met.
pub fn patch<T: DeserializeOwned>(
    at: &ThingRef,
    patch: &impl Serialize,
    options: Option<&WriteOptions>,
) -> Result<Thing<T>, Fault> {
    json::value(&raw::patch(at, &json::text(patch)?, options)?)
}

/// The number of the version that marks it deleted.
///
/// # Errors
/// Fault `not-found` when there is none.
pub fn delete(at: &ThingRef, options: Option<&WriteOptions>) -> Result<u64, Fault> {
    raw::delete(at, options)
}

/// An edge to `Noun/id` or any URL, named by the verb in its predicate form (`owns`).
///
/// # Errors
/// Fault `not-found` when `from` is not there.
pub fn relate(from: &ThingRef, verb: &str, to: &str) -> Result<(), Fault> {
    raw::relate(from, verb, to, None).map(|_| ())
}

/// # Errors
/// Fault `not-found` when there is no such edge.
pub fn unrelate(from: &ThingRef, verb: &str, to: &str) -> Result<(), Fault> {
    raw::unrelate(from, verb, to)
}
