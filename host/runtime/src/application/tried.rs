//! Components that were looked at by a dry run: an application that is only planned speaks of them by their hash.

use crate::commit::lock;
use crate::functions::FunctionVersion;
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use types::{FunctionName, Hash, ObjectId};

/// Of all objects together. One that is forgotten costs a plan the look at its handlers, and no more.
const TRIED_MAX: NonZeroUsize = NonZeroUsize::new(64).expect("it is not 0");

/// Each is known to the object whose deployer showed it, and to no other.
pub(crate) struct Tried(Mutex<LruCache<(ObjectId, FunctionName, Hash), Arc<FunctionVersion>>>);

impl Default for Tried {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(TRIED_MAX)))
    }
}

impl Tried {
    pub(crate) fn keep(&self, object: ObjectId, function: Arc<FunctionVersion>) {
        let place = (object, function.name.clone(), function.def.hash);
        lock(&self.0).put(place, function);
    }

    pub(super) fn find(&self, object: ObjectId, name: &FunctionName, hash: Hash) -> Option<Arc<FunctionVersion>> {
        lock(&self.0).get(&(object, name.clone(), hash)).cloned()
    }
}
