//! The floor: the same rows, written by one thread with nothing but rusqlite.

use rusqlite::{Connection, params};
use std::path::Path;
use std::time::{Duration, Instant};

/// What one create leaves: a thing, its action, its event, its words in the index.
pub struct Raw {
    connection: Connection,
    next: i64,
}

/// A thing's data, some 200 bytes.
pub const DATA: &str = r#"{"title":"A note on nothing in particular","body":"The quick brown fox jumps over the lazy dog, and then it does so again until the line is long enough to be a note.","stars":4,"done":false}"#;

impl Raw {
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
             CREATE TABLE things (version INTEGER PRIMARY KEY, type TEXT, id TEXT, branch TEXT, name TEXT, data TEXT,
               deleted INTEGER, createdAt INTEGER, actionId BLOB, actor TEXT);
             CREATE INDEX thingsByName ON things (type, id, branch, version);
             CREATE TABLE actions (id BLOB PRIMARY KEY, verb TEXT, actor TEXT, target TEXT, input INTEGER, output INTEGER,
               options TEXT, durability TEXT, status TEXT, createdAt INTEGER) WITHOUT ROWID;
             CREATE INDEX actionsByTarget ON actions (target, id);
             CREATE TABLE events (sequence INTEGER PRIMARY KEY, id BLOB, verb TEXT, source TEXT, data TEXT, actionId BLOB,
               createdAt INTEGER);
             CREATE VIRTUAL TABLE search USING fts5(content, content = '', contentless_delete = 1);",
        )?;
        Ok(Self { connection, next: 1 })
    }

    fn rows(&mut self) -> anyhow::Result<()> {
        let n = self.next;
        self.next += 1;
        let (id, action) = (format!("018f-{n:032x}"), u128::from(n.unsigned_abs()).to_be_bytes());
        let c = &self.connection;
        c.prepare_cached(
            "INSERT INTO things VALUES (?1, 'Note', ?2, NULL, NULL, ?3, 0, ?4, ?5, 'https://a.test/Service/root')",
        )?
        .execute(params![n, id, DATA, n, &action[..]])?;
        c.prepare_cached("INSERT INTO actions VALUES (?1, 'create', 'https://a.test/Service/root', ?2, NULL, ?3, '{}', 'try', 'completed', ?3)")?
            .execute(params![&action[..], format!("Note/{id}"), n])?;
        let data = format!("{{\"version\":{n},\"previousVersion\":null,\"changes\":[]}}");
        c.prepare_cached("INSERT INTO events VALUES (?1, ?2, 'created', ?3, ?4, ?2, ?1)")?.execute(params![
            n,
            &action[..],
            format!("Note/{id}"),
            data
        ])?;
        c.prepare_cached("INSERT INTO search (rowid, content) VALUES (?1, ?2)")?.execute(params![n, words()])?;
        Ok(())
    }

    /// Creates a second, in transactions of `batch`.
    pub fn per_second(&mut self, batch: usize, time: Duration) -> anyhow::Result<f64> {
        let begun = Instant::now();
        let mut done = 0;
        while begun.elapsed() < time {
            self.connection.execute_batch("BEGIN")?;
            for _ in 0..batch {
                self.rows()?;
            }
            self.connection.execute_batch("COMMIT")?;
            done += batch;
        }
        Ok(done as f64 / begun.elapsed().as_secs_f64())
    }
}

fn words() -> &'static str {
    "A note on nothing in particular\nThe quick brown fox jumps over the lazy dog, and then it does so again until the line is long enough to be a note."
}
