//! Runs that are over leave the file, in the order of acceptance and a few at a time; a rebuilt file has the same.

use crate::common::{EPOCH, action, at, dump, object, rebuild};
use org_ai_store::{Options, Store};
use std::sync::Arc;
use std::time::Duration;
use types::exec::Entry;
use types::{
    ActionStatus, FunctionName, Id, Identity, IdentityKind, InvocationRow, InvocationState, Json, Record, Retry, Row,
    Scopes, Standing, StepRow, Timestamp, Trigger,
};

const KEPT: Duration = Duration::from_millis(1_000);

/// Accepted so many milliseconds after the beginning.
fn id(ms: u64) -> Id {
    Id::new(at(ms), [1; 10])
}

fn invocation(number: u64, ms: u64, parent: Option<u64>) -> Row {
    let actor = "root".into();
    Row::Invocation(Box::new(InvocationRow {
        id: id(ms),
        number,
        function: FunctionName::parse("f").unwrap(),
        version: 1,
        entry: Entry::Run,
        input: Json::null(),
        caller: Identity { actor, kind: IdentityKind::Service, scopes: Scopes::all(), key: None },
        request_id: "r".into(),
        seed: [0; 16],
        accepted_at: at(ms),
        began: true,
        trigger: Trigger::Call,
        depth: 0,
        key: None,
        serial: None,
        retry: Retry { max_attempts: 1, initial_delay_ms: 1, max_delay_ms: 1, multiplier: 1.0, jitter: false },
        timeout_ms: 1,
        deadline: None,
        events_after: 0,
        parent: parent.map(id),
        priority: 0,
        retry_on: Vec::new(),
    }))
}

fn ended(ms: u64, when: u64) -> [Row; 3] {
    let state = InvocationState { id: id(ms), attempt: 1, interrupted: 0, at: Standing::Done { output: None } };
    let step = StepRow {
        invocation: id(ms),
        ordinal: 0,
        attempt: 1,
        name: "log".into(),
        step_id: None,
        fingerprint: 1,
        call: "log".into(),
        reply: None,
        child: None,
        started_at: at(ms),
        ended_at: None,
    };
    let row = types::ActionRow { completed_at: Some(at(when)), ..action(id(ms), ActionStatus::Failed, at(ms)) };
    [Row::InvocationState(state), Row::Step(step), Row::Action(row)]
}

fn commit(store: &mut Store, rows: impl IntoIterator<Item = Row>) -> Record {
    let mut turn = store.turn(EPOCH, at(0)).unwrap();
    rows.into_iter().for_each(|row| turn.write(row).unwrap());
    Arc::unwrap_or_clone(turn.commit().unwrap().unwrap())
}

fn forget(store: &mut Store, now: u64, look: u32, leave: usize) -> (Record, usize) {
    let before = Timestamp::from_millis(at(now).as_millis() - 1_000);
    let found = store.forgettable(before, look, leave).unwrap();
    let gone = found.runs.len();
    (commit(store, [Row::RunsForgotten { runs: found.runs, through: found.through, at: at(now) }]), gone)
}

#[test]
fn old_runs_leave_with_their_steps_a_few_at_a_time_and_a_rebuilt_file_has_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sqlite");
    let mut store = Store::open(&path, object(1), &Options::STANDARD).unwrap();
    assert_eq!(store.next_forget(KEPT).unwrap(), None, "there are none");
    let accepted = [
        invocation(1, 1, None),
        // Not over.
        invocation(2, 2, None),
        // Ended lately.
        invocation(3, 3, None),
        // Called by one that leaves, and by one that stays.
        invocation(4, 4, Some(1)),
        invocation(5, 5, Some(2)),
        invocation(6, 1_500, None),
        invocation(7, 1_501, None),
    ];
    let ends = [(1, 10), (3, 1_400), (4, 10), (5, 10), (1_500, 1_501), (1_501, 1_502)];
    let ends = ends.iter().flat_map(|(ms, when)| ended(*ms, *when));
    let mut records = vec![commit(&mut store, accepted.into_iter().chain(ends))];
    assert_eq!(store.next_forget(KEPT).unwrap(), Some(at(1_001)), "the oldest may go then");

    let mut gone = 0;
    // Two are looked at in a turn: 1 and 2, 3 and 4, 5 and 6, which is too young.
    for expected in [1, 1, 0] {
        let (record, left) = forget(&mut store, 2_000, 2, 9);
        records.push(record);
        assert_eq!(left, expected);
        gone += left;
    }
    assert_eq!(gone, 2);
    let kept = |store: &Store, ms| store.invocation(id(ms)).unwrap().is_some();
    for (ms, is_kept) in [(1, false), (2, true), (3, true), (4, false), (5, true), (1_500, true), (1_501, true)] {
        assert_eq!(kept(&store, ms), is_kept, "accepted at {ms}");
        let steps = store.steps(id(ms), 0, 9).unwrap().len();
        assert_eq!(steps, usize::from(is_kept && ms != 2), "steps of the one accepted at {ms}");
    }
    let day = Duration::from_secs(24 * 3600);
    assert_eq!(store.next_forget(KEPT).unwrap(), Some(at(2_000).plus(day)), "a look a day is enough");
    // What it called leaves once it has left, and the newest never: its number is not given again.
    records.push(commit(&mut store, ended(2, 2_000)));
    let (record, left) = forget(&mut store, 90_000, 100, 2);
    records.push(record);
    assert_eq!((left, kept(&store, 3)), (2, false), "so many leave in one turn and no more");
    assert_eq!(store.next_forget(KEPT).unwrap(), Some(Timestamp::from_millis(0)), "the look is not over");
    let (record, left) = forget(&mut store, 90_000, 100, 9);
    records.push(record);
    assert_eq!((left, kept(&store, 5), kept(&store, 1_501)), (2, false, true));
    assert_eq!(store.next_invocation(), 8);
    assert_eq!(store.next_forget(KEPT).unwrap(), None, "only the newest is left");
    drop(store);
    let rebuilt = rebuild(folder.path(), object(1), &records);
    assert_eq!(dump(&path), dump(&rebuilt));
}
