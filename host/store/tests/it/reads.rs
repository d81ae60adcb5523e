//! Asking: what comes back is what was written, in pages, without looking at everything.

use crate::common::{EPOCH, Random, action, at, event, key, object};
use org_ai_store::{
    ActionFilter, Comparison, Deleted, EventFilter, Field, Line, LogFilter, Options, PAGE_MAX, SCAN_MAX, Store,
    ThingFilter, ThingList, ThingSort,
};
use types::{
    ActionRow, ActionStatus, Born, Durability, Fault, Hash, Id, Json, KeyRow, LogRow, LogStream, Namespace, Noun,
    ObjectRelation, ObjectRow, Place, Row, Scopes, ThingId, ThingRow,
};

struct Scene {
    _folder: tempfile::TempDir,
    store: Store,
    random: Random,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("a.sqlite"), object(1), &Options::STANDARD).unwrap();
        Self { _folder: folder, store, random: Random(1) }
    }

    fn write(&mut self, rows: impl IntoIterator<Item = Row>) {
        let mut turn = self.store.turn(EPOCH, at(0)).unwrap();
        rows.into_iter().for_each(|row| turn.write(row).unwrap());
        turn.commit().unwrap();
    }

    fn thing(&mut self, noun: &str, id: &str, deleted: bool) -> ThingRow {
        let thing = ThingRow {
            version: self.store.next_version(),
            key: key(noun, id),
            branch: None,
            name: Some("A name".into()),
            data: Json::parse(format!(r#"{{"v":{}.0}}"#, self.store.next_version())).unwrap(),
            deleted,
            created_at: at(self.store.next_version()),
            action: Id::from_u128(1),
            actor: "https://acme.example/Service/root".into(),
            born: self.store.next_version().is_multiple_of(2).then(|| Born { at: at(1), by: "ann".into() }),
        };
        self.write([Row::Thing(thing.clone())]);
        thing
    }
}

#[test]
fn a_version_is_found_by_number_or_by_how_far_back_it_is() {
    let mut scene = Scene::new();
    let first = scene.thing("Function", "pay", false);
    scene.thing("Function", "other", false);
    let second = scene.thing("Function", "pay", false);
    let gone = scene.thing("Function", "pay", true);
    let (line, pay) = (Line::main(), key("Function", "pay"));
    let back = |n| scene.store.back(&line, &pay, n).unwrap();
    assert_eq!(scene.store.newest(&line, &pay).unwrap(), Some(gone.clone()));
    assert_eq!(scene.store.version(1).unwrap(), Some(first.clone()));
    assert_eq!((back(0), back(1), back(2)), (Some(gone.clone()), Some(second.clone()), Some(first.clone())));
    assert_eq!((back(3), back(u64::MAX), scene.store.version(u64::MAX).unwrap()), (None, None, None));
    let all = scene.store.versions(&line, &pay, None, 2).unwrap();
    assert_eq!((all.items, all.next), (vec![gone, second.clone()], Some(second.version)));
    let rest = scene.store.versions(&line, &pay, all.next, 2).unwrap();
    assert_eq!((rest.items, rest.next), (vec![first], None));
}

fn listing(noun: &str) -> ThingList {
    ThingList {
        noun: Noun::parse(noun).unwrap(),
        deleted: Deleted::Hidden,
        filters: Vec::new(),
        sort: Vec::new(),
        after: None,
        offset: 0,
        limit: 10,
    }
}

#[test]
fn a_list_of_things_has_the_newest_of_each_in_pages() {
    let mut scene = Scene::new();
    for id in ["c", "a", "b", "a"] {
        scene.thing("Note", id, false);
    }
    scene.thing("Note", "b", true);
    scene.thing("Startup", "a", false);
    let ids = |list: &ThingList| {
        let page = scene.store.things(&Line::main(), list).unwrap();
        (page.items.iter().map(|t| (t.key.id.to_string(), t.version)).collect::<Vec<_>>(), page.is_more)
    };
    let named = |names: &[(&str, u64)]| names.iter().map(|(n, v)| ((*n).to_owned(), *v)).collect::<Vec<_>>();
    let live = listing("Note");
    assert_eq!(ids(&live), (named(&[("a", 4), ("c", 1)]), false));
    let all = ThingList { deleted: Deleted::Shown, limit: 2, ..listing("Note") };
    assert_eq!(ids(&all), (named(&[("a", 4), ("b", 5)]), true));
    let rest = ThingList { after: Some(ThingId::parse("b").unwrap()), ..all.clone() };
    assert_eq!(ids(&rest), (named(&[("c", 1)]), false));
    let newest_first =
        ThingList { sort: vec![ThingSort { field: Field::UpdatedAt, descending: true }], ..live.clone() };
    assert_eq!(ids(&newest_first), (named(&[("a", 4), ("c", 1)]), false));
    assert_eq!(ids(&ThingList { offset: 1, ..newest_first }), (named(&[("c", 1)]), false));
    assert_eq!(ids(&listing("Nothing")), (vec![], false));
    let count = |list: &ThingList| scene.store.count_things(&Line::main(), list).unwrap();
    assert_eq!((count(&live), count(&all), count(&listing("Nothing"))), (2, 3, 0));
    assert_eq!(scene.store.tally(&live.noun).unwrap(), Some(2));
    let earlier = Line::main().through(3);
    let then = scene.store.things(&earlier, &live).unwrap();
    assert_eq!(then.items.iter().map(|t| t.version).collect::<Vec<_>>(), [2, 3, 1], "as it was at version 3");
    assert_eq!(scene.store.count_things(&earlier, &live).unwrap(), 3);
}

#[test]
fn a_list_compares_as_a_person_would() {
    let mut scene = Scene::new();
    for (id, data) in [
        ("a", r#"{"n":10,"s":"x","b":true,"deep":{"k":"1"}}"#),
        ("b", r#"{"n":9.5,"s":"10","b":false}"#),
        ("c", r#"{"n":null,"s":"xyz"}"#),
    ] {
        let version = scene.store.next_version();
        let (name, born) = (Some(id.to_uppercase()), None);
        let (created_at, action, actor) = (at(version), Id::from_u128(1), "me".to_owned());
        let data = Json::parse(data).unwrap();
        let key = key("Note", id);
        scene.write([Row::Thing(ThingRow {
            version,
            key,
            branch: None,
            name,
            data,
            deleted: false,
            created_at,
            action,
            actor,
            born,
        })]);
    }
    let find = |path: &str, comparison, value: &str| {
        let field = match path {
            "name" => Field::Name,
            other => Field::Data(other.split('.').map(str::to_owned).collect()),
        };
        let filters = vec![ThingFilter { field, comparison, value: value.into() }];
        let list = ThingList { filters, ..listing("Note") };
        let page = scene.store.things(&Line::main(), &list).unwrap();
        assert_eq!(scene.store.count_things(&Line::main(), &list).unwrap(), page.items.len() as u64);
        page.items.iter().map(|t| t.key.id.to_string()).collect::<String>()
    };
    use Comparison::{Contains, Exists, Greater, GreaterOrEqual, Is, IsNot, Less, LessOrEqual, StartsWith};
    for (path, comparison, value, found) in [
        ("n", Is, "10", "a"),
        ("n", Is, "10.0", "a"),
        ("s", Is, "10", "b"),
        ("n", IsNot, "10", "bc"),
        ("n", Greater, "9", "ab"),
        ("n", GreaterOrEqual, "10", "a"),
        ("n", Less, "10", "b"),
        ("n", LessOrEqual, "10", "ab"),
        ("s", Greater, "x", "c"),
        ("b", Is, "true", "a"),
        ("b", Is, "false", "b"),
        ("n", Is, "null", "c"),
        ("s", Contains, "y", "c"),
        ("s", StartsWith, "x", "ac"),
        ("n", Exists, "true", "ab"),
        ("b", Exists, "false", "c"),
        ("deep.k", Is, "1", "a"),
        ("name", Is, "A", "a"),
        ("s", Is, "'); DROP TABLE things; --", ""),
    ] {
        assert_eq!(find(path, comparison, value), found, "{path} {comparison:?} {value}");
    }
}

#[test]
fn an_action_comes_back_as_it_was_and_moves_on() {
    let mut scene = Scene::new();
    let id = scene.random.id(at(5));
    let mut row = ActionRow {
        input: Some(1),
        output: Some(2),
        durability: Durability::Try,
        error: Some(Fault::failed("TRAP", "x").with_details(&serde_json::json!({"frames": [1]}))),
        idempotency_key: Some("k".into()),
        parent: Some(Id::from_u128(9)),
        completed_at: None,
        duration_us: None,
        ..action(id, ActionStatus::Running, at(5))
    };
    scene.write([Row::Action(row.clone())]);
    assert_eq!(scene.store.action(id).unwrap(), Some(row.clone()));
    assert_eq!(scene.store.unfinished_actions(None, 10).unwrap().items, [row.clone()]);
    // Where a durable invocation stands is in its own table.
    let durable =
        ActionRow { durability: Durability::Do, ..action(scene.random.id(at(6)), ActionStatus::Running, at(6)) };
    scene.write([Row::Action(durable)]);
    assert_eq!(scene.store.unfinished_actions(None, 10).unwrap().items, [row.clone()]);
    row.status = ActionStatus::Completed;
    row.error = None;
    row.duration_us = Some(7);
    scene.write([Row::Action(row.clone())]);
    assert_eq!(scene.store.action(id).unwrap(), Some(row.clone()));
    assert_eq!(scene.store.unfinished_actions(None, 10).unwrap().items, []);
    assert_eq!(scene.store.action_by_idempotency_key("Function/pay", "k").unwrap(), Some(row));
    assert_eq!(scene.store.action_by_idempotency_key("Function/other", "k").unwrap(), None);
    assert_eq!(scene.store.action(Id::from_u128(1)).unwrap(), None);
}

#[test]
fn actions_come_newest_first_by_what_is_asked() {
    let mut scene = Scene::new();
    let mut rows = Vec::new();
    for n in 0..10 {
        let mut row = action(scene.random.id(at(n)), ActionStatus::Completed, at(n));
        row.target = format!("Function/{}", n % 2);
        row.status = if n < 3 { ActionStatus::Failed } else { ActionStatus::Completed };
        rows.push(row);
    }
    scene.write(rows.iter().cloned().map(Row::Action));
    let ask = |filter: &ActionFilter| {
        let page = scene.store.actions(filter).unwrap();
        let times = page.items.iter().map(|a| a.created_at.millis_since(at(0))).collect::<Vec<_>>();
        (times, page.next)
    };
    let all = ActionFilter { limit: 100, ..Default::default() };
    assert_eq!(ask(&all).0, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(ask(&all).1, None);
    assert_eq!(ask(&ActionFilter { target: Some("Function/1".into()), ..all.clone() }).0, [9, 7, 5, 3, 1]);
    assert_eq!(ask(&ActionFilter { status: Some(ActionStatus::Failed), ..all.clone() }).0, [2, 1, 0]);
    assert_eq!(ask(&ActionFilter { since: Some(at(3)), until: Some(at(5)), ..all.clone() }).0, [5, 4, 3]);
    assert_eq!(ask(&ActionFilter { durability: Some(Durability::Do), ..all.clone() }).0, [0; 0]);
    let (first, next) = ask(&ActionFilter { limit: 4, ..all.clone() });
    assert_eq!(first, [9, 8, 7, 6]);
    assert_eq!(ask(&ActionFilter { before: next, limit: 4, ..all }).0, [5, 4, 3, 2]);
}

#[test]
fn a_filter_that_fits_nothing_looks_at_no_more_than_its_share() {
    let mut scene = Scene::new();
    let count = u64::from(SCAN_MAX) + 500;
    let mut rows = Vec::new();
    for n in 0..count {
        let id = scene.random.id(at(n));
        rows.push(Row::Action(action(id, ActionStatus::Completed, at(n))));
        rows.push(Row::Event(event(n + 1, id, id, at(n))));
        let text = "line".to_owned();
        rows.push(Row::Log(LogRow { action: id, ordinal: 0, at: at(n), stream: LogStream::Info, text }));
    }
    scene.write(rows);
    let none = ActionFilter { target: Some("nobody".into()), limit: 10, ..Default::default() };
    let page = scene.store.actions(&none).unwrap();
    assert!(page.items.is_empty() && page.next.is_some(), "there is more to look at");
    assert_eq!(scene.store.actions(&ActionFilter { before: page.next, ..none }).unwrap().next, None);
    let none = EventFilter { source: Some("nobody".into()), limit: 10, ..Default::default() };
    let page = scene.store.events(&none).unwrap();
    assert_eq!((page.items.len(), page.next), (0, Some(u64::from(SCAN_MAX))));
    assert_eq!(scene.store.events(&EventFilter { after: page.next.unwrap(), ..none }).unwrap().next, None);
    let none = LogFilter { target: Some("nobody".into()), limit: 10, ..Default::default() };
    let page = scene.store.logs(&none).unwrap();
    assert_eq!((page.items.len(), page.next), (0, Some(u64::from(SCAN_MAX))));
    let longest = scene.store.events(&EventFilter { limit: u32::MAX, ..Default::default() }).unwrap();
    assert_eq!((longest.items.len(), longest.next), (PAGE_MAX as usize, Some(u64::from(PAGE_MAX))));
}

#[test]
fn events_and_lines_come_oldest_first_after_a_place() {
    let mut scene = Scene::new();
    let ids: Vec<Id> = (0..3).map(|n| scene.random.id(at(n))).collect();
    let mut rows = Vec::new();
    for (n, id) in (0..3).zip(&ids) {
        let target = format!("Function/{n}");
        rows.push(Row::Action(ActionRow { target, ..action(*id, ActionStatus::Completed, at(n)) }));
        rows.push(Row::Event(event(n + 1, *id, *id, at(n))));
        for ordinal in 0..2 {
            let text = format!("{n} {ordinal}");
            rows.push(Row::Log(LogRow { action: *id, ordinal, at: at(n), stream: LogStream::Stderr, text }));
        }
    }
    scene.write(rows);
    let page = scene.store.events(&EventFilter { after: 1, limit: 1, ..Default::default() }).unwrap();
    assert_eq!((page.items, page.next), (vec![event(2, ids[1], ids[1], at(1))], Some(2)));
    let lines = |filter: &LogFilter| {
        scene.store.logs(filter).unwrap().items.into_iter().map(|l| (l.row, l.line.text)).collect::<Vec<_>>()
    };
    let all = LogFilter { limit: 100, ..Default::default() };
    assert_eq!(lines(&all).len(), 6);
    let of_one = [(3, "1 0".to_owned()), (4, "1 1".to_owned())];
    assert_eq!(lines(&LogFilter { target: Some("Function/1".into()), ..all.clone() }), of_one);
    assert_eq!(lines(&LogFilter { action: Some(ids[1]), ..all.clone() }), of_one);
    assert_eq!(lines(&LogFilter { action: Some(ids[1]), after: 3, ..all.clone() }), of_one[1..]);
    assert_eq!(lines(&LogFilter { action: Some(ids[1]), target: Some("Function/2".into()), ..all }), []);
}

#[test]
fn objects_keys_and_secrets_are_what_they_are_now() {
    let mut scene = Scene::new();
    let namespace = |text: &str| Namespace::parse(text).unwrap();
    let row = |text: &str, deleted| ObjectRow {
        namespace: namespace(text),
        id: object(4),
        class: "App".into(),
        relation: ObjectRelation::Child,
        parent: Some(namespace("https://a.b")),
        created_at: at(1),
        deleted,
        place: Place::default(),
    };
    let key = |revoked_at| KeyRow {
        id: Id::from_u128(5),
        name: "ci".into(),
        hash: Hash::from_bytes([7; 32]),
        start: "oai_".into(),
        scopes: Scopes::all(),
        created_by: "me".into(),
        created_at: at(1),
        expires_at: Some(at(2)),
        revoked_at,
        subject: None,
    };
    let secret = |name: &str, sealed: Option<&[u8]>| Row::Secret {
        name: name.into(),
        sealed: sealed.map(<[u8]>::to_vec),
        at: at(1),
    };
    scene.write([Row::Origin { namespace: namespace("https://a.b"), created_at: at(3) }]);
    scene.write([Row::Object(row("https://a.b/c", false)), Row::Object(row("https://a.b/d", false))]);
    scene.write([Row::Object(row("https://a.b/c", true)), Row::Key(key(None)), Row::Key(key(Some(at(9))))]);
    scene.write([secret("A", Some(b"1")), secret("B", Some(b"2")), secret("A", Some(b"3")), secret("B", None)]);
    let store = &scene.store;
    assert_eq!(store.origin().unwrap().namespace, namespace("https://a.b"));
    assert_eq!(store.object_at(&namespace("https://a.b/c")).unwrap(), Some(row("https://a.b/c", true)));
    assert_eq!(store.object_at(&namespace("https://a.b/x")).unwrap(), None);
    let page = store.objects(None, 1).unwrap();
    assert_eq!(page.items, [row("https://a.b/c", true)]);
    assert_eq!(store.objects(page.next.as_ref(), 1).unwrap().items, [row("https://a.b/d", false)]);
    assert_eq!(store.key_by_hash(&Hash::from_bytes([7; 32])).unwrap(), Some(key(Some(at(9)))));
    assert_eq!(store.key_by_hash(&Hash::from_bytes([8; 32])).unwrap(), None);
    assert_eq!(store.key(Id::from_u128(5)).unwrap(), Some(key(Some(at(9)))));
    assert_eq!(store.keys(None, 10).unwrap().items.len(), 1);
    assert_eq!((store.secret("A").unwrap(), store.secret("B").unwrap()), (Some(b"3".to_vec()), None));
    assert_eq!(store.secret_names(None, 10).unwrap().items, ["A"]);
}
