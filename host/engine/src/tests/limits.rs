//! Each limit is reached by a guest that does nothing else, and the next run is served.

use super::*;
use types::FaultKind;

/// Runs it with limits that are quickly reached, and checks what is said and that life goes on.
async fn check(core: &str, change: impl FnOnce(&mut Limits), kind: FaultKind, code: &str) -> Outcome {
    let bench = Bench::new();
    let mut job = job(&bench.code(core), "{}");
    change(&mut job.limits);
    let outcome = bench.run(job).await;
    let found = fault(&outcome);
    assert_eq!((found.kind, found.code.as_str()), (kind, code), "{found:?}");
    bench.serves().await;
    outcome
}

const LOOP: &str = r#"(module ;;PRELUDE
    (func (export "run") (param i32 i32) (result i32) (loop $again (br $again)) unreachable))"#;

#[tokio::test]
async fn an_endless_loop_ends_at_its_processor_time() {
    let outcome = check(LOOP, |l| l.cpu = Duration::from_millis(60), FaultKind::Limit, "CPU_LIMIT").await;
    assert!(outcome.usage.cpu_us >= 60_000);
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_wall_time() {
    let limits = |l: &mut Limits| l.wall = Duration::from_millis(60);
    check(LOOP, limits, FaultKind::Timeout, "TIMEOUT").await;
}

#[tokio::test]
async fn waiting_ends_at_the_wall_time_and_costs_no_processor_time() {
    struct Never;
    impl Host for Never {
        fn call(&mut self, _: Call) -> BoxFuture<'_, Reply> {
            Box::pin(std::future::pending())
        }
        fn log(&mut self, _: LogStream, _: String) {}
        fn now(&mut self) -> Timestamp {
            Timestamp::from_millis(0)
        }
        fn is_cancelled(&self) -> bool {
            false
        }
    }
    let bench = Bench::new();
    let mut job = job(&bench.code(&calling("(loop $again (call $join) (br $again))")), "{}");
    job.limits.wall = Duration::from_millis(300);
    job.limits.cpu = Duration::from_millis(250);
    let outcome = bench.engine.run(job, Box::new(Never)).await;
    assert_eq!(fault(&outcome).code, "TIMEOUT");
    bench.serves().await;
}

/// As many loops as there are threads, and more: each is interrupted so often that a short run gets in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looping_guests_do_not_keep_others_waiting() {
    let bench = Arc::new(Bench::new());
    let file = bench.code(LOOP);
    let loops: Vec<_> = (0..4)
        .map(|_| {
            let (bench, job) = (bench.clone(), job(&file, "{}"));
            tokio::spawn(async move { bench.run(job).await })
        })
        .collect();
    for _ in 0..5 {
        let bench = bench.clone();
        tokio::spawn(async move { bench.serves().await }).await.unwrap();
    }
    assert!(loops.iter().all(|looping| !looping.is_finished()));
    loops.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn memory_is_limited() {
    let core = r#"(module ;;PRELUDE (func (export "run") (param i32 i32) (result i32)
        (loop $again (br_if $again (i32.ne (i32.const -1) (memory.grow (i32.const 16))))) unreachable))"#;
    let outcome = check(core, |l| l.memory_bytes_max = 8 << 20, FaultKind::Limit, "MEMORY_LIMIT").await;
    assert!((7 << 20..=8 << 20).contains(&outcome.usage.memory_bytes_peak), "{:?}", outcome.usage);
}

#[tokio::test]
async fn memory_is_limited_from_the_start() {
    check(guests::ECHO, |l| l.memory_bytes_max = 1 << 16, FaultKind::Limit, "MEMORY_LIMIT").await;
}

#[tokio::test]
async fn a_guest_that_copes_with_a_refused_allocation_goes_on() {
    let bench = Bench::new();
    let core = r#"(module ;;PRELUDE (func (export "run") (param i32 i32) (result i32)
        (drop (memory.grow (i32.const 60000))) (call $ok (local.get 0) (local.get 1))))"#;
    assert!(bench.run(job(&bench.code(core), "1")).await.result.is_ok());
}

