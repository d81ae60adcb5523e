//! Rows leave for an archive and come back, in a file and in one that was rebuilt from its records.

use crate::common::{EPOCH, action, at, dump, event, key, object, rebuild};
use org_ai_store::{Line, Options, Store};
use std::sync::Arc;
use types::{ActionStatus, ArchivedRow, BranchName, BranchRow, Id, Json, Record, Row, ThingRow};

fn thing(version: u64, id: &str, deleted: bool) -> ThingRow {
    ThingRow {
        version,
        key: key("Note", id),
        branch: None,
        name: None,
        data: Json::parse(format!(r#"{{"n":{version}}}"#)).unwrap(),
        deleted,
        created_at: at(version),
        action: Id::from_u128(1),
        actor: "root".into(),
        born: None,
    }
}

fn commit(store: &mut Store, rows: Vec<Row>) -> Record {
    let mut turn = store.turn(EPOCH, at(0)).unwrap();
    rows.into_iter().for_each(|row| turn.write(row).unwrap());
    Arc::unwrap_or_clone(turn.commit().unwrap().unwrap())
}

fn archived(things: Vec<u64>) -> Row {
    Row::Archived(ArchivedRow { archive: Some(Id::from_u128(7)), things, actions: vec![], events: vec![] })
}

#[test]
fn what_left_and_came_back_is_as_it_was_in_a_rebuilt_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sqlite");
    let mut store = Store::open(&path, object(1), &Options::STANDARD).unwrap();
    let rows: Vec<_> =
        [(1, "a", false), (2, "a", false), (3, "b", false), (4, "b", true), (5, "b", false), (6, "b", true)]
            .map(|(version, id, deleted)| thing(version, id, deleted))
            .into();
    let mut records = vec![commit(&mut store, rows.iter().cloned().map(Row::Thing).collect())];
    // The newest version of a live thing stays, whatever is asked for.
    records.push(commit(&mut store, vec![archived((1..=6).collect())]));
    assert_eq!(store.newest(&Line::main(), &key("Note", "a")).unwrap(), Some(rows[1].clone()));
    assert_eq!(store.newest(&Line::main(), &key("Note", "b")).unwrap(), None, "a deleted thing vanishes");
    assert_eq!(store.back(&Line::main(), &key("Note", "a"), 1).unwrap(), None);
    assert_eq!(store.back_number(&Line::main(), &key("Note", "a"), 1).unwrap(), Some(1));
    assert_eq!(store.archived(3).unwrap().unwrap().archive, Some(Id::from_u128(7)));
    assert_eq!(store.next_version(), 7);
    for row in rows.iter().filter(|row| row.version != 2) {
        records.push(commit(&mut store, vec![Row::Unarchived(row.clone())]));
        let b = store.newest(&Line::main(), &key("Note", "b")).unwrap();
        assert!(b.is_none_or(|row| row.deleted), "it never seems to live again");
    }
    assert_eq!(store.newest(&Line::main(), &key("Note", "b")).unwrap(), Some(rows[5].clone()));
    assert_eq!(store.versions(&Line::main(), &key("Note", "b"), None, 9).unwrap().items.len(), 4);
    drop(store);
    let rebuilt = rebuild(folder.path(), object(1), &records);
    assert_eq!(dump(&path), dump(&rebuilt));
}

#[test]
fn events_leave_only_when_the_lake_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sqlite");
    let mut store = Store::open(&path, object(1), &Options::STANDARD).unwrap();
    let events: Vec<_> = (1..=3).map(|n| event(n, Id::from_u128(n.into()), Id::from_u128(9), at(n))).collect();
    commit(&mut store, events.iter().cloned().map(Row::Event).collect());
    assert!(store.streamed_events(at(100), 0, 10).unwrap().items.is_empty());
    drop(store);
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("UPDATE events SET streamed = 1 WHERE sequence <= 2", ()).unwrap();
    drop(connection);
    let mut store = Store::open(&path, object(1), &Options::STANDARD).unwrap();
    assert_eq!(store.streamed_events(at(100), 0, 10).unwrap().items, events[..2]);
    assert_eq!(store.streamed_events(at(2), 0, 10).unwrap().items, events[..1], "only those before a time");
    let leaving = ArchivedRow { archive: None, things: vec![], actions: vec![], events: vec![1, 2] };
    commit(&mut store, vec![Row::Archived(leaving)]);
    assert_eq!((store.is_streamed(1).unwrap(), store.is_streamed(3).unwrap()), (None, Some(false)));
    commit(&mut store, vec![Row::UnarchivedEvent(events[0].clone())]);
    assert_eq!(store.is_streamed(1).unwrap(), Some(true));
    assert_eq!(store.next_sequence(), 4, "no number is used again");
}

#[test]
fn actions_that_are_not_over_are_not_settled() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("a.sqlite"), object(1), &Options::STANDARD).unwrap();
    let rows = [(1, ActionStatus::Completed), (2, ActionStatus::Running), (3, ActionStatus::Failed)];
    commit(&mut store, rows.map(|(n, status)| Row::Action(action(Id::from_u128(n), status, at(0)))).into());
    let settled: Vec<_> =
        store.settled_actions(at(1), None, 10).unwrap().items.iter().map(|row| row.id.as_u128()).collect();
    assert_eq!(settled, [1, 3]);
    assert!(store.settled_actions(at(0), None, 10).unwrap().items.is_empty(), "only those before a time");
}

#[test]
fn branches_show_what_they_stand_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&folder.path().join("a.sqlite"), object(1), &Options::STANDARD).unwrap();
    let branch = |name: &str, parent: Option<&str>, base| {
        let parent = parent.map(|name| BranchName::parse(name).unwrap());
        let (name, forked_from) = (BranchName::parse(name).unwrap(), "main".to_owned());
        let (created_at, created_by) = (at(0), "me".to_owned());
        Row::Branch(BranchRow {
            name,
            parent,
            base,
            since: base,
            forked_from,
            things: None,
            created_at,
            created_by,
            deleted: false,
        })
    };
    commit(&mut store, vec![branch("x", None, 3), branch("y", Some("x"), 6)]);
    let cuts = store.cuts().unwrap();
    let x = BranchName::parse("x").unwrap();
    for (branch, version, next, shown) in [
        (None, 1, Some(3), false),
        (None, 1, Some(4), true),
        (None, 3, Some(4), true),
        (None, 4, Some(9), false),
        (None, 3, None, true),
        (Some(&x), 5, Some(7), true),
        (Some(&x), 7, Some(8), false),
    ] {
        assert_eq!(cuts.show(branch, version, next), shown, "{branch:?} {version} {next:?}");
    }
}
