//! Why a file could not do what was asked.

use types::ObjectId;

/// Messages name no path and no SQL: the caller knows which object it is about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the object's file is damaged: {0}")]
    Corrupt(String),
    /// A power cut left a new file in part. It was in no checkpoint, so the log has all that it ever had.
    #[error("the object's file was never synced and is not what was written")]
    Torn,
    #[error("the object's file is full, or the disk is")]
    Full,
    #[error("the object's file was written by a newer server: it has schema {found}, this server knows {supported}")]
    Newer { found: u32, supported: u32 },
    #[error("another program has the object's file open")]
    Busy,
    #[error("the file belongs to another object than {expected}")]
    WrongObject { expected: ObjectId },
    #[error("record {found} cannot follow record {}: something between is missing", expected - 1)]
    Gap { expected: u64, found: u64 },
    #[error("a record of epoch {found} cannot follow one of epoch {newest}")]
    OldEpoch { newest: u64, found: u64 },
    #[error("{what} {found} was given where {expected} comes next")]
    Number { what: &'static str, expected: u64, found: u64 },
    #[error("the turn failed at an earlier write and cannot be committed")]
    TurnFailed,
    #[error("a turn is open in the object's file")]
    InTurn,
    /// Turns that were reported as written are not in the file: it is to be closed and recovered from the log.
    #[error("the object's file failed and lacks its last turns until it is opened again")]
    Lost,
    #[error("the list would have to look at more than it may")]
    TooMuch,
    #[error("the commit log could not be read: {0}")]
    Log(Box<dyn std::error::Error + Send + Sync>),
    #[error("the object's file could not be used: {0}")]
    Io(std::io::Error),
    #[error("the object's file could not be used: {0}")]
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as C;
        match error.sqlite_error_code() {
            Some(C::DiskFull) => Self::Full,
            Some(C::DatabaseCorrupt | C::NotADatabase) => Self::Corrupt(error.to_string()),
            Some(C::DatabaseBusy | C::DatabaseLocked) => Self::Busy,
            _ => Self::Sqlite(error),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io(error),
        }
    }
}

/// Something in a column that this crate never writes there.
pub(crate) fn unreadable(column: &'static str) -> Error {
    Error::Corrupt(format!("the column {column} holds what nobody wrote"))
}
