//! Objects that follow this one, and events that were taken in from those that it follows.

use super::{Blob, Text, int, millis, run};
use crate::Error;
use rusqlite::{Connection, params};
use types::{EventOrigin, FollowerState, Json, Namespace, ObjectId};

pub(crate) fn put(connection: &Connection, namespace: &Namespace, state: Option<&FollowerState>) -> Result<(), Error> {
    let Some(f) = state else {
        return run(connection, "DELETE FROM followers WHERE ns = ?1", params![namespace.as_str()]);
    };
    let error = f.error.as_ref().map(Json::of);
    run(
        connection,
        "INSERT INTO followers (ns, event, filter, through, failed, retryAt, error) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (ns) DO UPDATE SET event = ?2, filter = ?3, through = ?4, failed = ?5, retryAt = ?6, error = ?7",
        params![
            namespace.as_str(),
            f.event,
            f.filter,
            int(f.through),
            f.failed,
            f.retry_at.map(millis),
            error.as_ref().map(Text),
        ],
    )
}

pub(crate) fn put_taken_in(connection: &Connection, source: ObjectId, through: u64) -> Result<(), Error> {
    run(
        connection,
        "INSERT INTO takenIn (source, through) VALUES (?1, ?2) ON CONFLICT (source) DO UPDATE SET through = ?2",
        params![&source.as_u128().to_be_bytes()[..], int(through)],
    )
}

pub(crate) fn put_origin(connection: &Connection, o: &EventOrigin) -> Result<(), Error> {
    run(
        connection,
        "INSERT INTO eventOrigins (sequence, id, ns, number, depth, actor) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (sequence) DO NOTHING",
        params![int(o.sequence), Blob::of(o.id), o.namespace.as_str(), int(o.number), o.depth, o.actor],
    )
}
