//! How far events were handed on, and the deliveries that failed.

use super::{Blob, Text, int, millis, run};
use crate::Error;
use rusqlite::{Connection, params};
use types::{FailedDeliveryRow, Json};

pub(crate) fn put_delivered(connection: &Connection, subscription: Option<&str>, through: u64) -> Result<(), Error> {
    run(
        connection,
        "INSERT INTO delivered (name, through) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET through = ?2",
        params![subscription.unwrap_or(""), int(through)],
    )
}

pub(crate) fn put_failed(connection: &Connection, d: &FailedDeliveryRow) -> Result<(), Error> {
    run(
        connection,
        "INSERT INTO failedDeliveries (subscription, sequence, id, place, payload, error, retries, maxRetries,
           firstFailedAt, lastAttemptAt, standing)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9, ?10)
         ON CONFLICT (subscription, sequence) DO UPDATE SET error = ?6, retries = ?7, lastAttemptAt = ?9, standing = ?10",
        params![
            d.subscription,
            int(d.sequence),
            Blob::of(d.id),
            d.order,
            Text(&d.payload),
            Text(&Json::of(&d.error)),
            d.retries,
            d.max_retries,
            millis(d.at),
            d.standing.as_str(),
        ],
    )
}

pub(crate) fn settle(connection: &Connection, subscription: &str, sequence: u64) -> Result<(), Error> {
    run(
        connection,
        "DELETE FROM failedDeliveries WHERE subscription = ?1 AND sequence = ?2",
        params![subscription, int(sequence)],
    )
}
