//! Calls, records and what a journal makes of them.

use super::*;
use proptest::prelude::*;
use types::{CallOptions, Json};

fn emit(event: &str) -> Call {
    Call::Emit { event: event.into(), data: Json::null(), source: None }
}

fn attempt(action: &str, step_id: Option<&str>) -> Call {
    let options = CallOptions { step_id: step_id.map(str::to_owned), ..CallOptions::default() };
    Call::Try { action: action.into(), data: Json::null(), options }
}

fn recorded(ordinal: u32, attempt: u32, call: &Call, reply: Option<Reply>) -> StepRow {
    StepRow {
        invocation: Id::from_u128(1),
        ordinal,
        attempt,
        name: call.name().into(),
        step_id: call::step_id(call).map(str::to_owned),
        fingerprint: fingerprint(call),
        call: describe(call),
        reply,
        child: None,
        started_at: Timestamp::from_millis(5),
        ended_at: Some(Timestamp::from_millis(7)),
    }
}

fn failed() -> Reply {
    Reply::Fault(Fault::failed("NO", "no"))
}

fn answered(reply: Reply) -> Next {
    Next::Answered { reply, at: Timestamp::from_millis(7) }
}

#[test]
fn what_was_answered_is_answered_again_and_the_rest_is_new() {
    let steps = vec![recorded(0, 1, &emit("A.b"), Some(Reply::Done)), recorded(1, 1, &emit("C.d"), None)];
    let mut journal = Journal::new(1, steps);
    assert_eq!(journal.next(&emit("A.b")).unwrap(), (0, answered(Reply::Done)));
    assert!(!journal.is_replayed());
    let started_at = Timestamp::from_millis(5);
    assert_eq!(journal.next(&emit("C.d")).unwrap(), (1, Next::Unanswered { started_at, child: None }));
    assert!(journal.is_replayed());
    assert_eq!(journal.next(&emit("E.f")).unwrap(), (2, Next::New { cut: false }));
}

#[test]
fn another_call_than_the_recorded_one_shows_both() {
    let mut journal = Journal::new(1, vec![recorded(0, 1, &emit("A.b"), Some(Reply::Done))]);
    let fault = journal.next(&emit("X.y")).unwrap_err();
    assert_eq!(fault.code, "NON_DETERMINISTIC");
    assert!(!fault.kind.is_retryable());
    assert!(fault.message.contains("`events.emit A.b null`, now it is `events.emit X.y null`"), "{fault}");
}

#[test]
fn a_failed_step_is_answered_within_its_attempt_and_made_anew_by_the_next() {
    let step = recorded(0, 1, &attempt("pay", None), Some(failed()));
    let mut same = Journal::new(1, vec![step.clone()]);
    assert_eq!(same.next(&attempt("pay", None)).unwrap().1, answered(failed()));
    let mut next = Journal::new(2, vec![step]);
    assert_eq!(next.next(&attempt("pay", None)).unwrap(), (0, Next::New { cut: false }));
}

#[test]
fn behind_a_step_made_anew_the_way_may_change_and_the_old_one_is_given_up() {
    let steps = vec![
        recorded(0, 1, &emit("A.b"), Some(Reply::Done)),
        recorded(1, 1, &attempt("pay", None), Some(failed())),
        recorded(2, 1, &emit("Pay.refused"), Some(Reply::Done)),
        recorded(3, 1, &emit("Mail.sent"), Some(Reply::Done)),
    ];
    let mut journal = Journal::new(2, steps);
    assert_eq!(journal.next(&emit("A.b")).unwrap().1, answered(Reply::Done));
    assert_eq!(journal.next(&attempt("pay", None)).unwrap(), (1, Next::New { cut: false }));
    assert_eq!(journal.next(&emit("Pay.done")).unwrap(), (2, Next::New { cut: true }));
    assert_eq!(journal.next(&emit("Mail.sent")).unwrap(), (3, Next::New { cut: false }));
}

#[test]
fn before_a_step_made_anew_nothing_may_change() {
    let steps =
        vec![recorded(0, 1, &emit("A.b"), Some(Reply::Done)), recorded(1, 1, &attempt("pay", None), Some(failed()))];
    let mut journal = Journal::new(2, steps);
    assert_eq!(journal.next(&emit("B.c")).unwrap_err().code, "NON_DETERMINISTIC");
}

#[test]
fn a_named_step_keeps_its_answer_when_code_around_it_moves() {
    let steps = vec![
        recorded(0, 1, &attempt("a", Some("first")), Some(Reply::Version(1))),
        recorded(1, 1, &attempt("b", Some("second")), Some(Reply::Version(2))),
    ];
    let mut journal = Journal::new(1, steps);
    assert_eq!(journal.next(&attempt("b", Some("second"))).unwrap(), (1, answered(Reply::Version(2))));
    assert_eq!(journal.next(&attempt("a", Some("first"))).unwrap(), (0, answered(Reply::Version(1))));
    assert_eq!(journal.next(&attempt("c", Some("third"))).unwrap(), (2, Next::New { cut: false }));
}

