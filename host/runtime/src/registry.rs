//! Which objects there are: the root object's `objects` rows, remembered.

use types::{Namespace, ObjectId};

/// Namespaces remembered, those that do not exist among them: who asks for random hosts must not reach the file.
const REMEMBERED_MAX: u64 = 100_000;

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: ObjectId,
    /// None for the root.
    pub(crate) parent: Option<Namespace>,
}

pub(crate) struct Registry(moka::sync::Cache<Namespace, Option<Entry>>);

impl Registry {
    pub(crate) fn new() -> Self {
        Self(moka::sync::Cache::new(REMEMBERED_MAX))
    }

    pub(crate) fn get(&self, namespace: &Namespace) -> Option<Option<Entry>> {
        self.0.get(namespace)
    }

    pub(crate) fn remember(&self, namespace: Namespace, entry: Option<Entry>) {
        self.0.insert(namespace, entry);
    }
}
