//! How far events were handed on, and the deliveries that failed.

use super::{Page, Reader, column, limited, page};
use crate::Error;
use crate::rows::{Blob, int};
use rusqlite::{Row, ToSql};
use types::{FailedDeliveryRow, FailedStanding, Id, Timestamp};

/// A failed delivery, and when its first attempt failed.
#[derive(Clone, PartialEq, Debug)]
pub struct FailedDelivery {
    pub row: FailedDeliveryRow,
    pub first_failed_at: Timestamp,
}

/// Which failed deliveries. What is `None` does not matter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailedFilter {
    pub standing: FailedStanding,
    pub subscription: Option<String>,
    /// Only those behind this one: where the last page said to go on.
    pub after: Option<Id>,
    /// At most [`PAGE_MAX`](crate::PAGE_MAX).
    pub limit: u32,
}

const COLUMNS: &str = "id, subscription, sequence, place, payload, error, retries, maxRetries, firstFailedAt, \
                       lastAttemptAt, standing";

impl Reader {
    /// The last event that was handed to every subscription; 0: none.
    pub fn delivered(&self) -> Result<u64, Error> {
        Ok(self.through("")?.unwrap_or(0))
    }

    /// Behind which event a subscription began; None: there never was one of this name.
    pub fn subscribed_after(&self, subscription: &str) -> Result<Option<u64>, Error> {
        self.through(subscription)
    }

    fn through(&self, name: &str) -> Result<Option<u64>, Error> {
        self.first("SELECT through FROM delivered WHERE name = ?1", &[&name], |row| column::number(row, 0))
    }

    pub fn failed_delivery(&self, id: Id) -> Result<Option<FailedDelivery>, Error> {
        self.first(&format!("SELECT {COLUMNS} FROM failedDeliveries WHERE id = ?1"), &[&Blob::of(id)], read)
    }

    pub fn failed_delivery_of(&self, subscription: &str, sequence: u64) -> Result<Option<FailedDelivery>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM failedDeliveries WHERE subscription = ?1 AND sequence = ?2");
        self.first(&sql, &[&subscription, &int(sequence)], read)
    }

    /// Oldest first.
    pub fn failed_deliveries(&self, filter: &FailedFilter) -> Result<Page<FailedDelivery, Id>, Error> {
        let limit = limited(filter.limit);
        let sql = format!(
            "SELECT {COLUMNS} FROM failedDeliveries
             WHERE standing = ?1 AND id > ?2 AND (?3 IS NULL OR subscription = ?3) ORDER BY id LIMIT ?4"
        );
        let after = Blob::of(filter.after.unwrap_or(Id::from_u128(0)));
        let values: [&dyn ToSql; 4] = [&filter.standing.as_str(), &after, &filter.subscription, &(limit + 1)];
        Ok(page(self.list(&sql, &values, read)?, limit, |d| d.row.id))
    }
}

fn read(row: &Row<'_>) -> Result<FailedDelivery, Error> {
    let first_failed_at = column::time(row, 8)?;
    let row = FailedDeliveryRow {
        id: column::id(row, 0)?,
        subscription: row.get(1)?,
        sequence: column::number(row, 2)?,
        order: row.get(3)?,
        payload: column::json(row, 4, "payload")?,
        error: column::parsed(row, 5, "error", |text: String| serde_json::from_str(&text).ok())?,
        retries: row.get(6)?,
        max_retries: row.get(7)?,
        at: column::time(row, 9)?,
        standing: column::parsed(row, 10, "standing", |text: String| FailedStanding::parse(&text))?,
    };
    Ok(FailedDelivery { row, first_failed_at })
}
