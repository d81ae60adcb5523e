//! Columns back into values. What this crate never wrote there is damage, not a panic.

use crate::Error;
use crate::error::unreadable;
use rusqlite::Row;
use rusqlite::types::FromSql;
use types::{Id, Json, Timestamp};

pub(crate) fn number(row: &Row<'_>, at: usize) -> Result<u64, Error> {
    Ok(row.get::<_, i64>(at)?.cast_unsigned())
}

pub(crate) fn optional_number(row: &Row<'_>, at: usize) -> Result<Option<u64>, Error> {
    Ok(row.get::<_, Option<i64>>(at)?.map(i64::cast_unsigned))
}

pub(crate) fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis.cast_unsigned())
}

pub(crate) fn time(row: &Row<'_>, at: usize) -> Result<Timestamp, Error> {
    Ok(timestamp(row.get(at)?))
}

pub(crate) fn optional_time(row: &Row<'_>, at: usize) -> Result<Option<Timestamp>, Error> {
    Ok(row.get::<_, Option<i64>>(at)?.map(timestamp))
}

pub(crate) fn id(row: &Row<'_>, at: usize) -> Result<Id, Error> {
    Ok(Id::from_bytes(row.get(at)?))
}

pub(crate) fn optional_id(row: &Row<'_>, at: usize) -> Result<Option<Id>, Error> {
    Ok(row.get::<_, Option<[u8; 16]>>(at)?.map(Id::from_bytes))
}

pub(crate) fn json(row: &Row<'_>, at: usize, column: &'static str) -> Result<Json, Error> {
    parsed(row, at, column, |text: String| Json::parse(text).ok())
}

pub(crate) fn parsed<V: FromSql, T>(
    row: &Row<'_>,
    at: usize,
    column: &'static str,
    parse: impl FnOnce(V) -> Option<T>,
) -> Result<T, Error> {
    parse(row.get(at)?).ok_or_else(|| unreadable(column))
}

pub(crate) fn optional<V: FromSql, T>(
    row: &Row<'_>,
    at: usize,
    column: &'static str,
    parse: impl FnOnce(V) -> Option<T>,
) -> Result<Option<T>, Error> {
    match row.get::<_, Option<V>>(at)? {
        None => Ok(None),
        Some(value) => parse(value).map(Some).ok_or_else(|| unreadable(column)),
    }
}
