//! One transaction over many turns: when the file has them, what a kill takes, and what is left when one of them, or the
//! disk, fails in the middle.

use crate::common::{EPOCH, Random, append, at, copy_store, dump, key, object, open_object, path_of, write_turn};
use commit_log::{Config, LocalLog};
use org_ai_store::{Error, Line, Options, Store, Turn};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use types::{Faults, Id, Json, LogRow, LogStream, Record, Row, ThingRow};

/// Turns in one transaction, here: few, so that a test can count them.
const EVERY: usize = 4;

fn options() -> Options {
    Options { settle_every: EVERY, ..Options::STANDARD }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("a.sqlite")
}

fn open(folder: &Path) -> Store {
    Store::open(&path(folder), object(1), &options()).unwrap()
}

fn thing(version: u64) -> Row {
    Row::Thing(ThingRow {
        version,
        key: key("Note", &format!("n{version}")),
        branch: None,
        name: None,
        data: Json::parse("{}").unwrap(),
        deleted: false,
        created_at: at(0),
        action: Id::from_u128(1),
        actor: "root".into(),
        born: None,
    })
}

fn line_of(bytes: usize) -> Row {
    let text = "x".repeat(bytes);
    Row::Log(LogRow { action: Id::from_u128(1), ordinal: 0, at: at(0), stream: LogStream::Stdout, text })
}

/// One more thing, in a turn of its own.
fn write(store: &mut Store) -> Arc<Record> {
    let mut turn = store.turn(EPOCH, at(0)).unwrap();
    let version = turn.next_version();
    turn.write(thing(version)).unwrap();
    turn.commit().unwrap().unwrap()
}

/// As the process finds it after a kill: (turns, things, records that the log is to be given).
fn after_a_kill(folder: &Path) -> (i64, i64, i64) {
    let copy = folder.join("killed.sqlite");
    copy_store(&path(folder), &copy);
    counts(&copy)
}

fn counts(path: &Path) -> (i64, i64, i64) {
    let shell = rusqlite::Connection::open(path).unwrap();
    let sql = "SELECT appliedSeq, (SELECT count(*) FROM things), (SELECT count(*) FROM records) FROM meta";
    shell.query_row(sql, (), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap()
}

#[test]
fn a_kill_between_a_turn_and_its_settling_loses_nothing_the_log_has() {
    let (folder, killed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = LocalLog::open(&folder.path().join("log"), &Config::STANDARD).unwrap();
    let own = path_of(folder.path(), object(1));
    std::fs::create_dir_all(own.parent().unwrap()).unwrap();
    let mut store = Store::open(&own, object(1), &Options::STANDARD).unwrap();
    let mut random = Random(2);
    for _ in 0..20 {
        let record = write_turn(&mut store, &mut random).unwrap();
        let seq = record.seq;
        assert!(append(&log, vec![record]).is_durable());
        store.confirm(seq);
    }
    let copy = path_of(killed.path(), object(1));
    copy_store(&own, &copy);
    assert_eq!(
        Store::open(&copy, object(1), &Options::STANDARD).unwrap().applied_seq(),
        0,
        "the file had none of them"
    );
    let recovered = open_object(&log, killed.path(), object(1), &Faults::none()).unwrap();
    assert_eq!(recovered.applied_seq(), 20);
    recovered.integrity_check().unwrap();
    drop((store, recovered));
    assert!(dump(&copy) == dump(&own), "and it is the same");
}

#[test]
fn turns_that_the_log_has_are_settled_many_at_a_time_and_need_no_record() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    for n in 1..=4 {
        let record = write(&mut store);
        store.confirm(record.seq);
        assert_eq!(after_a_kill(folder.path()), (0, 0, 0), "turn {n}");
    }
    write(&mut store);
    assert_eq!(after_a_kill(folder.path()), (4, 4, 0), "the fifth found four of them");
    store.confirm(5);
    drop(store);
    assert_eq!(counts(&path(folder.path())), (5, 5, 0));
}

#[test]
fn a_log_that_lags_behind_is_waited_for_but_not_for_long() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    for _ in 0..4 * EVERY {
        write(&mut store);
    }
    store.confirm(13);
    assert_eq!(after_a_kill(folder.path()), (0, 0, 0));
    write(&mut store);
    assert_eq!(after_a_kill(folder.path()), (16, 16, 3), "those of which the log says nothing yet are kept");
    store.confirm(17);
    drop(store);
    assert_eq!(counts(&path(folder.path())), (17, 17, 0), "and removed with a later one");
}

