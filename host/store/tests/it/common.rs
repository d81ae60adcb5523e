//! What the crash tests share: a workload made from a seed, a log and stores driven as the runtime drives them, and a
//! dump of everything a file says.

use commit_log::{CommitLog, LocalLog, Outcome};
use org_ai_store::{self as store, Options, Recovered, Retained, Store, recover};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use types::{
    ActionRow, ActionStatus, BranchName, Durability, EventRow, Fault, Faults, Hash, Id, Json, KeyRow, LogRow,
    LogStream, Namespace, Noun, ObjectId, ObjectRelation, ObjectRow, Place, Record, Row, Scopes, ThingId, ThingKey,
    ThingRow, Timestamp,
};

pub const EPOCH: u64 = 1;

/// Small numbers with no pattern, the same for the same seed (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub fn id(&mut self, at: Timestamp) -> Id {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.next().to_be_bytes());
        Id::new(at, bytes)
    }
}

pub fn object(n: u64) -> ObjectId {
    ObjectId::from_u128(0xabc0_0000 + u128::from(n))
}

pub fn path_of(folder: &Path, object: ObjectId) -> PathBuf {
    folder.join("objects").join(format!("{object}.sqlite"))
}

pub fn at(n: u64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + n)
}

pub fn action(id: Id, status: ActionStatus, when: Timestamp) -> ActionRow {
    ActionRow {
        id,
        verb: "invoke".into(),
        actor: "https://acme.example/Human/ann".into(),
        target: "Function/pay".into(),
        input: None,
        output: None,
        options: Json::parse(r#"{"input":{"a":1.50},"output":{"b":[1,2,3]}}"#).unwrap(),
        durability: Durability::Try,
        status,
        error: None,
        attempts: 1,
        idempotency_key: None,
        request_id: Some("req-1".into()),
        parent: None,
        created_at: when,
        started_at: Some(when),
        completed_at: Some(when),
        duration_us: Some(1234),
    }
}

pub fn event(sequence: u64, id: Id, of: Id, when: Timestamp) -> EventRow {
    EventRow {
        sequence,
        id,
        verb: "invoked".into(),
        source: "Function/pay".into(),
        data: Json::parse(r#"{"status":"completed"}"#).unwrap(),
        action: of,
        created_at: when,
    }
}

/// One turn of everything a turn can write, chosen by `random`.
pub fn write_turn(store: &mut Store, random: &mut Random) -> Option<Record> {
    let when = at(store.applied_seq());
    let mut turn = store.turn(EPOCH, when).unwrap();
    if turn.origin().is_none() {
        let namespace = Namespace::parse("https://acme.example").unwrap();
        turn.write(Row::Origin { namespace, created_at: when }).unwrap();
    }
    for _ in 0..=random.below(4) {
        write_some(&mut turn, random, when);
    }
    turn.commit().unwrap().map(Arc::unwrap_or_clone)
}

pub fn key(noun: &str, id: &str) -> ThingKey {
    ThingKey::new(Noun::parse(noun).unwrap(), ThingId::parse(id).unwrap())
}

fn write_some(turn: &mut store::Turn<'_>, random: &mut Random, when: Timestamp) {
    let id = random.id(when);
    let mut row = action(id, ActionStatus::Completed, when);
    match random.below(8) {
        0 => {
            let version = turn.next_version();
            let data = Json::parse(format!(r#"{{"n":{}}}"#, random.below(1000))).unwrap();
            let key = key("Startup", &format!("acme-{}", random.below(5)));
            let deleted = random.below(5) == 0;
            let branch = (random.below(3) == 0).then(|| BranchName::parse("x").unwrap());
            let is_main = branch.is_none();
            let actor = "https://acme.example/Service/root".to_owned();
            let (name, born) = (None, None);
            let thing =
                ThingRow { version, key, branch, name, data, deleted, created_at: when, action: id, actor, born };
            turn.write(Row::Thing(thing)).unwrap();
            if is_main && !deleted {
                turn.write(Row::Search { version, text: format!("word{}", random.below(9)) }).unwrap();
            }
            row.output = Some(version);
        }
        1 => {
            let open = action(id, ActionStatus::Running, when);
            turn.write(Row::Action(open)).unwrap();
            row.error = Some(Fault::failed("TRAP", "unreachable executed"));
            row.status = ActionStatus::Failed;
        }
        2 => {
            for ordinal in 0..3 {
                let text = "x".repeat(usize::try_from(random.below(300)).unwrap());
                turn.write(Row::Log(LogRow { action: id, ordinal, at: when, stream: LogStream::Stdout, text }))
                    .unwrap();
            }
        }
        3 => {
            let namespace = Namespace::parse(&format!("https://acme.example/{}", random.below(3))).unwrap();
            let relation = ObjectRelation::Child;
            let (id, class, deleted) = (object(random.below(9)), "App".to_owned(), random.below(2) == 0);
            let place = Place::default();
            let row = ObjectRow { namespace, id, class, relation, parent: None, created_at: when, deleted, place };
            turn.write(Row::Object(row)).unwrap();
        }
        4 => {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&random.next().to_be_bytes());
            let key = KeyRow {
                id,
                name: "ci".into(),
                hash: Hash::from_bytes(hash),
                start: "oai_ab".into(),
                scopes: Scopes::all(),
                created_by: "x".into(),
                created_at: when,
                expires_at: None,
                revoked_at: (random.below(2) == 0).then_some(when),
                subject: None,
            };
            turn.write(Row::Key(key)).unwrap();
        }
        5 => {
            let sealed = (random.below(3) > 0).then(|| random.next().to_be_bytes().to_vec());
            turn.write(Row::Secret { name: format!("S{}", random.below(3)), sealed, at: when }).unwrap();
        }
        6 => row.idempotency_key = Some(format!("k{}", random.below(50))),
        _ => row.duration_us = None,
    }
    turn.write(Row::Action(row)).unwrap();
    let sequence = turn.next_sequence();
    let event_id = random.id(when);
    turn.write(Row::Event(event(sequence, event_id, id, when))).unwrap();
}

/// Everything that a file says, but for `records`, which is about the log.
pub fn dump(path: &Path) -> BTreeMap<String, Vec<Vec<Value>>> {
    let connection = Connection::open(path).unwrap();
    let tables = ["meta", "things", "actions", "events", "logs", "objects", "keys", "secrets", "heads", "archived"];
    let rows = |table: &str| {
        let order = if table == "things" { "version" } else { "1" };
        let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY {order}")).unwrap();
        let width = statement.column_count();
        statement
            .query_map((), |row| (0..width).map(|i| row.get::<_, Value>(i)).collect())
            .unwrap()
            .collect::<Result<Vec<Vec<Value>>, _>>()
            .unwrap()
    };
    tables.iter().map(|t| ((*t).to_owned(), rows(t))).collect()
}

/// Few turns in one transaction, so that a short test has many.
pub fn options(faults: &Faults) -> Options {
    Options { faults: faults.clone(), settle_every: 3, ..Options::STANDARD }
}

/// Recovers one object as the runtime does, and waits until it may be used.
pub fn open_object(log: &LocalLog, folder: &Path, object: ObjectId, faults: &Faults) -> Result<Store, store::Error> {
    let mut replay = |after| log.replay(object, after).map_err(Into::into);
    let retained = Retained { tail: log.tail(object), head: log.head(object), replay: &mut replay };
    let Recovered { mut store, undurable, .. } = recover(&path_of(folder, object), object, &options(faults), retained)?;
    let last = undurable.last().map(|r| r.seq);
    if let Some(last) = last {
        let outcome = append(log, undurable);
        assert!(outcome.is_durable(), "{outcome:?}");
        store.confirm(last);
    }
    Ok(store)
}

/// Appends and waits.
pub fn append(log: &dyn CommitLog, records: Vec<Record>) -> Outcome {
    let (tell, told) = mpsc::channel();
    log.append(records.into_iter().map(Arc::new).collect(), Box::new(move |o| tell.send(o.clone()).unwrap()));
    told.recv().unwrap()
}

/// The file that comes of applying `records` to an empty one.
pub fn rebuild(folder: &Path, object: ObjectId, records: &[Record]) -> PathBuf {
    let path = folder.join("rebuilt.sqlite");
    let mut store = Store::open(&path, object, &Options::STANDARD).unwrap();
    for record in records {
        store.apply(record).unwrap();
    }
    path
}

/// Copies a file with its WAL.
pub fn copy_store(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    let beside = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    std::fs::copy(from, to).unwrap();
    let _ = std::fs::remove_file(beside(to));
    if beside(from).exists() {
        std::fs::copy(beside(from), beside(to)).unwrap();
    }
}

/// [`dump`], leaving the file as it is: an ordinary connection checkpoints it at the end. The file may be open.
pub fn dump_copy(folder: &Path, path: &Path) -> BTreeMap<String, Vec<Vec<Value>>> {
    let copy = folder.join("copy.sqlite");
    copy_store(path, &copy);
    dump(&copy)
}
