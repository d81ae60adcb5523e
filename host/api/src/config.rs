//! What `cli` tells the HTTP side.

use crate::rate::Rate;
use std::path::PathBuf;
use std::time::Duration;
use types::{Id, Timestamp};

/// Settings of the HTTP side.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where uploads lie until they are deployed or refused. Must exist, and be on the data folder's disk.
    pub upload_dir: PathBuf,
    /// Requests without a valid credential, per address. None: no limit.
    pub rate_anonymous: Option<Rate>,
    /// Requests per API key. None: no limit.
    pub rate_key: Option<Rate>,
    /// Open connections; above it new ones wait in the listener's queue.
    pub connections_max: usize,
    /// Open connections of one address; above it new ones are closed at once. Loopback addresses are exempt: a proxy on
    /// this machine is one address for everybody.
    pub connections_per_ip_max: usize,
    /// A whole request head must have come within this; also how long a connection may be idle between requests.
    pub header_timeout: Duration,
    /// The longest pause between two pieces of a request's body.
    pub body_idle_timeout: Duration,
    /// How long a stream of events is silent at most: proxies close what says nothing for a minute. Whoever lost the right to
    /// read learns it at the latest after this.
    pub heartbeat: Duration,
    /// How long running requests may take to end once the server is asked to stop.
    pub shutdown_grace: Duration,
    /// Origins (`https://app.example`) whose pages may read answers (spec AUT-10). Empty: none.
    pub cors_origins: Vec<String>,
    pub replies: Replies,
}

/// By what those are known who bring answers of people.
#[derive(Clone, Default)]
pub struct Replies {
    /// What Slack signs with. None: it can bring nothing.
    pub slack_signing_secret: Option<String>,
    /// User and password of the provider of text messages. None: it can bring nothing.
    pub sms_login: Option<(String, String)>,
}

impl std::fmt::Debug for Replies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Replies")
    }
}

impl Config {
    /// What a server starts from (spec SEC-1, RUN-6); rate limits are off.
    pub fn standard(upload_dir: PathBuf) -> Self {
        Self {
            upload_dir,
            rate_anonymous: None,
            rate_key: None,
            connections_max: 10_000,
            connections_per_ip_max: 1_000,
            header_timeout: Duration::from_secs(30),
            body_idle_timeout: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
            shutdown_grace: Duration::from_secs(30),
            cors_origins: Vec::new(),
            replies: Replies::default(),
        }
    }
}

/// Limits that nobody has had a reason to change.
pub(crate) mod limits {
    /// Spec SEC-1.
    pub(crate) const URL_BYTES_MAX: usize = 8 << 10;
    /// Spec SEC-1; the request line is counted with the headers.
    pub(crate) const HEADER_BYTES_MAX: usize = 32 << 10;
    /// Spec API-1.
    pub(crate) const BODY_BYTES_MAX: usize = 2 << 20;
    /// The largest toolchain's components (Python) are about 40 MiB.
    pub(crate) const COMPONENT_BYTES_MAX: u64 = 64 << 20;
    pub(crate) const ASSETS_BYTES_MAX: u64 = 32 << 20;
    /// A manifest is written by hand.
    pub(crate) const MANIFEST_BYTES_MAX: u64 = 256 << 10;
    /// Uploads at a time: each may hold a disk's worth of [`COMPONENT_BYTES_MAX`] and a compiler afterwards.
    pub(crate) const UPLOADS_MAX: usize = 16;
    /// Open streams, of logs and of events.
    pub(crate) const STREAMS_MAX: usize = 256;
    /// Rows in one page (spec 16.2).
    pub(crate) const PAGE_MAX: u32 = 100;
    pub(crate) const PAGE_DEFAULT: u32 = 20;
    /// A log is read in larger pieces.
    pub(crate) const LOG_PAGE_MAX: u32 = 1_000;
    /// Spec VER-24.
    pub(crate) const IDEMPOTENCY_KEY_CHARS_MAX: usize = 255;
}

/// The id of a request that brought none.
pub(crate) fn new_request_id(now: Timestamp) -> String {
    Id::new(now, rand::random()).to_string()
}