#[test]
fn heavy_turns_are_settled_sooner() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&path(folder.path()), object(1), &Options::STANDARD).unwrap();
    let heavy = |store: &mut Store| {
        let mut turn = store.turn(EPOCH, at(0)).unwrap();
        turn.write(line_of(1 << 20)).unwrap();
        turn.commit().unwrap().unwrap().seq
    };
    let seq = heavy(&mut store);
    store.confirm(seq);
    heavy(&mut store);
    assert_eq!(after_a_kill(folder.path()), (1, 0, 0), "the log has it");
    for _ in 0..3 {
        heavy(&mut store);
    }
    assert_eq!(after_a_kill(folder.path()), (1, 0, 0), "the log has none of these");
    heavy(&mut store);
    assert_eq!(after_a_kill(folder.path()), (5, 0, 4));
}

#[test]
fn a_turn_that_is_taken_back_keeps_those_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    (0..3).for_each(|_| drop(write(&mut store)));
    let mut turn = store.turn(EPOCH, at(1)).unwrap();
    turn.write(thing(4)).unwrap();
    drop(turn);
    assert_eq!((store.applied_seq(), store.next_version()), (3, 4));
    assert!(store.newest(&Line::main(), &key("Note", "n3")).unwrap().is_some());
    assert!(store.newest(&Line::main(), &key("Note", "n4")).unwrap().is_none());
    assert_eq!(after_a_kill(folder.path()), (3, 3, 3), "they are not written a second time for the next one");
    assert_eq!(write(&mut store).seq, 4);
    drop(store);
    assert_eq!(counts(&path(folder.path())), (4, 4, 4));
}

#[test]
fn a_part_that_is_taken_back_keeps_the_parts_and_the_turns_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    (0..2).for_each(|_| drop(write(&mut store)));
    let mut turn = store.turn(EPOCH, at(1)).unwrap();
    turn.part(|turn| turn.write(thing(3))).unwrap();
    for _ in 0..3 {
        let refused = turn.part(|turn| turn.write(thing(4)).map_err(|_| "not this").and(Err::<(), _>("refused")));
        assert_eq!(refused, Err("refused"));
        assert_eq!(turn.next_version(), 4);
    }
    turn.part(|turn| turn.write(thing(4))).unwrap();
    let record = turn.commit().unwrap().unwrap();
    assert_eq!((record.seq, record.rows.len()), (3, 2));
    drop(store);
    assert_eq!(counts(&path(folder.path())), (3, 4, 3));
}

#[test]
fn a_turn_that_only_reads_leaves_the_transaction_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    write(&mut store);
    let turn = store.turn(EPOCH, at(1)).unwrap();
    assert!(turn.newest(&Line::main(), &key("Note", "n1")).unwrap().is_some());
    drop(turn);
    assert_eq!(after_a_kill(folder.path()), (0, 0, 0), "nothing had to be made again");
    assert_eq!(store.turn(EPOCH, at(1)).unwrap().commit().unwrap(), None);
    assert_eq!(write(&mut store).seq, 2);
    drop(store);
    assert_eq!(counts(&path(folder.path())), (2, 2, 2));
}

