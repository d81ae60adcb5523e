//! The log of commands.

use super::{Page, Reader, SCAN_MAX, column, limited, page};
use crate::Error;
use crate::rows::Blob;
use rusqlite::{Row, ToSql};
use types::{ActionRow, ActionStatus, Durability, Id, Timestamp};

/// Which actions (spec ACT-6). What is `None` does not matter.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ActionFilter {
    pub verb: Option<String>,
    pub actor: Option<String>,
    pub target: Option<String>,
    pub status: Option<ActionStatus>,
    pub durability: Option<Durability>,
    /// From this on and through that, by the time in the id.
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// Only those before this one: where the last page said to go on.
    pub before: Option<Id>,
    /// At most [`PAGE_MAX`](crate::PAGE_MAX).
    pub limit: u32,
}

pub(super) const COLUMNS: &str = "id, verb, actor, target, input, output, options, durability, status, error, attempts, \
                       idempotencyKey, requestId, parentId, createdAt, startedAt, completedAt, durationUs";

impl Reader {
    pub fn action(&self, id: Id) -> Result<Option<ActionRow>, Error> {
        self.first(&format!("SELECT {COLUMNS} FROM actions WHERE id = ?1"), &[&Blob::of(id)], read)
    }

    /// The newest action on a target that was asked for with this key.
    pub fn action_by_idempotency_key(&self, target: &str, key: &str) -> Result<Option<ActionRow>, Error> {
        let sql =
            format!("SELECT {COLUMNS} FROM actions WHERE idempotencyKey = ?1 AND target = ?2 ORDER BY id DESC LIMIT 1");
        self.first(&sql, &[&key, &target], read)
    }

    /// The newest action that was asked for with this key, whatever its target.
    pub fn action_by_key(&self, key: &str) -> Result<Option<ActionRow>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM actions WHERE idempotencyKey = ?1 ORDER BY id DESC LIMIT 1");
        self.first(&sql, &[&key], read)
    }

    /// Actions that are pending, running or retrying, oldest first: what a start finds unfinished. Durable invocations are
    /// not among them: their own table says where they stand. Go on after `after`.
    pub fn unfinished_actions(&self, after: Option<Id>, limit: u32) -> Result<Page<ActionRow, Id>, Error> {
        let limit = limited(limit);
        let sql = format!(
            "SELECT {COLUMNS} FROM actions INDEXED BY actionsOpen
             WHERE status IN ('pending', 'running', 'retrying') AND id > ?1 AND NOT (durability = 'do' AND verb = 'invoke')
             ORDER BY id LIMIT ?2"
        );
        let after = Blob::of(after.unwrap_or(Id::from_u128(0)));
        Ok(page(self.list(&sql, &[&after, &(limit + 1)], read)?, limit, |a| a.id))
    }

    /// Actions, newest first.
    pub fn actions(&self, filter: &ActionFilter) -> Result<Page<ActionRow, Id>, Error> {
        let limit = limited(filter.limit);
        let from = Blob::of(filter.since.map_or(Id::from_u128(0), |at| first_id_at(at.as_millis())));
        let until = filter.until.map_or(u128::MAX, |at| first_id_at(at.as_millis().saturating_add(1)).as_u128());
        let end = Blob::of(Id::from_u128(until.min(filter.before.map_or(u128::MAX, Id::as_u128))));
        // The inner query makes the bound on the work, the outer one stops as soon as it has enough.
        let sql = format!(
            "SELECT {COLUMNS} FROM (SELECT * FROM actions WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3)
             WHERE (?4 IS NULL OR verb = ?4) AND (?5 IS NULL OR actor = ?5) AND (?6 IS NULL OR target = ?6)
               AND (?7 IS NULL OR status = ?7) AND (?8 IS NULL OR durability = ?8) LIMIT ?9"
        );
        let values: [&dyn ToSql; 9] = [
            &from,
            &end,
            &SCAN_MAX,
            &filter.verb,
            &filter.actor,
            &filter.target,
            &filter.status.map(ActionStatus::as_str),
            &filter.durability.map(Durability::as_str),
            &limit,
        ];
        let items = self.list(&sql, &values, read)?;
        let next = if items.len() == limit as usize {
            items.last().map(|a| a.id)
        } else {
            let sql = "SELECT id FROM actions WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3";
            self.first(sql, &[&from, &end, &(SCAN_MAX - 1)], |row| column::id(row, 0))?
        };
        Ok(Page { items, next })
    }
}

/// The lowest id of a millisecond: the time is its upper 48 bits (RFC 9562, 5.7).
fn first_id_at(millis: u64) -> Id {
    Id::from_u128(u128::from(millis) << 80)
}

pub(super) fn read(row: &Row<'_>) -> Result<ActionRow, Error> {
    Ok(ActionRow {
        id: column::id(row, 0)?,
        verb: row.get(1)?,
        actor: row.get(2)?,
        target: row.get(3)?,
        input: column::optional_number(row, 4)?,
        output: column::optional_number(row, 5)?,
        options: column::json(row, 6, "options")?,
        durability: column::parsed(row, 7, "durability", |text: String| {
            [Durability::Send, Durability::Try, Durability::Do].into_iter().find(|d| d.as_str() == text)
        })?,
        status: column::parsed(row, 8, "status", |text: String| ActionStatus::parse(&text))?,
        error: column::optional(row, 9, "error", |text: String| serde_json::from_str(&text).ok())?,
        attempts: row.get(10)?,
        idempotency_key: row.get(11)?,
        request_id: row.get(12)?,
        parent: column::optional_id(row, 13)?,
        created_at: column::time(row, 14)?,
        started_at: column::optional_time(row, 15)?,
        completed_at: column::optional_time(row, 16)?,
        duration_us: column::optional_number(row, 17)?,
    })
}
