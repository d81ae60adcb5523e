//! Turns: what they number, what they refuse, what is left of one that fails.

use crate::common::{EPOCH, Random, action, at, dump, event, key, object, write_turn};
use org_ai_store::{Applied, Error, EventFilter, Line, Options, Store};
use std::path::Path;
use std::sync::Arc;
use types::{ActionStatus, Faults, Id, Json, LogRow, LogStream, Record, Row, ThingRow};

fn open(folder: &Path) -> Store {
    Store::open(&folder.join("a.sqlite"), object(1), &Options::STANDARD).unwrap()
}

fn thing(version: u64, id: &str) -> Row {
    Row::Thing(ThingRow {
        version,
        key: key("Function", id),
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

fn commit(store: &mut Store, rows: Vec<Row>) -> Record {
    let mut turn = store.turn(EPOCH, at(0)).unwrap();
    rows.into_iter().for_each(|row| turn.write(row).unwrap());
    Arc::unwrap_or_clone(turn.commit().unwrap().unwrap())
}

fn log_line(text: String) -> Row {
    Row::Log(LogRow { action: Id::from_u128(1), ordinal: 0, at: at(0), stream: LogStream::Stdout, text })
}

#[test]
fn a_turn_that_is_dropped_was_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let path = store.path().to_owned();
    commit(&mut store, vec![thing(1, "a")]);
    let before = store.versions(&Line::main(), &key("Function", "a"), None, 9).unwrap();
    let mut turn = store.turn(EPOCH, at(1)).unwrap();
    let version = turn.next_version();
    turn.write(thing(version, "b")).unwrap();
    assert_eq!(turn.next_version(), version + 1);
    assert!(turn.newest(&Line::main(), &key("Function", "b")).unwrap().is_some(), "a turn sees its own writes");
    drop(turn);
    assert_eq!((store.next_version(), store.applied_seq()), (version, 1));
    assert!(store.newest(&Line::main(), &key("Function", "b")).unwrap().is_none());
    assert_eq!(store.versions(&Line::main(), &key("Function", "a"), None, 9).unwrap(), before);
    drop(store);
    assert_eq!(dump(&path)["things"].len(), 1);
}

#[test]
fn a_turn_without_a_row_uses_no_number() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let turn = store.turn(EPOCH, at(1)).unwrap();
    assert!(turn.is_empty());
    assert_eq!(turn.commit().unwrap(), None);
    assert_eq!(commit(&mut store, vec![thing(1, "a")]).seq, 1);
}

#[test]
fn numbers_follow_without_gaps_and_are_never_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    commit(&mut store, vec![thing(1, "a"), thing(2, "b")]);
    let mut turn = store.turn(EPOCH, at(1)).unwrap();
    let id = Id::from_u128(1);
    let refused = turn.write(thing(2, "c"));
    assert!(matches!(refused, Err(Error::Number { what: "version", expected: 3, found: 2 })), "{refused:?}");
    let refused = turn.write(Row::Event(event(2, id, id, at(1))));
    assert!(matches!(refused, Err(Error::Number { what: "event", expected: 1, found: 2 })), "{refused:?}");
    turn.write(Row::Event(event(1, id, id, at(1)))).unwrap();
    turn.commit().unwrap();
    drop(store);
    // Not even when the rows are gone.
    rusqlite::Connection::open(folder.path().join("a.sqlite"))
        .unwrap()
        .execute_batch("DELETE FROM things; VACUUM")
        .unwrap();
    assert_eq!(open(folder.path()).next_version(), 3);
}

#[test]
fn records_apply_once_in_order_and_only_to_their_object() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let records: Vec<Record> = (1..=3).map(|v| commit(&mut store, vec![thing(v, "a")])).collect();
    let mut copy = Store::open(&folder.path().join("b.sqlite"), object(1), &Options::STANDARD).unwrap();
    assert!(matches!(copy.apply(&records[1]), Err(Error::Gap { expected: 1, found: 2 })));
    assert_eq!(copy.apply(&records[0]).unwrap(), Applied::Applied);
    assert_eq!(copy.apply(&records[0]).unwrap(), Applied::AlreadyThere);
    let foreign = Record { object: object(2), ..records[1].clone() };
    assert!(matches!(copy.apply(&foreign), Err(Error::WrongObject { .. })));
    let newer = Record { epoch: 5, ..records[1].clone() };
    assert_eq!(copy.apply(&newer).unwrap(), Applied::Applied);
    assert!(matches!(copy.apply(&records[2]), Err(Error::OldEpoch { newest: 5, found: 1 })));
    assert!(matches!(copy.turn(4, at(0)).err(), Some(Error::OldEpoch { newest: 5, found: 4 })));
    let wrong = Record { epoch: 5, rows: vec![thing(9, "x"), thing(9, "y")], ..records[2].clone() };
    assert!(matches!(copy.apply(&wrong), Err(Error::Number { .. })));
    assert_eq!((copy.applied_seq(), copy.next_version()), (2, 3), "nothing of it stayed");
}