#[tokio::test]
async fn the_sum_of_all_memories_is_limited() {
    let core = r#"(module (memory $other 1) ;;PRELUDE (func (export "run") (param i32 i32) (result i32)
        (drop (memory.grow 0 (i32.const 40)))
        (if (i32.eq (i32.const -1) (memory.grow 1 (i32.const 40))) (then unreachable))
        (call $ok (local.get 0) (local.get 1))))"#;
    let core = &core.replace("(memory $other 1) ;;PRELUDE", ";;PRELUDE (memory $other 1)");
    check(core, |l| l.memory_bytes_max = 4 << 20, FaultKind::Limit, "MEMORY_LIMIT").await;
    let bench = Bench::new();
    let mut job = job(&bench.code(core), "1");
    job.limits.memory_bytes_max = 8 << 20;
    assert!(bench.run(job).await.result.is_ok());
}

#[tokio::test]
async fn tables_are_limited() {
    let core = r#"(module ;;PRELUDE (table 1 funcref) (func (export "run") (param i32 i32) (result i32)
        (loop $again (br_if $again (i32.ne (i32.const -1) (table.grow (ref.null func) (i32.const 1000)))))
        unreachable))"#;
    check(core, |l| l.table_elements_max = 5000, FaultKind::Limit, "TABLE_LIMIT").await;
    check(core, |l| l.table_elements_max = u64::MAX, FaultKind::Limit, "TABLE_LIMIT").await;
}

#[tokio::test]
async fn instances_are_limited() {
    let outcome = check(guests::ECHO, |l| l.instances_max = 0, FaultKind::Limit, "INSTANCE_LIMIT").await;
    assert!(fault(&outcome).message.contains("more than 0 core instances"));
}

#[tokio::test]
async fn endless_recursion_ends() {
    let core = r#"(module ;;PRELUDE (func $deep (param i32) (result i32)
            (i32.add (local.get 0) (call $deep (i32.add (local.get 0) (i32.const 1)))))
        (func (export "run") (param i32 i32) (result i32) (call $deep (i32.const 0))))"#;
    let outcome = check(core, |_| {}, FaultKind::Limit, "STACK_OVERFLOW").await;
    let details = fault(&outcome).details.as_ref().unwrap().to_value();
    assert!(details["backtrace"].as_array().unwrap().len() <= 30);
}

#[tokio::test]
async fn a_trap_names_the_functions_it_happened_in() {
    let core = r#"(module ;;PRELUDE (func $_ZN3app4deep17h0123456789abcdefE (param i32) unreachable)
        (func (export "run") (param i32 i32) (result i32)
            (call $_ZN3app4deep17h0123456789abcdefE (i32.const 0)) (i32.const 16)))"#;
    let outcome = check(core, |_| {}, FaultKind::Failed, "TRAP").await;
    let details = fault(&outcome).details.as_ref().unwrap().to_value();
    assert!(details["backtrace"][0].as_str().unwrap().contains("app::deep"), "{details}");
}

#[tokio::test]
async fn output_is_limited() {
    let core = r#"(module ;;PRELUDE (func (export "run") (param i32 i32) (result i32)
        (memory.fill (call $alloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 2000000)) (i32.const 32)
            (i32.const 2000000))
        (call $ok (i32.const 65600) (i32.const 1900000))))"#;
    let outcome = check(core, |_| {}, FaultKind::Limit, "OUTPUT_LIMIT").await;
    assert!(fault(&outcome).message.contains("1900000"));
}

#[tokio::test]
async fn output_beyond_what_is_copied_at_all_is_limited_too() {
    let core = r#"(module ;;PRELUDE (func (export "run") (param i32 i32) (result i32)
        (drop (call $alloc (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 100000000)))
        (call $ok (i32.const 65600) (i32.const 99000000))))"#;
    check(core, |_| {}, FaultKind::Limit, "OUTPUT_LIMIT").await;
}

