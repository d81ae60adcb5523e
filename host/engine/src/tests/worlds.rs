//! Functions of world `code`: input, output, imports, faults.

use super::*;
use types::FaultKind;

#[tokio::test]
async fn a_function_of_world_code_gets_its_input_and_answers() {
    let bench = Bench::new();
    let file = bench.code(guests::ECHO);
    let inspection = bench.engine.prepare(&file).unwrap();
    assert_eq!(inspection.kind, FunctionKind::Code);
    assert_eq!(inspection.actions.len(), 1);
    let outcome = bench.run(job(&file, r#"{"a":[1,2.50,"ü"]}"#)).await;
    assert_eq!(outcome.result.unwrap().as_str(), r#"{"a":[1,2.50,"ü"]}"#);
    assert_eq!(outcome.usage.memory_bytes_peak, 2 << 16);
}

/// Calls `try` with the input as action and as data, and answers with what came.
const TRY: &str = r#"(module
    (import "org-ai:actions/actions@0.1.0" "try" (func $try (param i32)))
    ;;PRELUDE
    (func (export "run") (param $ptr i32) (param $len i32) (result i32)
        ;; The parameters do not fit into registers: a record of them in memory, then the place for the answer.
        (memory.fill (i32.const 512) (i32.const 0) (i32.const 256))
        (i32.store (i32.const 512) (local.get $ptr)) (i32.store (i32.const 516) (local.get $len))
        (i32.store (i32.const 520) (local.get $ptr)) (i32.store (i32.const 524) (local.get $len))
        (call $try_ (i32.const 512) (i32.const 16))
        (i32.const 16))
    (func $try_ (param i32 i32) (call $try_raw (local.get 0) (local.get 1))))"#;

fn trying() -> String {
    TRY.replace("(func $try (param i32))", "(func $try_raw (param i32 i32))")
}

#[tokio::test]
async fn an_import_becomes_a_call_and_its_reply_the_result() {
    let bench = Bench::new();
    let file = bench.code(&trying());
    let host = TestHost::answering([Reply::Json(Json::parse("[1, 2]").unwrap())]);
    let outcome = bench.engine.run(job(&file, r#""pay""#), Box::new(host.clone())).await;
    assert_eq!(outcome.result.unwrap().as_str(), "[1, 2]");
    assert_eq!(outcome.usage.host_calls, 1);
    let data = Json::parse(r#""pay""#).unwrap();
    let call = Call::Try { action: r#""pay""#.into(), data, options: types::CallOptions::default() };
    assert_eq!(host.calls(), [call]);
}

#[tokio::test]
async fn a_fault_goes_through_a_guest_unchanged() {
    let bench = Bench::new();
    let sent = Fault::conflict("TAKEN", "the name is taken").with_details(&serde_json::json!({"by": 1}));
    let host = TestHost::answering([Reply::Fault(sent.clone())]);
    let outcome = bench.engine.run(job(&bench.code(&trying()), "1"), Box::new(host)).await;
    assert_eq!(outcome.result, Err(sent));
}

#[tokio::test]
async fn a_fault_without_a_code_gets_one() {
    let bench = Bench::new();
    let host = TestHost::answering([Reply::Fault(Fault::failed("", "no"))]);
    let outcome = bench.engine.run(job(&bench.code(&trying()), "1"), Box::new(host)).await;
    assert_eq!(fault(&outcome).code, "FUNCTION_FAILED");
}

#[tokio::test]
async fn a_reply_of_another_shape_is_a_defect_of_the_host_not_of_the_guest() {
    let bench = Bench::new();
    let host = TestHost::answering([Reply::Version(3)]);
    let outcome = bench.engine.run(job(&bench.code(&trying()), "1"), Box::new(host)).await;
    assert_eq!(fault(&outcome).kind, FaultKind::Internal);
}

#[tokio::test]
async fn an_argument_that_must_be_json_is_refused_by_name_when_it_is_none() {
    let bench = Bench::new();
    let core =
        trying().replace("(i32.store (i32.const 524) (local.get $len))", "(i32.store (i32.const 524) (i32.const 0))");
    let host = TestHost::default();
    let outcome = bench.engine.run(job(&bench.code(&core), "1"), Box::new(host.clone())).await;
    assert_eq!((fault(&outcome).kind, fault(&outcome).code.as_str()), (FaultKind::Invalid, "NOT_JSON"));
    assert!(fault(&outcome).message.starts_with("`data` must be JSON"), "{:?}", fault(&outcome));
    assert!(host.calls().is_empty());
}

#[tokio::test]
async fn runs_share_nothing() {
    let bench = Bench::new();
    let core = r#"(module ;;PRELUDE (global $runs (mut i32) (i32.const 48)) (func (export "run") (param i32 i32) (result i32)
        (global.set $runs (i32.add (global.get $runs) (i32.const 1)))
        (i32.store8 (i32.const 64) (global.get $runs)) (call $ok (i32.const 64) (i32.const 1))))"#;
    let file = bench.code(core);
    for _ in 0..3 {
        assert_eq!(bench.run(job(&file, "0")).await.result.unwrap().as_str(), "1");
    }
}

#[tokio::test]
async fn a_run_that_is_dropped_frees_its_place() {
    let bench = Bench::with(|config| config.instances_max = 1);
    let core = r#"(module ;;PRELUDE (func (export "run") (param i32 i32) (result i32) (loop $again (br $again)) unreachable))"#;
    let looping = bench.run(job(&bench.code(core), "0"));
    let dropped = tokio::time::timeout(Duration::from_millis(50), looping).await;
    assert!(dropped.is_err());
    bench.serves().await;
}
