//! What all requests share, and what is known of one of them.

use crate::config::{Config, limits};
use crate::edge::Peer;
use crate::rate::{Buckets, Standing};
use runtime::{Node, Object};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use types::Id;

/// Shared by all requests.
pub(crate) struct App {
    pub(crate) node: Node,
    pub(crate) config: Config,
    /// By address; a request without one (a router called in process) has the unspecified one.
    pub(crate) anonymous: Option<Buckets<IpAddr>>,
    pub(crate) keys: Option<Buckets<Id>>,
    pub(crate) uploads: Semaphore,
    pub(crate) streams: Arc<Semaphore>,
    /// Answers without end stop when this does.
    pub(crate) stopping: CancellationToken,
}

pub(crate) type Shared = Arc<App>;

impl App {
    pub(crate) fn new(node: Node, config: Config) -> Shared {
        Arc::new(Self {
            node,
            anonymous: config.rate_anonymous.map(Buckets::new),
            keys: config.rate_key.map(Buckets::new),
            uploads: Semaphore::new(limits::UPLOADS_MAX),
            streams: Arc::new(Semaphore::new(limits::STREAMS_MAX)),
            stopping: CancellationToken::new(),
            config,
        })
    }
}

/// One request's object and what comes with it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Scope(Arc<ScopeInner>);

pub(crate) struct ScopeInner {
    pub(crate) object: Object,
    pub(crate) request_id: Arc<str>,
    /// The part of the URL's path that names the object: put before every link inside of it.
    pub(crate) base: String,
    pub(crate) peer: Option<Peer>,
    /// Where the caller's rate stands, once it was counted.
    pub(crate) standing: OnceLock<Standing>,
}

impl Scope {
    pub(crate) fn new(object: Object, request_id: Arc<str>, base: String, peer: Option<Peer>) -> Self {
        Self(Arc::new(ScopeInner { object, request_id, base, peer, standing: OnceLock::new() }))
    }

    /// A path inside of the object, as its caller has to spell it.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

impl std::ops::Deref for Scope {
    type Target = ScopeInner;

    fn deref(&self) -> &ScopeInner {
        &self.0
    }
}