#[test]
fn how_a_call_is_made_may_change_and_what_it_asks_for_may_not() {
    let with = |timeout_ms, serial: Option<&str>| Call::Do {
        action: "pay".into(),
        data: Json::null(),
        options: CallOptions { timeout_ms, serial: serial.map(str::to_owned), ..CallOptions::default() },
    };
    assert_eq!(fingerprint(&with(Some(1), None)), fingerprint(&with(Some(2), None)));
    assert_ne!(fingerprint(&with(None, None)), fingerprint(&with(None, Some("acme"))));
    assert_ne!(fingerprint(&emit("A.b")), fingerprint(&emit("A.c")));
}

#[test]
fn places_are_taken_in_the_order_of_calls_whatever_becomes_whole_first() {
    let get = |url: &str| Call::Http { method: "GET".into(), url: url.into(), headers: Vec::new(), body: Vec::new() };
    let mut journal = Journal::new(1, Vec::new());
    let (first, second) = (journal.open().unwrap(), journal.open().unwrap());
    assert_eq!((first, second), (0, 1));
    assert_eq!(journal.whole(second, &get("http://b")).unwrap(), Next::New { cut: false });
    assert_eq!(journal.whole(first, &get("http://a")).unwrap(), Next::New { cut: false });
    let steps = vec![recorded(0, 1, &get("http://a"), Some(Reply::Done)), recorded(1, 1, &get("http://b"), None)];
    let mut again = Journal::new(1, steps);
    let (first, second) = (again.open().unwrap(), again.open().unwrap());
    assert!(matches!(again.whole(second, &get("http://b")).unwrap(), Next::Unanswered { .. }));
    assert_eq!(again.whole(first, &get("http://a")).unwrap(), answered(Reply::Done));
}

#[test]
fn a_journal_has_an_end() {
    let mut journal = Journal::new(1, Vec::new());
    for _ in 0..STEPS_MAX {
        journal.next(&emit("A.b")).unwrap();
    }
    assert_eq!(journal.next(&emit("A.b")).unwrap_err().code, "STEPS_LIMIT");
    let mut heavy = Journal::new(1, Vec::new());
    let reply = Reply::Text("x".repeat(JOURNAL_BYTES_MAX));
    heavy.answered(&reply).unwrap();
    assert_eq!(heavy.answered(&Reply::Done).unwrap_err().code, "JOURNAL_LIMIT");
}

#[test]
fn what_a_person_reads_of_a_call_has_no_secret_and_an_end() {
    let data = Json::parse(format!("{{\"password\":\"hunter2\",\"text\":\"{}\"}}", "é".repeat(400))).unwrap();
    let text = describe(&Call::Do { action: "login".into(), data, options: CallOptions::default() });
    assert!(!text.contains("hunter2") && text.len() < 300 && text.ends_with('…'), "{text}");
    let get = Call::Http { method: "GET".into(), url: "https://a.b/c?token=x".into(), headers: vec![], body: vec![] };
    assert_eq!(describe(&get), "http.request GET https://a.b/c");
}

proptest! {
    /// Whatever calls a run makes and wherever it is stopped: the replay is told what was recorded, in its order.
    #[test]
    fn a_replay_of_the_same_calls_always_fits(events in prop::collection::vec("[A-C]\\.[a-c]", 0..30), stop in 0usize..30) {
        let stop = stop.min(events.len());
        let mut first = Journal::new(1, Vec::new());
        let mut steps = Vec::new();
        for event in &events[..stop] {
            let (ordinal, next) = first.next(&emit(event)).unwrap();
            prop_assert_eq!(next, Next::New { cut: false });
            steps.push(recorded(ordinal, 1, &emit(event), Some(Reply::Version(u64::from(ordinal)))));
        }
        let mut again = Journal::new(1, steps);
        for (n, event) in events.iter().enumerate() {
            let (ordinal, next) = again.next(&emit(event)).unwrap();
            prop_assert_eq!(ordinal as usize, n);
            prop_assert_eq!(next, if n < stop { answered(Reply::Version(n as u64)) } else { Next::New { cut: false } });
        }
    }
}

#[test]
fn a_call_with_a_name_of_its_own_is_found_whenever_it_is_made() {
    let sleep = Call::Sleep { duration_ms: 5 };
    let named =
        |ordinal, id: &str| StepRow { step_id: Some(id.into()), ..recorded(ordinal, 1, &sleep, Some(Reply::Done)) };
    let mut journal = Journal::new(1, vec![named(0, "a"), named(1, "b")]);
    assert_eq!(journal.next_named("b", &sleep).unwrap(), (1, answered(Reply::Done)));
    assert_eq!(journal.next_named("c", &sleep).unwrap(), (2, Next::New { cut: false }));
    assert_eq!(journal.next_named("a", &sleep).unwrap(), (0, answered(Reply::Done)));
    let other = Call::Sleep { duration_ms: 6 };
    let mut journal = Journal::new(1, vec![named(0, "a")]);
    assert_eq!(journal.next_named("a", &other).unwrap_err().code, "NON_DETERMINISTIC");
}
