//! Durable runs: the guest's clock, its sleeps and its waits are the same when the run is replayed.

use super::journal::{JournalHost, twice};
use super::*;

const ITEMS: &str = "include org-ai:function/code@0.1.0; import wasi:clocks/monotonic-clock@0.2.12;
    import wasi:io/poll@0.2.12; import wasi:cli/stdout@0.2.12; import wasi:io/streams@0.2.12;";

/// `$say` adds a digit to the answer.
const CORE: &str = r#"(module
    (import "wasi:clocks/monotonic-clock@0.2.12" "now" (func $now (result i64)))
    (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration" (func $after (param i64) (result i32)))
    (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-instant" (func $at (param i64) (result i32)))
    (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:io/poll@0.2.12" "[method]pollable.ready" (func $ready (param i32) (result i32)))
    (import "wasi:io/poll@0.2.12" "poll" (func $poll (param i32 i32 i32)))
    (import "wasi:cli/stdout@0.2.12" "get-stdout" (func $stdout (result i32)))
    (import "wasi:io/streams@0.2.12" "[method]output-stream.subscribe" (func $writable (param i32) (result i32)))
    ;;PRELUDE
    (global $end (mut i32) (i32.const 1025))
    (func $byte (param i32) (i32.store8 (global.get $end) (local.get 0))
        (global.set $end (i32.add (global.get $end) (i32.const 1))))
    (func $say (param i32) (call $byte (i32.add (i32.const 48) (local.get 0))))
    (func $seconds (param i64) (result i64) (i64.mul (local.get 0) (i64.const 1000000000)))
    ;; How many seconds have passed since the clock began, as a digit.
    (func $clock (call $say (i32.wrap_i64 (i64.sub (i64.div_u (call $now) (i64.const 1000000000)) (i64.const 1)))))
    ;; Waits for what stands at 64, says how many are ready and the first of them.
    (func $wait (param $count i32)
        (call $poll (i32.const 64) (local.get $count) (i32.const 128))
        (call $say (i32.load (i32.const 132)))
        (call $say (i32.load (i32.load (i32.const 128)))))
    (func (export "run") (param i32 i32) (result i32) (local $a i32) (local $b i32)
        (i32.store8 (i32.const 1024) (i32.const 34))
        BODY
        (call $byte (i32.const 34))
        (call $ok (i32.const 1024) (i32.sub (global.get $end) (i32.const 1024)))))"#;

fn guest(bench: &Bench, body: &str) -> Job {
    job(&bench.file(&guests::guest(ITEMS, &CORE.replace("BODY", body))), "1")
}

fn text(outcome: &Outcome) -> String {
    let result = outcome.result.as_ref().unwrap_or_else(|fault| panic!("{fault}"));
    serde_json::from_str(result.as_str()).unwrap()
}

const SLEEP_3_S: &str = "(call $clock) (call $block (call $after (call $seconds (i64.const 3)))) (call $clock)";

#[tokio::test]
async fn a_sleep_is_a_call_and_the_clock_is_where_it_should_be_afterwards() {
    let bench = Bench::new();
    let (outcome, host) = twice(&bench.engine, guest(&bench, SLEEP_3_S), JournalHost::new()).await;
    assert_eq!(text(&outcome), "03");
    assert_eq!(host.performed(), [Call::Sleep { duration_ms: 3_000 }]);
    assert_eq!(outcome.usage.host_calls, 1);
}

#[tokio::test]
async fn without_a_journal_a_sleep_is_none_of_the_hosts_calls() {
    let bench = Bench::new();
    let body = "(call $block (call $after (i64.const 1000000))) (local.set $a (call $after (i64.const 0)))
        (call $say (i32.or (call $ready (local.get $a)) (call $ready (local.get $a))))
        (call $say (call $ready (call $after (call $seconds (i64.const 60)))))";
    let host = TestHost::default();
    let outcome = bench.engine.run(guest(&bench, body), Box::new(host.clone())).await;
    assert_eq!(text(&outcome), "10");
    assert_eq!(host.calls(), []);
}

#[tokio::test]
async fn a_run_that_is_dropped_while_it_sleeps_goes_on_when_the_sleep_is_recorded() {
    let bench = Bench::with(|config| config.instances_max = 1);
    let job = guest(&bench, SLEEP_3_S);
    let asleep = Arc::new(tokio::sync::Notify::new());
    let mut host = JournalHost::new();
    host.sleeps = Some(asleep.clone());
    tokio::select! {
        outcome = bench.engine.run(job.clone(), Box::new(host.clone())) => panic!("{outcome:?}"),
        () = asleep.notified() => {}
    }
    let [(call, None)] = &host.steps()[..] else { panic!("one step without an end: {:?}", host.steps()) };
    let woken = JournalHost::replaying(vec![(call.clone(), Some(Reply::Done))]);
    let outcome = bench.engine.run(job, Box::new(woken.clone())).await;
    assert_eq!(text(&outcome), "03");
    assert_eq!(woken.performed(), []);
}

#[tokio::test]
async fn a_sleep_that_is_answered_with_a_fault_ends_the_run_with_it() {
    let bench = Bench::new();
    let sleep = Call::Sleep { duration_ms: 3_000 };
    let gone = Fault::new(types::FaultKind::Cancelled, "CANCELLED", "somebody stopped it");
    let host = JournalHost::replaying(vec![(sleep, Some(Reply::Fault(gone.clone())))]);
    let outcome = bench.engine.run(guest(&bench, SLEEP_3_S), Box::new(host)).await;
    assert_eq!(outcome.result, Err(gone));
}

#[tokio::test]
async fn a_wait_for_timers_alone_is_one_sleep_until_the_first() {
    let bench = Bench::new();
    let body = "(i32.store (i32.const 64) (call $after (call $seconds (i64.const 4))))
        (i32.store (i32.const 68) (call $after (call $seconds (i64.const 2))))
        (call $wait (i32.const 2)) (call $clock)
        ;; It has rung, and is ready for ever; the other is not.
        (call $wait (i32.const 2)) (call $say (call $ready (i32.load (i32.const 64))))
        (call $block (i32.load (i32.const 64))) (call $clock)";
    let (outcome, host) = twice(&bench.engine, guest(&bench, body), JournalHost::new()).await;
    assert_eq!(text(&outcome), "1121104");
    assert_eq!(host.performed(), [Call::Sleep { duration_ms: 2_000 }, Call::Sleep { duration_ms: 2_000 }]);
}

#[tokio::test]
async fn a_timer_whose_time_has_come_is_no_step() {
    let bench = Bench::new();
    let body = "(call $block (call $at (i64.const 5))) (call $say (call $ready (call $after (i64.const 0))))
        (call $say (call $ready (call $after (i64.const 1))))";
    let (outcome, host) = twice(&bench.engine, guest(&bench, body), JournalHost::new()).await;
    assert_eq!(text(&outcome), "10");
    assert_eq!(host.calls(), []);
}

#[tokio::test]
async fn a_wait_for_several_is_a_step_whose_answer_is_kept() {
    let bench = Bench::new();
    let body = "(i32.store (i32.const 64) (call $after (call $seconds (i64.const 4))))
        (i32.store (i32.const 68) (call $writable (call $stdout)))
        (call $wait (i32.const 2))";
    let job = guest(&bench, body);
    let (outcome, host) = twice(&bench.engine, job.clone(), JournalHost::new()).await;
    assert_eq!(text(&outcome), "11");
    assert_eq!(host.performed(), [Call::Poll { pollables: 2 }]);
    // What is recorded counts, whatever is ready now.
    let other = JournalHost::replaying(vec![(Call::Poll { pollables: 2 }, Some(Reply::Ready(vec![0, 1])))]);
    let outcome = bench.engine.run(job.clone(), Box::new(other)).await;
    assert_eq!(text(&outcome), "20");
    let beyond = JournalHost::replaying(vec![(Call::Poll { pollables: 2 }, Some(Reply::Ready(vec![2])))]);
    assert_eq!(fault(&bench.engine.run(job, Box::new(beyond)).await).code, "INTERNAL");
}

#[tokio::test]
async fn a_timer_among_others_rings_in_real_time_and_has_rung_for_good() {
    let bench = Bench::new();
    // Twice the same timer is two to wait for; the wait is a step since one of the three is something else.
    let body = "(local.set $a (call $after (i64.const 20000000)))
        (i32.store (i32.const 64) (local.get $a)) (i32.store (i32.const 68) (local.get $a))
        (i32.store (i32.const 72) (call $writable (call $stdout)))
        (call $block (local.get $a)) (call $wait (i32.const 3)) (call $say (call $ready (local.get $a)))";
    let (outcome, host) = twice(&bench.engine, guest(&bench, body), JournalHost::new()).await;
    assert_eq!(text(&outcome), "301");
    assert_eq!(host.performed(), [Call::Sleep { duration_ms: 20 }, Call::Poll { pollables: 3 }]);
}

#[tokio::test]
async fn a_look_whether_something_is_ready_is_a_step() {
    let bench = Bench::new();
    let job = guest(&bench, "(call $say (call $ready (call $writable (call $stdout))))");
    let (outcome, host) = twice(&bench.engine, job.clone(), JournalHost::new()).await;
    assert_eq!(text(&outcome), "1");
    assert_eq!(host.steps(), [(Call::Poll { pollables: 1 }, Some(Reply::Ready(vec![0])))]);
    let never = JournalHost::replaying(vec![(Call::Poll { pollables: 1 }, Some(Reply::Ready(Vec::new())))]);
    assert_eq!(text(&bench.engine.run(job, Box::new(never)).await), "0");
}

#[tokio::test]
async fn a_replay_that_waits_for_something_else_ends_with_what_the_journal_says() {
    let bench = Bench::new();
    let body = "(i32.store (i32.const 64) (call $after (i64.const 1))) (i32.store (i32.const 68) (call $writable (call $stdout)))
        (call $wait (i32.const 2))";
    let other = JournalHost::replaying(vec![(Call::Poll { pollables: 3 }, Some(Reply::Ready(vec![0])))]);
    let outcome = bench.engine.run(guest(&bench, body), Box::new(other)).await;
    assert_eq!(fault(&outcome).code, "NON_DETERMINISTIC");
}

#[tokio::test]
async fn waits_are_limited_in_number_and_in_length() {
    let bench = Bench::new();
    let body = "(i32.store (i32.const 64) (call $after (i64.const 1))) (i32.store (i32.const 68) (call $writable (call $stdout)))
        (loop $again (global.set $end (i32.const 1025)) (call $wait (i32.const 2)) (br $again))";
    let mut job = guest(&bench, body);
    job.limits.host_calls_max = 5;
    let host = JournalHost::new();
    let outcome = bench.engine.run(job, Box::new(host.clone())).await;
    assert_eq!(fault(&outcome).code, "HOST_CALL_LIMIT");
    assert_eq!(host.calls().len(), 5);

    // The same pollable 10,001 times.
    let body = "(local.set $a (call $writable (call $stdout)))
        (loop $again (i32.store (i32.add (i32.const 2048) (i32.mul (local.get $b) (i32.const 4))) (local.get $a))
            (local.set $b (i32.add (local.get $b) (i32.const 1))) (br_if $again (i32.lt_u (local.get $b) (i32.const 10001))))
        (call $poll (i32.const 2048) (local.get $b) (i32.const 128))";
    let outcome = bench.engine.run(guest(&bench, body), Box::new(JournalHost::new())).await;
    assert_eq!(fault(&outcome).code, "POLL_LIMIT");
    bench.serves().await;
}

#[tokio::test]
async fn the_clock_stands_still_between_steps() {
    let bench = Bench::new();
    let body = "(local.set $a (call $after (call $seconds (i64.const 1))))
        (loop $again (local.set $b (i32.add (local.get $b) (i32.const 1)))
            (br_if $again (i32.and (i32.eqz (call $ready (local.get $a))) (i32.lt_u (local.get $b) (i32.const 1000)))))
        (call $clock)";
    let (outcome, host) = twice(&bench.engine, guest(&bench, body), JournalHost::new()).await;
    assert_eq!(text(&outcome), "0");
    assert_eq!(host.calls(), []);
}
