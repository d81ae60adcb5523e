//! Which objects there are: the root object's `objects` rows, remembered.

use std::time::Duration;
use types::{Namespace, ObjectId, Timestamp};

/// Namespaces remembered, those that do not exist among them: who asks for random hosts must not reach the file.
const REMEMBERED_MAX: u64 = 100_000;
/// How long the name of a destroyed object answers that it is gone, before it can be used again (spec LIF-8).
pub(crate) const REST: Duration = Duration::from_secs(30 * 24 * 3600);

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: ObjectId,
    /// None for the root.
    pub(crate) parent: Option<Namespace>,
}

/// What is known of a namespace.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    Object(Entry),
    Nothing,
    /// It was destroyed then.
    Destroyed(Timestamp),
}

pub(crate) struct Registry(moka::sync::Cache<Namespace, Known>);

impl Registry {
    pub(crate) fn new() -> Self {
        Self(moka::sync::Cache::new(REMEMBERED_MAX))
    }

    pub(crate) fn get(&self, namespace: &Namespace) -> Option<Known> {
        self.0.get(namespace)
    }

    pub(crate) fn remember(&self, namespace: Namespace, known: Known) {
        self.0.insert(namespace, known);
    }
}