#[tokio::test]
async fn output_must_be_json() {
    let core = r#"(module ;;PRELUDE (data (i32.const 64) "{oops") (func (export "run") (param i32 i32) (result i32)
        (call $ok (i32.const 64) (i32.const 5))))"#;
    check(core, |_| {}, FaultKind::Failed, "OUTPUT_NOT_JSON").await;
}

#[tokio::test]
async fn input_is_limited() {
    check(guests::ECHO, |l| l.input_bytes_max = 1, FaultKind::Limit, "INPUT_LIMIT").await;
}

/// `run` with `body` in it, in which `$join` calls `actions.join("")` and throws the answer away.
fn calling(body: &str) -> String {
    r#"(module (import "org-ai:actions/actions@0.1.0" "join" (func $join_ (param i32 i32 i32)))
        ;;PRELUDE
        (func $join (call $join_ (i32.const 0) (i32.const 0) (i32.const 256))
            ;; What was allocated for the answer is free again.
            (global.set $top (i32.const 70000)))
        (func (export "run") (param i32 i32) (result i32) BODY (call $ok (local.get 0) (local.get 1))))"#
        .replace("BODY", body)
}

#[tokio::test]
async fn host_calls_are_limited() {
    let core = calling("(loop $again (call $join) (br $again))");
    let outcome = check(&core, |l| l.host_calls_max = 100, FaultKind::Limit, "HOST_CALL_LIMIT").await;
    assert_eq!(outcome.usage.host_calls, 101);
}

#[tokio::test]
async fn wasi_calls_are_limited() {
    let core = r#"(module (import "wasi:clocks/monotonic-clock@0.2.12" "now" (func $now (result i64))) ;;PRELUDE
        (func (export "run") (param i32 i32) (result i32) (loop $again (drop (call $now)) (br $again)) unreachable))"#;
    let bench = Bench::new();
    let wasi = guests::guest("include org-ai:function/code@0.1.0; import wasi:clocks/monotonic-clock@0.2.12;", core);
    let mut job = job(&bench.file(&wasi), "{}");
    job.limits.host_calls_max = 10;
    let outcome = bench.run(job).await;
    assert_eq!(fault(&outcome).code, "HOST_CALL_LIMIT");
    bench.serves().await;
}

/// Answers when it is told to.
struct Held(Arc<tokio::sync::Notify>);

impl Host for Held {
    fn call(&mut self, _: Call) -> BoxFuture<'_, Reply> {
        Box::pin(async {
            self.0.notified().await;
            Reply::Fault(Fault::failed("LET_GO", ""))
        })
    }
    fn log(&mut self, _: LogStream, _: String) {}
    fn now(&mut self) -> Timestamp {
        Timestamp::from_millis(0)
    }
    fn is_cancelled(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn runs_beyond_the_instances_wait_and_beyond_the_queue_are_refused() {
    let bench = Bench::with(|config| (config.instances_max, config.queue_max) = (1, 1));
    let holding = job(&bench.code(&calling("(call $join)")), "1");
    bench.engine.prepare(&holding.component).unwrap();
    let let_go = Arc::new(tokio::sync::Notify::new());
    let mut first = bench.engine.run(holding.clone(), Box::new(Held(let_go.clone())));
    let mut second = bench.engine.run(holding.clone(), Box::new(TestHost::default()));
    // Polled once each: the first is inside its call, the second waits for the first one's place.
    assert!(futures_pending(&mut first).await && futures_pending(&mut second).await);
    let third = bench.run(holding).await;
    assert_eq!(fault(&third).code, "ENGINE_BUSY");
    let_go.notify_one();
    assert!(first.await.result.is_ok());
    assert!(second.await.result.is_ok());
    bench.serves().await;
}

async fn futures_pending<T>(future: &mut BoxFuture<'_, T>) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

#[tokio::test]
async fn the_clock_sleeps_when_nothing_runs_and_wakes_for_a_run() {
    let bench = Bench::new();
    while !bench.engine.inner().ticker.is_asleep() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut looping = job(&bench.code(LOOP), "{}");
    looping.limits.cpu = Duration::from_millis(30);
    assert_eq!(fault(&bench.run(looping).await).code, "CPU_LIMIT");
}
