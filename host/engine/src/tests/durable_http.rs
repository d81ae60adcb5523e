//! Outgoing HTTP of a durable run: a request and its whole answer are one step.

use super::http::{allow, echo};
use super::journal::{JournalHost, Recorded, twice};
use super::*;
use ::http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tokio::sync::Notify;
use types::{FaultKind, HttpReply, SecretGrant};

const ITEMS: &str = "include org-ai:function/code@0.1.0; import wasi:clocks/monotonic-clock@0.2.12;
    import wasi:io/poll@0.2.12; import wasi:io/streams@0.2.12; import wasi:http/outgoing-handler@0.2.12;";

/// The input is `host:port` and one letter, the path that is asked for. `$ask` makes a request with the header `x-key`,
/// `$answer` adds its status and the first byte of its body to the answer (`E` and the number of the error without).
const CORE: &str = r#"(module
    (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration" (func $after (param i64) (result i32)))
    (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:io/poll@0.2.12" "[method]pollable.ready" (func $ready (param i32) (result i32)))
    (import "wasi:io/poll@0.2.12" "poll" (func $poll (param i32 i32 i32)))
    (import "wasi:http/types@0.2.12" "[constructor]fields" (func $fields (result i32)))
    (import "wasi:http/types@0.2.12" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
    (import "wasi:http/types@0.2.12" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
    (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-scheme" (func $scheme (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-authority" (func $authority (param i32 i32 i32 i32) (result i32)))
    (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-path-with-query" (func $path (param i32 i32 i32 i32) (result i32)))
    (import "wasi:http/types@0.2.12" "[method]outgoing-request.body" (func $body (param i32 i32)))
    (import "wasi:http/types@0.2.12" "[method]outgoing-body.write" (func $write (param i32 i32)))
    (import "wasi:http/types@0.2.12" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
    (import "wasi:io/streams@0.2.12" "[method]output-stream.blocking-write-and-flush" (func $send (param i32 i32 i32 i32)))
    (import "wasi:io/streams@0.2.12" "[resource-drop]output-stream" (func $sent (param i32)))
    (import "wasi:http/outgoing-handler@0.2.12" "handle" (func $handle (param i32 i32 i32 i32)))
    (import "wasi:http/types@0.2.12" "[method]future-incoming-response.subscribe" (func $subscribe (param i32) (result i32)))
    (import "wasi:http/types@0.2.12" "[method]future-incoming-response.get" (func $get (param i32 i32)))
    (import "wasi:http/types@0.2.12" "[method]incoming-response.status" (func $status (param i32) (result i32)))
    (import "wasi:http/types@0.2.12" "[method]incoming-response.consume" (func $consume (param i32 i32)))
    (import "wasi:http/types@0.2.12" "[method]incoming-body.stream" (func $stream (param i32 i32)))
    (import "wasi:io/streams@0.2.12" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
    ;;PRELUDE
    (data (i32.const 256) "/") (data (i32.const 260) "x-key") (data (i32.const 272) "Bearer {{secret:KEY}}")
    (data (i32.const 300) "idempotency-key") (data (i32.const 320) "mine")
    (global $end (mut i32) (i32.const 1025))
    (global $own_key (mut i32) (i32.const 0))
    (func $byte (param i32) (i32.store8 (global.get $end) (local.get 0))
        (global.set $end (i32.add (global.get $end) (i32.const 1))))
    (func $digit (param i32) (call $byte (i32.add (i32.const 48) (local.get 0))))
    (func $fails (i32.load8_u (i32.const 512)) (if (then unreachable)))
    (func $ask (param $at i32) (param $len i32) (param $path i32) (result i32) (local $f i32) (local $r i32) (local $b i32)
        (local.set $f (call $fields))
        (call $append (local.get $f) (i32.const 260) (i32.const 5) (i32.const 272) (i32.const 21) (i32.const 512)) (call $fails)
        (if (global.get $own_key) (then
            (call $append (local.get $f) (i32.const 300) (i32.const 15) (i32.const 320) (i32.const 4) (i32.const 512))))
        (local.set $r (call $request (local.get $f)))
        (i32.store8 (i32.const 257) (local.get $path))
        (drop (call $scheme (local.get $r) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
        (drop (call $authority (local.get $r) (i32.const 1) (local.get $at) (local.get $len)))
        (drop (call $path (local.get $r) (i32.const 1) (i32.const 256) (i32.const 2)))
        (call $body (local.get $r) (i32.const 512)) (call $fails) (local.set $b (i32.load (i32.const 516)))
        (call $handle (local.get $r) (i32.const 0) (i32.const 0) (i32.const 512)) (call $fails)
        (local.set $r (i32.load (i32.const 520)))
        ;; The body is written when the request is on its way already: the secret's name, twice.
        (call $write (local.get $b) (i32.const 512)) (call $fails) (local.set $f (i32.load (i32.const 516)))
        (call $send (local.get $f) (i32.const 279) (i32.const 14) (i32.const 512))
        (call $send (local.get $f) (i32.const 279) (i32.const 14) (i32.const 512))
        (call $sent (local.get $f))
        (call $finish (local.get $b) (i32.const 0) (i32.const 0) (i32.const 512))
        (local.get $r))
    (func $answer (param $f i32) (local $r i32)
        (call $get (local.get $f) (i32.const 512))
        (if (i32.eqz (i32.load8_u (i32.const 512))) (then (call $byte (i32.const 63)) return))
        (if (i32.load8_u (i32.const 528)) (then
            (call $byte (i32.const 69))
            (call $digit (i32.div_u (i32.load8_u (i32.const 536)) (i32.const 10)))
            (call $digit (i32.rem_u (i32.load8_u (i32.const 536)) (i32.const 10)))
            return))
        (local.set $r (i32.load (i32.const 536)))
        (call $digit (i32.div_u (call $status (local.get $r)) (i32.const 100)))
        (call $consume (local.get $r) (i32.const 512)) (call $fails)
        (call $stream (i32.load (i32.const 516)) (i32.const 512)) (call $fails)
        (call $read (i32.load (i32.const 516)) (i64.const 100) (i32.const 512))
        (if (i32.eqz (i32.load8_u (i32.const 512))) (then (call $byte (i32.load8_u (i32.load (i32.const 516)))))))
    (func (export "run") (param $at i32) (param $len i32) (result i32)
        (local $path i32) (local $a i32) (local $b i32)
        (i32.store8 (i32.const 1024) (i32.const 34))
        (local.set $path (i32.load8_u (i32.add (local.get $at) (i32.sub (local.get $len) (i32.const 2)))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $len (i32.sub (local.get $len) (i32.const 3)))
        BODY
        (call $byte (i32.const 34))
        (call $ok (i32.const 1024) (i32.sub (global.get $end) (i32.const 1024)))))"#;

/// One request; nothing is there before it is waited for.
const ONE: &str = "(local.set $a (call $ask (local.get $at) (local.get $len) (local.get $path)))
    (call $answer (local.get $a)) (call $block (call $subscribe (local.get $a))) (call $answer (local.get $a))";

/// A request and a timer are waited for together, then that request and another; says which came first each time, and
/// whether the timer is over after the first.
const TOGETHER: &str = "(local.set $a (call $ask (local.get $at) (local.get $len) (i32.const 115)))
    (i32.store (i32.const 64) (call $subscribe (local.get $a))) (i32.store (i32.const 68) (call $after (i64.const 1000000)))
    (call $poll (i32.const 64) (i32.const 2) (i32.const 128)) (call $digit (i32.load (i32.load (i32.const 128))))
    (call $digit (call $ready (i32.load (i32.const 68))))
    (local.set $b (call $ask (local.get $at) (local.get $len) (i32.const 102)))
    (i32.store (i32.const 68) (call $subscribe (local.get $b)))
    (call $poll (i32.const 64) (i32.const 2) (i32.const 128)) (call $digit (i32.load (i32.load (i32.const 128))))
    (call $block (i32.load (i32.const 64))) (call $block (i32.load (i32.const 68)))
    (call $answer (local.get $a)) (call $answer (local.get $b))";

/// Counts requests; `/k` answers with the request's idempotency key, `/b` with a megabyte, `/s` when `/f` was asked for,
/// anything else as [`echo`].
struct Server {
    at: String,
    asked: Arc<AtomicU32>,
}

async fn server() -> Server {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let (asked, released) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let counter = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (counter, released) = (counter.clone(), released.clone());
            let service = service_fn(move |request| {
                counter.fetch_add(1, SeqCst);
                serve(request, released.clone())
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    Server { at, asked }
}

async fn serve(
    request: Request<Incoming>,
    released: Arc<Notify>,
) -> Result<Response<Full<bytes::Bytes>>, hyper::Error> {
    Ok(match request.uri().path() {
        "/k" => {
            let key = request.headers().get("idempotency-key").map_or("-", |key| key.to_str().unwrap());
            Response::new(Full::from(key.to_owned()))
        }
        "/b" => Response::new(Full::from(vec![b'x'; 1 << 20])),
        "/s" => {
            released.notified().await;
            echo(request).await
        }
        "/f" => {
            released.notify_one();
            echo(request).await
        }
        _ => echo(request).await,
    })
}

/// The guest may ask the server, and give it the secret KEY.
fn guest(bench: &Bench, body: &str, at: &str, path: char) -> Job {
    let file = bench.file(&guests::guest(ITEMS, &CORE.replace("BODY", body)));
    let url = format!("http://{at}");
    let grant = SecretGrant { name: "KEY".into(), hosts: vec![url.clone()] };
    Job {
        manifest: Arc::new(Manifest { secrets: vec![grant], ..allow(&url) }),
        secrets: Arc::new(BTreeMap::from([("KEY".to_owned(), "hunter2".to_owned())])),
        ..job(&file, &format!("\"{at}{path}\""))
    }
}

fn text(outcome: &Outcome) -> String {
    let result = outcome.result.as_ref().unwrap_or_else(|fault| panic!("{fault}"));
    serde_json::from_str(result.as_str()).unwrap()
}

fn only(steps: Recorded) -> (Call, Reply) {
    let [(call, Some(reply))] = &steps[..] else { panic!("one step that ended: {steps:?}") };
    (call.clone(), reply.clone())
}

#[tokio::test]
async fn a_request_is_made_once_and_answered_from_the_journal_ever_after() {
    let (bench, server) = (Bench::new(), server().await);
    let (outcome, host) = twice(&bench.engine, guest(&bench, ONE, &server.at, 'p'), JournalHost::new()).await;
    assert_eq!(text(&outcome), "?2G");
    assert_eq!(server.asked.load(SeqCst), 1);
    let (call, Reply::Http(reply)) = only(host.steps()) else { panic!("no answer") };
    let Call::Http { method, url, headers, body } = call else { panic!("no request") };
    assert_eq!((method.as_str(), url), ("GET", format!("http://{}/p", server.at)));
    // What is written down has names where the wire had values: 14 bytes twice became 7.
    assert_eq!(body, b"{{secret:KEY}}{{secret:KEY}}");
    assert!(headers.contains(&("x-key".into(), "Bearer {{secret:KEY}}".into())), "{headers:?}");
    assert!(!headers.iter().any(|(name, _)| name == "idempotency-key"), "{headers:?}");
    let came = String::from_utf8(reply.body).unwrap();
    assert_eq!(came, "GET /p Bearer {{secret:KEY}} 14 {{secret:KEY}}{{secret:KEY}}");
    assert!(reply.headers.contains(&("x-echo".into(), b"Bearer {{secret:KEY}}".to_vec())), "{:?}", reply.headers);
}

#[tokio::test]
async fn a_request_has_the_key_of_its_step_unless_the_guest_set_one() {
    let (bench, server) = (Bench::new(), server().await);
    for (before, key) in [("", "action/0"), ("(global.set $own_key (i32.const 1))", "mine")] {
        let body = format!("{before} {ONE}");
        let (_, host) = twice(&bench.engine, guest(&bench, &body, &server.at, 'k'), JournalHost::new()).await;
        let (_, Reply::Http(reply)) = only(host.steps()) else { panic!("no answer") };
        assert_eq!(String::from_utf8(reply.body).unwrap(), key);
    }
}

#[tokio::test]
async fn requests_and_a_timer_that_are_waited_for_together_come_in_the_same_order_again() {
    let (bench, server) = (Bench::new(), server().await);
    let (outcome, host) = twice(&bench.engine, guest(&bench, TOGETHER, &server.at, 'p'), JournalHost::new()).await;
    // The timer, since nobody answers yet; then either.
    assert!(["1102G2G", "1112G2G"].contains(&text(&outcome).as_str()), "{outcome:?}");
    assert_eq!(server.asked.load(SeqCst), 2);
    let names: Vec<_> = host.calls().iter().map(Call::name).collect();
    // A wait for one is no step.
    assert_eq!(names, ["http.request", "poll", "http.request", "poll"]);
}

#[tokio::test]
async fn any_order_that_was_recorded_is_told_again() {
    let (bench, server) = (Bench::new(), server().await);
    let job = guest(&bench, TOGETHER, &server.at, 'p');
    let (_, host) = twice(&bench.engine, job.clone(), JournalHost::new()).await;
    for (first, second, told) in [(0, vec![0], "0002G2G"), (1, vec![1], "1112G2G"), (1, vec![0, 1], "1102G2G")] {
        let mut steps = host.steps();
        steps[1].1 = Some(Reply::Ready(vec![first]));
        steps[3].1 = Some(Reply::Ready(second));
        let again = JournalHost::replaying(steps);
        let outcome = bench.engine.run(job.clone(), Box::new(again.clone())).await;
        assert_eq!(text(&outcome), told);
        assert_eq!(again.performed(), []);
    }
    assert_eq!(server.asked.load(SeqCst), 2);
}

#[tokio::test]
async fn a_request_whose_answer_was_not_recorded_is_made_again_with_the_same_key() {
    let (bench, server) = (Bench::new(), server().await);
    let job = guest(&bench, ONE, &server.at, 'k');
    let (_, host) = twice(&bench.engine, job.clone(), JournalHost::new()).await;
    let (call, reply) = only(host.steps());
    let crashed = JournalHost::replaying(vec![(call.clone(), None)]);
    bench.engine.run(job, Box::new(crashed.clone())).await.result.unwrap();
    assert_eq!(server.asked.load(SeqCst), 2);
    let (again, Reply::Http(answer)) = only(crashed.steps()) else { panic!("no answer") };
    let Reply::Http(first) = reply else { panic!("no answer") };
    assert_eq!((again, answer.body), (call, first.body));
}

#[tokio::test]
async fn a_failure_is_written_down_and_told_again() {
    let (bench, server) = (Bench::new(), server().await);
    let unheard = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = unheard.local_addr().unwrap().to_string();
    drop(unheard);
    let mut small = guest(&bench, ONE, &server.at, 'b');
    small.limits.http_body_bytes_max = 1000;
    let mut forbidden = guest(&bench, ONE, &server.at, 'p');
    forbidden.manifest = Arc::new(Manifest::default());
    let mut full = guest(&bench, ONE, &server.at, 'p');
    full.limits.http_concurrent_max = 0;
    // The numbers are those of the cases of `error-code` in wasi:http.
    for (job, kind, code, told) in [
        (guest(&bench, ONE, &nobody, 'p'), FaultKind::Upstream, "HTTP_CONNECTION_REFUSED", "?E06"),
        (small, FaultKind::Limit, "HTTP_RESPONSE_BODY_LIMIT", "?E28"),
        (forbidden, FaultKind::Forbidden, "HTTP_DENIED", "?E15"),
        (full, FaultKind::Limit, "HTTP_CONNECTION_LIMIT", "?E11"),
    ] {
        let (outcome, host) = twice(&bench.engine, job, JournalHost::new()).await;
        let (_, Reply::Fault(fault)) = only(host.steps()) else { panic!("it was answered") };
        assert_eq!((fault.kind, fault.code.as_str()), (kind, code));
        assert_eq!(text(&outcome), told, "{code}");
    }
}

#[tokio::test]
async fn a_request_body_that_is_too_large_is_no_step() {
    let (bench, server) = (Bench::new(), server().await);
    let mut job = guest(&bench, ONE, &server.at, 'p');
    job.limits.http_body_bytes_max = 27;
    // Nothing but the guest decides it, so it is the same each time.
    for _ in 0..2 {
        let host = JournalHost::new();
        let outcome = bench.engine.run(job.clone(), Box::new(host.clone())).await;
        assert_eq!(text(&outcome), "?E17");
        assert_eq!(host.performed(), []);
    }
    assert_eq!(server.asked.load(SeqCst), 0);
}

#[tokio::test]
async fn a_replay_that_asks_for_something_else_ends_with_what_the_journal_says() {
    let (bench, server) = (Bench::new(), server().await);
    let (_, host) = twice(&bench.engine, guest(&bench, ONE, &server.at, 'p'), JournalHost::new()).await;
    let other = guest(&bench, ONE, &server.at, 'q');
    let outcome = bench.engine.run(other.clone(), Box::new(JournalHost::replaying(host.steps()))).await;
    assert_eq!(fault(&outcome).code, "NON_DETERMINISTIC");
    // And when the journal has a step there that is no request at all.
    let (call, _) = only(host.steps());
    let wrong = JournalHost::replaying(vec![(call, Some(Reply::Done))]);
    let outcome = bench.engine.run(guest(&bench, ONE, &server.at, 'p'), Box::new(wrong)).await;
    assert_eq!(fault(&outcome).code, "INTERNAL");
    let (call, _) = only(host.steps());
    let reply = HttpReply { status: 7, headers: Vec::new(), body: Vec::new() };
    let wrong = JournalHost::replaying(vec![(call, Some(Reply::Http(reply)))]);
    let outcome = bench.engine.run(guest(&bench, ONE, &server.at, 'p'), Box::new(wrong)).await;
    assert_eq!(fault(&outcome).code, "INTERNAL");
    assert_eq!(server.asked.load(SeqCst), 1);
}