#[test]
fn a_turn_that_was_put_aside_is_not_settled_with_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    write(&mut store);
    let mut turn = store.turn(EPOCH, at(1)).unwrap();
    turn.write(thing(2)).unwrap();
    let aside = Turn::suspend(turn);
    assert!(matches!(store.settle(), Err(Error::InTurn)));
    assert!(matches!(store.checkpoint(), Err(Error::InTurn)));
    assert!(matches!(store.shrink(), Err(Error::InTurn)));
    assert!(matches!(store.turn(EPOCH, at(1)).err(), Some(Error::InTurn)));
    drop((store, aside));
    assert_eq!(counts(&path(folder.path())), (1, 1, 1), "the store was closed over it");
}

#[test]
fn a_file_that_is_full_in_the_middle_keeps_the_turns_before() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { file_bytes_max: 60 * 4096, ..options() };
    let mut store = Store::open(&path(folder.path()), object(1), &options).unwrap();
    (0..3).for_each(|_| drop(write(&mut store)));
    let mut turn = store.turn(EPOCH, at(1)).unwrap();
    let refused = (0..200).find_map(|_| turn.write(line_of(4000)).err());
    assert!(matches!(refused, Some(Error::Full)), "{refused:?}");
    drop(turn);
    assert_eq!((store.lost(), store.applied_seq(), store.next_version()), (None, 3, 4));
    assert_eq!(write(&mut store).seq, 4);
    drop(store);
    assert_eq!(counts(&path(folder.path())), (4, 4, 4));
}

/// A disk that is full whenever the flag says so.
fn failing(point: &'static str) -> (Arc<AtomicBool>, Faults) {
    let is_full = Arc::new(AtomicBool::new(false));
    let full = is_full.clone();
    let faults = Faults::between(point, 1, u64::MAX, move || {
        if full.load(Ordering::SeqCst) { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    });
    (is_full, faults)
}

#[test]
fn a_store_that_lost_turns_says_so_and_the_log_gives_them_back() {
    let folder = tempfile::tempdir().unwrap();
    let log = LocalLog::open(&folder.path().join("log"), &Config::STANDARD).unwrap();
    let (is_full, faults) = failing("store.before-settle");
    let mut store = open_object(&log, folder.path(), object(1), &faults).unwrap();
    let mut records = Vec::new();
    for _ in 0..2 {
        records.push(Arc::unwrap_or_clone(write(&mut store)));
    }
    assert!(append(&log, records).is_durable());
    let mut turn = store.turn(EPOCH, at(1)).unwrap();
    turn.write(thing(3)).unwrap();
    is_full.store(true, Ordering::SeqCst);
    drop(turn);
    assert_eq!(store.lost(), Some(2), "the first two could not be written again");
    assert!(matches!(store.turn(EPOCH, at(1)).err(), Some(Error::Lost)));
    assert!(matches!(store.settle(), Err(Error::Lost)));
    assert!(matches!(store.checkpoint(), Err(Error::Lost)));
    assert_eq!(store.applied_seq(), 0, "memory says no more than the file");
    is_full.store(false, Ordering::SeqCst);
    assert_eq!(store.lost(), Some(2), "it does not come back by itself");
    drop(store);
    let mut store = open_object(&log, folder.path(), object(1), &faults).unwrap();
    assert_eq!((store.lost(), store.applied_seq(), store.next_version()), (None, 2, 3));
    assert_eq!(write(&mut store).seq, 3);
}

#[test]
fn a_settling_that_fails_takes_no_turn_for_written() {
    let folder = tempfile::tempdir().unwrap();
    let (is_full, faults) = failing("store.before-settle");
    let mut store = Store::open(&path(folder.path()), object(1), &Options { faults, ..options() }).unwrap();
    for _ in 0..EVERY {
        let seq = write(&mut store).seq;
        store.confirm(seq);
    }
    is_full.store(true, Ordering::SeqCst);
    assert!(matches!(store.turn(EPOCH, at(1)).err(), Some(Error::Full)));
    assert_eq!(store.lost(), Some(4));
    drop(store);
    assert_eq!(counts(&path(folder.path())), (0, 0, 0));
}
