//! What a node is told at start.

use std::path::PathBuf;
use std::time::Duration;
use types::{Faults, Limits, Namespace};

/// A place where objects can be kept (spec LIF-6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Location {
    /// A region (`weur`) or an airport (`ORD`); case does not matter.
    pub name: String,
    /// Objects lie in its folder `objects`.
    pub dir: PathBuf,
}

/// Settings of a node. `cli` fills them in from defaults, file, environment and flags.
#[derive(Clone, Debug)]
pub struct Config {
    /// Everything the node keeps lies below this folder.
    pub data_dir: PathBuf,
    /// The root object: meant by loopback requests that name none, registers all others, holds the root key.
    pub default_namespace: Namespace,
    /// Objects whose file is open at a time; the least recently used idle one is closed for the next.
    pub objects_open_max: usize,
    /// Runs at a time on this node; more wait in line.
    pub runs_max: usize,
    /// Runs at a time in one object, so that one tenant cannot take every place of the node.
    pub object_runs_max: usize,
    /// How long a durable run may wait for something before its instance is let go and only rows remain.
    pub park_after: Duration,
    /// How long a run may wait for a place before it is refused.
    pub admission_wait: Duration,
    /// Rows waiting for their commit, in bytes: of one object and of the node. Writers wait above that.
    pub object_queue_bytes_max: u32,
    pub node_queue_bytes_max: u32,
    /// How long rows that nobody waits for may gather before they are written together.
    pub flush_window: Duration,
    /// Threads that commit. An object stays on one of them.
    pub commit_threads: usize,
    /// When the log holds more than this, files are checkpointed so that old segments can go.
    pub log_retained_bytes_max: u64,
    /// Functions in one object.
    pub functions_max: usize,
    /// What one run may use.
    pub limits: Limits,
    /// How long a durable run is kept after its end, with its steps (spec WFL-9). A day at least: its key is known as long.
    pub runs_kept: Duration,
    /// Where an object can be moved to. The first is the data folder itself.
    pub locations: Vec<Location>,
    /// How long the file that a moved object left behind is kept.
    pub move_grace: Duration,
    /// How long writers of an object wait while it changes its place.
    pub move_hold_max: Duration,
    /// Where people outside reach the root object, for links in messages: `https://org.example`. None: at its namespace.
    pub public_url: Option<String>,
    /// Make a new root key although there is one: for a key that was lost.
    pub new_root_key: bool,
    /// Where a test has the host fail; none in a server.
    pub faults: Faults,
}

impl Config {
    /// The location of a name.
    pub(crate) fn location(&self, name: &str) -> Option<&Location> {
        self.locations.iter().find(|location| location.name.eq_ignore_ascii_case(name))
    }

    /// What a server starts from.
    pub fn standard(data_dir: PathBuf, default_namespace: Namespace) -> Self {
        Self {
            locations: vec![Location { name: "local".to_owned(), dir: data_dir.clone() }],
            runs_kept: Duration::from_secs(30 * 24 * 3600),
            public_url: None,
            move_grace: Duration::from_secs(24 * 3600),
            move_hold_max: Duration::from_secs(5),
            data_dir,
            default_namespace,
            objects_open_max: 1_000,
            runs_max: 512,
            object_runs_max: 256,
            admission_wait: Duration::from_secs(10),
            park_after: Duration::from_secs(1),
            object_queue_bytes_max: 16 << 20,
            node_queue_bytes_max: 256 << 20,
            flush_window: Duration::from_millis(10),
            commit_threads: 2,
            log_retained_bytes_max: 256 << 20,
            functions_max: 1_000,
            limits: Limits::STANDARD,
            new_root_key: false,
            faults: Faults::none(),
        }
    }
}
