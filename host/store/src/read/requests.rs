//! What people are asked for: one by one, and lists that stay fast however many wait.

use super::{Page, Reader, column, limited, page};
use crate::Error;
use crate::error::unreadable;
use crate::rows::Blob;
use rusqlite::{Row, ToSql};
use types::{Id, Method, RequestRow, RequestStatus};

/// Which requests. What is `None` does not matter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RequestFilter {
    pub status: Option<RequestStatus>,
    /// The `$id` of somebody who is asked.
    pub assignee: Option<String>,
    pub kind: Option<String>,
    pub method: Option<Method>,
    /// Only those before this one: where the last page said to go on.
    pub before: Option<Id>,
    /// At most [`PAGE_MAX`](crate::PAGE_MAX).
    pub limit: u32,
}

impl Reader {
    pub fn request(&self, id: Id) -> Result<Option<RequestRow>, Error> {
        self.first("SELECT body FROM requests WHERE id = ?1", &[&Blob::of(id)], read)
    }

    /// The newest that who asked calls so.
    pub fn request_by_key(&self, key: &str) -> Result<Option<RequestRow>, Error> {
        self.first("SELECT body FROM requests WHERE key = ?1 ORDER BY id DESC LIMIT 1", &[&key], read)
    }

    /// The newest that this action asked for.
    pub fn request_of_action(&self, action: Id) -> Result<Option<RequestRow>, Error> {
        let sql = "SELECT body FROM requests WHERE parent = ?1 ORDER BY id DESC LIMIT 1";
        self.first(sql, &[&Blob::of(action)], read)
    }

    /// Newest first.
    pub fn requests(&self, filter: &RequestFilter) -> Result<Page<RequestRow, Id>, Error> {
        let limit = limited(filter.limit);
        let before = Blob::of(filter.before.unwrap_or(Id::from_u128(u128::MAX)));
        let status = filter.status.map(RequestStatus::as_str);
        let method = filter.method.map(Method::as_str);
        let with_rest = "(?4 IS NULL OR r.type = ?4) AND (?5 IS NULL OR r.method = ?5)";
        // Each has the index that has the order already; the planner is not asked to guess.
        let sql = match (&filter.assignee, filter.status, &filter.kind) {
            (Some(_), Some(_), _) => format!(
                "SELECT r.body FROM requestAssignees a INDEXED BY requestAssigneesByStatus
                   JOIN requests r ON r.id = a.request
                 WHERE a.person = ?2 AND a.status = ?3 AND a.request < ?1 AND {with_rest}
                 ORDER BY a.request DESC LIMIT ?6"
            ),
            (Some(_), None, _) => format!(
                "SELECT r.body FROM requestAssignees a JOIN requests r ON r.id = a.request
                 WHERE a.person = ?2 AND (?3 IS NULL) AND a.request < ?1 AND {with_rest}
                 ORDER BY a.request DESC LIMIT ?6"
            ),
            (None, _, Some(_)) => "SELECT r.body FROM requests r INDEXED BY requestsByType
                 WHERE r.type = ?4 AND r.id < ?1 AND (?2 IS NULL) AND (?3 IS NULL OR r.status = ?3)
                   AND (?5 IS NULL OR r.method = ?5)
                 ORDER BY r.id DESC LIMIT ?6"
                .to_owned(),
            (None, Some(_), None) => format!(
                "SELECT r.body FROM requests r INDEXED BY requestsByStatus
                 WHERE r.status = ?3 AND r.id < ?1 AND (?2 IS NULL) AND {with_rest} ORDER BY r.id DESC LIMIT ?6"
            ),
            (None, None, None) => format!(
                "SELECT r.body FROM requests r
                 WHERE r.id < ?1 AND (?2 IS NULL) AND (?3 IS NULL) AND {with_rest} ORDER BY r.id DESC LIMIT ?6"
            ),
        };
        let values: [&dyn ToSql; 6] = [&before, &filter.assignee, &status, &filter.kind, &method, &(limit + 1)];
        Ok(page(self.list(&sql, &values, read)?, limit, |request| request.id))
    }

    /// How many wait for an answer, of everybody or of one.
    pub fn pending_requests(&self, assignee: Option<&str>) -> Result<u64, Error> {
        let (sql, values): (_, &[&dyn ToSql]) = match &assignee {
            None => ("SELECT count(*) FROM requests INDEXED BY requestsByStatus WHERE status = 'pending'", &[]),
            Some(person) => (
                "SELECT count(*) FROM requestAssignees INDEXED BY requestAssigneesByStatus
                 WHERE status = 'pending' AND person = ?1",
                &[person],
            ),
        };
        Ok(self.first(sql, values, |row| column::number(row, 0))?.unwrap_or(0))
    }
}

fn read(row: &Row<'_>) -> Result<RequestRow, Error> {
    let body: Vec<u8> = row.get(0)?;
    postcard::from_bytes(&body).map_err(|_| unreadable("request"))
}
