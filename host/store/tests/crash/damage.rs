//! A disk that gives back something else than was written: it is noticed, named, and nothing is thrown away.

use crate::common::{Random, append, object, open_object, path_of, write_turn};
use commit_log::{CommitLog, Config, LocalLog};
use org_ai_store::{Error, Options, Store};
use std::fs;
use std::path::{Path, PathBuf};
use types::Faults;

/// An object with some turns, synced, and the log's segments gone.
fn checkpointed(folder: &Path, turns: u64) -> PathBuf {
    let log = LocalLog::open(&folder.join("log"), &Config::STANDARD).unwrap();
    let mut store = open_object(&log, folder, object(1), &Faults::none()).unwrap();
    let mut random = Random(9);
    for _ in 0..turns {
        let record = write_turn(&mut store, &mut random).unwrap();
        assert!(append(&log, vec![record]).is_durable());
    }
    store.confirm(turns);
    log.checkpointed(object(1), store.checkpoint().unwrap());
    path_of(folder, object(1))
}

#[test]
fn half_a_file_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = checkpointed(folder.path(), 60);
    let whole = fs::read(&path).unwrap();
    for length in [0, 1, 99, 512, 4095, 4096, whole.len() / 2, whole.len() / 2 / 4096 * 4096, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let log = LocalLog::open(&folder.path().join("log"), &Config::STANDARD).unwrap();
        match open_object(&log, folder.path(), object(1), &Faults::none()) {
            Err(Error::Corrupt(_)) => {}
            Err(other) => panic!("{length}: {other}"),
            Ok(_) => panic!("{length}: it was opened"),
        }
        assert_eq!(fs::read(&path).unwrap().len(), length, "the file was changed");
    }
}

#[test]
fn a_file_with_a_page_of_something_else_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = checkpointed(folder.path(), 60);
    let whole = fs::read(&path).unwrap();
    let mut refused = 0;
    for page in 0..whole.len() / 4096 {
        let mut damaged = whole.clone();
        damaged[page * 4096..(page + 1) * 4096].fill(0xa5);
        fs::write(&path, &damaged).unwrap();
        let log = LocalLog::open(&folder.path().join("log"), &Config::STANDARD).unwrap();
        match open_object(&log, folder.path(), object(1), &Faults::none()) {
            Err(Error::Corrupt(_)) => refused += 1,
            Err(other) => panic!("page {page}: {other}"),
            // SQLite has no checksum: what stands in a free page, or within a long value, it does not know.
            Ok(_) => {}
        }
    }
    assert!(refused * 2 >= whole.len() / 4096, "only {refused} of {} pages were noticed", whole.len() / 4096);
}

#[test]
fn a_file_that_is_gone_is_no_new_object_when_the_log_no_longer_has_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { segment_bytes: 2048, ..Config::STANDARD };
    let log = LocalLog::open(&folder.path().join("log"), &config).unwrap();
    let mut store = open_object(&log, folder.path(), object(1), &Faults::none()).unwrap();
    let mut random = Random(9);
    for i in 0..40 {
        let record = write_turn(&mut store, &mut random).unwrap();
        assert!(append(&log, vec![record]).is_durable());
        store.confirm(i + 1);
        if i == 20 {
            log.checkpointed(object(1), store.checkpoint().unwrap());
        }
    }
    drop(store);
    assert!(log.tail(object(1)).is_some_and(|tail| tail > 1));
    fs::remove_file(path_of(folder.path(), object(1))).unwrap();
    let opened = open_object(&log, folder.path(), object(1), &Faults::none());
    assert!(matches!(opened, Err(Error::Corrupt(_))), "{:?}", opened.err());
    assert!(!path_of(folder.path(), object(1)).exists());
}

#[test]
fn a_file_of_a_newer_server_is_refused_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = checkpointed(folder.path(), 3);
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let opened = Store::open(&path, object(1), &Options::STANDARD);
    assert!(matches!(opened, Err(Error::Newer { found: 99, .. })), "{:?}", opened.err());
}

#[test]
fn the_file_of_another_object_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = checkpointed(folder.path(), 3);
    let opened = Store::open(&path, object(2), &Options::STANDARD);
    assert!(matches!(opened, Err(Error::WrongObject { .. })), "{:?}", opened.err());
}
