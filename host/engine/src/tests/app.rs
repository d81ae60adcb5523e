//! World `app`: handlers by name, and what an app says of itself.

use super::*;
use types::FaultKind;
use types::exec::HandlerKind;

/// `handle` answers with `[kind, name, payload]`; `describe` with what stands at 64, after `BODY`.
const APP: &str = r#"(module
    IMPORTS
    ;;PRELUDE
    (data (i32.const 64) "{\"abi\":1}")
    (data (i32.const 100) "log line/")
    (global $end (mut i32) (i32.const 1024))
    (func $add (param $at i32) (param $len i32)
        (memory.copy (global.get $end) (local.get $at) (local.get $len))
        (global.set $end (i32.add (global.get $end) (local.get $len))))
    (func $byte (param i32) (i32.store8 (global.get $end) (local.get 0))
        (global.set $end (i32.add (global.get $end) (i32.const 1))))
    (func $quoted (param i32 i32)
        (call $byte (i32.const 34)) (call $add (local.get 0) (local.get 1)) (call $byte (i32.const 34)) (call $byte (i32.const 44)))
    (func (export "handle") (param i32 i32 i32 i32 i32 i32) (result i32)
        (call $byte (i32.const 91))
        (call $quoted (local.get 0) (local.get 1)) (call $quoted (local.get 2) (local.get 3))
        (call $add (local.get 4) (local.get 5)) (call $byte (i32.const 93))
        (call $ok (i32.const 1024) (i32.sub (global.get $end) (i32.const 1024))))
    (func (export "describe") (result i32)
        BODY
        (i32.store (i32.const 32) (i32.const 64)) (i32.store (i32.const 36) (i32.const LEN)) (i32.const 32)))"#;

fn app(bench: &Bench, imports: &str, body: &str, len: u32) -> ComponentFile {
    let items = "include org-ai:function/app@0.1.0; import wasi:http/outgoing-handler@0.2.12;
        import wasi:clocks/wall-clock@0.2.12;";
    let core = APP.replace("IMPORTS", imports).replace("BODY", body).replace("LEN", &len.to_string());
    bench.file(&guests::guest(items, &core))
}

fn describing(file: &ComponentFile) -> Job {
    Job { kind: FunctionKind::App, entry: Entry::Describe, ..job(file, "null") }
}

#[tokio::test]
async fn a_handler_gets_its_kind_its_name_and_the_payload() {
    let bench = Bench::new();
    let file = app(&bench, "", "", 9);
    assert_eq!(bench.engine.prepare(&file).unwrap().kind, FunctionKind::App);
    let entry = Entry::Handle { kind: HandlerKind::Event, name: "on-signup".into() };
    let outcome = bench.run(Job { kind: FunctionKind::App, entry, ..job(&file, r#"{"a":1}"#) }).await;
    assert_eq!(outcome.result.unwrap().as_str(), r#"["event","on-signup",{"a":1}]"#);
}

#[tokio::test]
async fn an_app_describes_itself_in_json() {
    let bench = Bench::new();
    let outcome = bench.run(describing(&app(&bench, "", "", 9))).await;
    assert_eq!(outcome.result.unwrap().as_str(), r#"{"abi":1}"#);
    let outcome = bench.run(describing(&app(&bench, "", "", 5))).await;
    assert_eq!(fault(&outcome).code, "OUTPUT_NOT_JSON");
}

const EMIT: &str = r#"(import "org-ai:events/events@0.1.0" "emit"
    (func $emit (param i32 i32 i32 i32 i32 i32 i32 i32)))"#;
const LOG: &str = r#"(import "org-ai:context/context@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
const HTTP: &str = r#"(import "wasi:http/outgoing-handler@0.2.12" "handle" (func $handle (param i32 i32 i32 i32)))
    (import "wasi:http/types@0.2.12" "[constructor]fields" (func $fields (result i32)))
    (import "wasi:http/types@0.2.12" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
    (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-authority" (func $authority (param i32 i32 i32 i32) (result i32)))
    (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-path-with-query" (func $path (param i32 i32 i32 i32) (result i32)))"#;

#[tokio::test]
async fn an_import_that_describe_calls_is_refused_and_named() {
    let bench = Bench::new();
    let emit = "(call $emit (i32.const 100) (i32.const 3) (i32.const 64) (i32.const 9)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 512))";
    let not_json = emit.replace("(i32.const 64) (i32.const 9)", "(i32.const 64) (i32.const 8)");
    let log = "(call $log (i32.const 0) (i32.const 100) (i32.const 8))";
    let http = "(local $r i32) (local.set $r (call $request (call $fields)))
        (drop (call $authority (local.get $r) (i32.const 1) (i32.const 100) (i32.const 3)))
        (drop (call $path (local.get $r) (i32.const 1) (i32.const 108) (i32.const 1)))
        (call $handle (local.get $r) (i32.const 0) (i32.const 0) (i32.const 512))";
    for (imports, body, name) in [
        (EMIT, emit, "`events.emit`"),
        (EMIT, not_json.as_str(), "an argument that is not JSON"),
        (LOG, log, "`context.log`"),
        (HTTP, http, "`wasi:http/outgoing-handler`"),
    ] {
        let host = TestHost::answering([Reply::Done]);
        let outcome = bench.engine.run(describing(&app(&bench, imports, body, 9)), Box::new(host.clone())).await;
        assert_eq!(fault(&outcome).kind, FaultKind::Forbidden, "{outcome:?}");
        assert!(fault(&outcome).message.contains(name), "{outcome:?}");
        assert_eq!(host.calls(), []);
    }
}

#[tokio::test]
async fn describe_has_a_short_time_and_a_small_answer_whatever_the_limits_say() {
    let bench = Bench::new();
    let mut job = describing(&app(&bench, "", "(loop $again (br $again))", 9));
    job.limits.cpu = Duration::from_secs(3600);
    job.limits.wall = Duration::from_secs(3600);
    let outcome = bench.run(job).await;
    assert!(["CPU_LIMIT", "TIMEOUT"].contains(&fault(&outcome).code.as_str()), "{outcome:?}");
    let grown = "(drop (memory.grow (i32.const 20)))";
    let mut job = describing(&app(&bench, "", grown, (1 << 20) + 1));
    job.limits.output_bytes_max = 1 << 30;
    assert_eq!(fault(&bench.run(job).await).code, "OUTPUT_LIMIT");
}

#[tokio::test]
async fn a_component_is_not_called_by_what_another_kind_has() {
    let bench = Bench::new();
    let (app, code) = (app(&bench, "", "", 9), bench.code(guests::ECHO));
    let handle = || Entry::Handle { kind: HandlerKind::Rpc, name: "f".into() };
    for (file, kind, entry) in [
        (&code, FunctionKind::Code, handle()),
        (&code, FunctionKind::Code, Entry::Describe),
        (&code, FunctionKind::Code, Entry::Export("run".into())),
        (&code, FunctionKind::App, handle()),
        (&app, FunctionKind::App, Entry::Run),
        (&app, FunctionKind::App, Entry::Export("handle".into())),
        (&app, FunctionKind::Code, Entry::Run),
    ] {
        let outcome = bench.run(Job { kind, entry: entry.clone(), ..job(file, "1") }).await;
        assert_eq!(fault(&outcome).code, "KIND_MISMATCH", "{entry:?} of {kind:?}");
    }
}
