//! Why the log could not do what was asked.

use std::path::PathBuf;
use types::ObjectId;

/// Paths in the messages are for the operator's log; what leaves the host is made elsewhere.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the data folder {} is in use by {}; stop that server or choose another folder", folder.display(), holder(*pid))]
    InUse { folder: PathBuf, pid: Option<u32> },
    #[error(
        "the commit log's segment {} is damaged at byte {offset}: {what}; nothing was changed; restore the folder from a backup",
        segment.display()
    )]
    Corrupt { segment: PathBuf, offset: u64, what: String },
    #[error("the segment {} has format {found}; this server reads format {supported}", segment.display())]
    Newer { segment: PathBuf, found: u16, supported: u16 },
    #[error("the disk is full: nothing of this batch was kept; free some space and append it again")]
    Full,
    #[error(
        "{queued} bytes wait for the disk already, and {batch} more would pass the limit of {max} (queue_bytes_max)"
    )]
    Busy { queued: usize, batch: usize, max: usize },
    #[error("record {seq} of object {object} does not follow its last one, {head}")]
    OutOfOrder { object: ObjectId, seq: u64, head: u64 },
    #[error("the log is closed")]
    Closed,
    #[error("the log stopped after the disk failed ({0}); restart the server to read what is there")]
    Stopped(String),
    #[error("{what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: std::io::Error },
    #[error("a record could not be encoded: {0}")]
    Encode(postcard::Error),
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".into(), |pid| format!("process {pid}"))
}
