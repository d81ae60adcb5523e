//! The bytes of a new file: every migration applied, nothing in it. Built once in memory and written in one go, without
//! a sync: opening a new object with its first turn takes about as long as one sync of the log, so the file is made
//! before the first record is durable, and the turn runs in it like any other.

use crate::Error;
use rusqlite::{Connection, MAIN_DB};
use std::sync::OnceLock;

/// In the order in which they are applied; their count is the schema's number (`PRAGMA user_version`).
const MIGRATIONS: &[&str] = &[
    include_str!("../migrations/0001_objects_own_file.sql"),
    include_str!("../migrations/0002_things_have_branches.sql"),
    include_str!("../migrations/0003_history_can_be_archived.sql"),
    include_str!("../migrations/0004_runs_go_on.sql"),
    include_str!("../migrations/0005_events_are_delivered.sql"),
    include_str!("../migrations/0006_schedules_tick.sql"),
    include_str!("../migrations/0007_workflows_run.sql"),
    include_str!("../migrations/0008_events_are_forwarded.sql"),
    include_str!("../migrations/0009_runs_are_forgotten.sql"),
    include_str!("../migrations/0010_runs_have_wishes.sql"),
    include_str!("../migrations/0011_models_are_paid.sql"),
    include_str!("../migrations/0012_people_are_asked.sql"),
];

pub(crate) const SCHEMA: u32 = MIGRATIONS.len() as u32;

/// `PRAGMA application_id` of a file whose main part is the template still. The first turn changes it.
pub(crate) const MARK_NEW: u32 = u32::from_be_bytes(*b"oai0");
/// Of every other.
pub(crate) const MARK: u32 = u32::from_be_bytes(*b"oai1");

pub(crate) const PAGE_BYTES: u32 = 4096;

/// Where the two file format versions stand in a header (https://sqlite.org/fileformat.html); 2 is WAL.
const FORMAT_VERSIONS: std::ops::Range<usize> = 18..20;

/// The whole template.
pub(crate) fn bytes() -> Result<&'static [u8], Error> {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(bytes) = TEMPLATE.get() {
        return Ok(bytes);
    }
    let built = build()?;
    Ok(TEMPLATE.get_or_init(|| built))
}

fn build() -> Result<Vec<u8>, Error> {
    let mut connection = Connection::open_in_memory()?;
    connection.pragma_update(None, "page_size", PAGE_BYTES)?;
    migrate(&connection, 0)?;
    connection.pragma_update(None, "application_id", MARK_NEW)?;
    let mut bytes = connection.serialize(MAIN_DB)?.to_vec();
    bytes[FORMAT_VERSIONS].fill(2);
    Ok(bytes)
}

/// Applies what a file of schema `from` lacks, all or nothing.
pub(crate) fn migrate(connection: &Connection, from: u32) -> Result<(), Error> {
    let transaction = connection.unchecked_transaction()?;
    for migration in &MIGRATIONS[from as usize..] {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", SCHEMA)?;
    transaction.commit()?;
    Ok(())
}