#[test]
fn confirmed_records_leave_the_file_and_the_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let kept = |store: &Store| store.undurable().unwrap().iter().map(|r| r.seq).collect::<Vec<_>>();
    for v in 1..=40 {
        commit(&mut store, vec![thing(v, "a")]);
    }
    assert_eq!(kept(&store), (1..=40).collect::<Vec<_>>());
    store.confirm(38);
    commit(&mut store, vec![thing(41, "a")]);
    assert_eq!(kept(&store), [39, 40, 41]);
    drop(store);
    let mut store = open(folder.path());
    assert_eq!(kept(&store), [39, 40, 41]);
    store.confirm(40);
    assert_eq!(store.checkpoint().unwrap(), 41);
    drop(store);
    assert_eq!(kept(&open(folder.path())), [41]);
}

#[test]
fn a_full_file_fails_the_turn_and_keeps_what_was() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { file_bytes_max: 40 * 4096, ..Options::STANDARD };
    let mut store = Store::open(&folder.path().join("a.sqlite"), object(1), &options).unwrap();
    commit(&mut store, vec![thing(1, "a")]);
    let mut turn = store.turn(EPOCH, at(1)).unwrap();
    turn.write(thing(2, "b")).unwrap();
    let refused = (0..100).find_map(|_| turn.write(log_line("x".repeat(4000))).err());
    assert!(matches!(refused, Some(Error::Full)), "{refused:?}");
    // SQLite has ended the transaction: what is written now would stay, without a record.
    assert!(matches!(turn.write(thing(3, "c")), Err(Error::TurnFailed)));
    assert!(matches!(turn.commit(), Err(Error::TurnFailed)));
    assert!(store.newest(&Line::main(), &key("Function", "b")).unwrap().is_none());
    assert!(store.newest(&Line::main(), &key("Function", "c")).unwrap().is_none());
    assert_eq!(commit(&mut store, vec![thing(2, "b")]).seq, 2);
    store.integrity_check().unwrap();
}

#[test]
fn a_commit_that_fails_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults::at("store.before-commit", 2, || Err(std::io::ErrorKind::StorageFull.into()));
    let options = Options { faults, ..Options::STANDARD };
    let mut store = Store::open(&folder.path().join("a.sqlite"), object(1), &options).unwrap();
    commit(&mut store, vec![thing(1, "a")]);
    let mut turn = store.turn(EPOCH, at(1)).unwrap();
    turn.write(thing(2, "b")).unwrap();
    assert!(matches!(turn.commit(), Err(Error::Full)));
    assert_eq!((store.applied_seq(), store.next_version(), store.undurable().unwrap().len()), (1, 2, 1));
    assert_eq!(commit(&mut store, vec![thing(2, "b")]).seq, 2);
}

#[test]
fn a_checkpoint_empties_the_wal_and_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let mut random = Random(1);
    (0..20).for_each(|_| drop(write_turn(&mut store, &mut random)));
    store.settle().unwrap();
    assert!(store.wal_bytes() > 0);
    assert_eq!(store.checkpoint().unwrap(), 20);
    assert_eq!(store.wal_bytes(), 0);
    drop(write_turn(&mut store, &mut random));
    let events = |store: &Store| store.events(&EventFilter { limit: 1000, ..Default::default() }).unwrap().items;
    let before = events(&store);
    drop(store);
    assert_eq!(events(&open(folder.path())), before);
}

#[test]
fn a_file_that_somebody_looks_at_works_but_for_its_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(1);
    drop(write_turn(&mut open(folder.path()), &mut random));
    let shell = rusqlite::Connection::open(folder.path().join("a.sqlite")).unwrap();
    shell.execute_batch("BEGIN").unwrap();
    let count = || shell.query_row("SELECT count(*) FROM actions", (), |r| r.get::<_, i64>(0)).unwrap();
    let before = count();
    let mut store = open(folder.path());
    drop(write_turn(&mut store, &mut random));
    assert_eq!(count(), before);
    assert!(matches!(store.checkpoint(), Err(Error::Busy)));
    shell.execute_batch("COMMIT").unwrap();
    assert_eq!(store.checkpoint().unwrap(), 2);
}

#[test]
fn a_file_has_one_owner() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let second = Store::open(store.path(), object(1), &Options::STANDARD);
    assert!(matches!(second, Err(Error::Busy)), "{:?}", second.err());
}

#[test]
fn closing_is_cheap_and_the_sqlite_shell_opens_every_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let id = Random(3).id(at(1));
    commit(&mut store, vec![Row::Action(action(id, ActionStatus::Completed, at(1)))]);
    drop(store);
    let wal = folder.path().join("a.sqlite-wal");
    assert!(wal.exists(), "nothing is copied at the end");
    let shell = rusqlite::Connection::open(folder.path().join("a.sqlite")).unwrap();
    let sql = "SELECT status, duration, hex(id) FROM actions";
    let row = shell.query_row(sql, (), |r| Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)?, r.get::<_, String>(2)?)));
    assert_eq!(row.unwrap(), ("completed".into(), 1, format!("{:032X}", id.as_u128())));
}
