//! `functions invoke` and `functions logs`.

use super::User;
use super::server::FakeServer;
use serde_json::json;

const INVOKE: &str = "POST /api/actions/hello";

#[tokio::test]
async fn the_result_is_printed_number_for_number() {
    let server = FakeServer::start().await;
    let body = r#"{"result":{"n":12345678901234567890.10,"b":1},"actionId":"a-1","status":"completed"}"#;
    server.raw(INVOKE, 200, &[], body);
    let user = User::of(&server);
    for arguments in [
        &["functions", "invoke", "hello", "--input", "{\"x\":1.50}"][..],
        &["--json", "functions", "invoke", "hello", "-i", "{\"x\":1.50}"],
    ] {
        let done = user.run(arguments).await;
        assert_eq!((done.code, done.stdout.as_str()), (0, "{\"n\":12345678901234567890.10,\"b\":1}\n"), "{done:?}");
        assert_eq!(server.last().text(), r#"{"input":{"x":1.50},"options":{}}"#);
    }
    let asked = server.last();
    assert_eq!(asked.header("authorization"), Some("Bearer sk_test"));
    assert_eq!(asked.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn the_input_comes_from_the_command_line_a_file_or_standard_input() {
    let server = FakeServer::start().await;
    server.on(INVOKE, 200, json!({"result": null}));
    let user = User::of(&server);
    user.file("in.json", "[1, 2]\n");
    for (arguments, stdin, sent) in [
        (&["functions", "invoke", "hello"][..], "ignored", "null"),
        (&["functions", "invoke", "hello", "--input", "@in.json"], "", "[1, 2]"),
        (&["functions", "invoke", "hello", "--input", "-"], " {\"a\":1}\n", "{\"a\":1}"),
    ] {
        let done = user.run_with(arguments, stdin).await;
        assert_eq!((done.code, done.stdout.as_str()), (0, "null\n"), "{done:?}");
        assert_eq!(server.last().text(), format!(r#"{{"input":{sent},"options":{{}}}}"#));
    }
}

#[tokio::test]
async fn bad_input_is_refused_before_the_server_hears_of_it() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    for (input, code, message) in [
        ("{", 2, "--input is not usable"),
        ("{\"a\":1,\"a\":2}", 2, "stands twice"),
        ("@no-such-file", 7, "there is no file no-such-file"),
    ] {
        let done = user.run(&["functions", "invoke", "hello", "--input", input]).await;
        assert_eq!(done.code, code, "{done:?}");
        assert!(done.stderr.contains(message), "{done:?}");
    }
    assert_eq!(user.run(&["functions", "invoke", "Hello World"]).await.code, 2);
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn flags_become_headers_and_options() {
    let server = FakeServer::start().await;
    server.on("POST /api/actions/calc.add@v3", 202, json!({"actionId": "a-9", "status": "pending"}));
    let user = User::of(&server);
    let arguments = ["functions", "invoke", "calc.add@v3", "--async", "--timeout", "5m", "--idempotency-key", "k1"];
    let done = user.run(&[&arguments[..], &["--ns", "https://acme.example"]].concat()).await;
    assert_eq!((done.code, done.stdout.as_str()), (0, "a-9\n"), "{done:?}");
    let asked = server.last();
    assert_eq!(asked.text(), r#"{"input":null,"options":{"timeoutMs":300000,"durability":"send"}}"#);
    assert_eq!(asked.header("prefer"), Some("respond-async"));
    assert_eq!(asked.header("idempotency-key"), Some("k1"));
    assert_eq!(asked.header("do-namespace"), Some("https://acme.example"));
}

#[tokio::test]
async fn a_call_that_is_carried_out_whatever_dies_says_so_and_can_be_left() {
    let server = FakeServer::start().await;
    server.on("POST /api/actions/pay", 202, json!({"actionId": "a-9", "status": "pending"}));
    let done = User::of(&server).run(&["functions", "invoke", "pay", "--do", "--async"]).await;
    assert_eq!((done.code, done.stdout.as_str()), (0, "a-9\n"), "{done:?}");
    let asked = server.last();
    assert_eq!(asked.text(), r#"{"input":null,"options":{"durability":"do"}}"#);
    assert_eq!(asked.header("prefer"), Some("respond-async"));
}

#[tokio::test]
async fn a_failing_function_is_exit_9_and_everything_else_has_its_own() {
    let server = FakeServer::start().await;
    for (status, error, code) in [
        (502, json!({"code": "TRAP", "message": "unreachable", "actionId": "a", "requestId": "r"}), 9),
        (404, json!({"code": "NO_SUCH_ORDER", "message": "m", "actionId": "a", "requestId": "r"}), 9),
        (404, json!({"code": "NOT_FOUND", "message": "m", "requestId": "r"}), 7),
        (408, json!({"code": "TIMEOUT", "message": "m", "actionId": "a", "requestId": "r"}), 8),
        (422, json!({"code": "INPUT_INVALID", "message": "m", "actionId": "a", "requestId": "r"}), 2),
        (401, json!({"code": "UNAUTHORIZED", "message": "m", "requestId": "r"}), 3),
        (403, json!({"code": "FORBIDDEN", "message": "m", "requestId": "r"}), 4),
        (429, json!({"code": "RATE_LIMITED", "message": "m", "requestId": "r"}), 6),
        (500, json!({"code": "INTERNAL", "message": "m", "requestId": "r"}), 1),
    ] {
        server.on(INVOKE, status, json!({ "error": error }));
        let user = User::of(&server);
        let done = user.run(&["functions", "invoke", "hello", "--json"]).await;
        let shown = done.error();
        assert_eq!(done.code, code, "{done:?}");
        assert_eq!((&shown["code"], &shown["requestId"]), (&error["code"], &"r".into()));
        server.forget(INVOKE);
    }
}

#[tokio::test]
async fn log_lines_cannot_steer_the_terminal() {
    let server = FakeServer::start().await;
    let entry = json!({"id": 1, "at": "2024-01-08T12:00:00.000Z", "stream": "stdout", "text": "a\u{1b}[2Jb\n"});
    server.on("GET /api/functions/hello/logs?limit=1000", 200, json!({"data": [entry]}));
    let user = User::of(&server);
    let done = user.run(&["functions", "logs", "hello"]).await;
    assert_eq!(done.stdout, "2024-01-08T12:00:00.000Z stdout a [2Jb\n");
    assert_eq!(user.run(&["functions", "logs", "hello", "--json"]).await.json(), json!([entry]));
}

#[tokio::test]
async fn the_latest_lines_are_shown_however_many_pages_there_are() {
    let server = FakeServer::start().await;
    let line = |n: u32| json!({"id": n, "at": "t", "stream": "info", "text": n.to_string()});
    server.on("GET /api/functions/hello/logs?limit=1000", 200, json!({"data": [line(1), line(2)], "next": "2"}));
    server.on("GET /api/functions/hello/logs?limit=1000&after=2", 200, json!({"data": [line(3)]}));
    let done = User::of(&server).run(&["functions", "logs", "hello", "--limit", "2"]).await;
    assert_eq!(done.stdout, "t info   2\nt info   3\n", "{done:?}");
}

#[tokio::test]
async fn following_goes_on_where_the_stream_broke() {
    let server = FakeServer::start().await;
    let page = "GET /api/functions/hello/logs?limit=1000";
    server.on(page, 200, json!({"data": [{"id": 5, "text": "old"}, {"id": 6, "text": "line 0"}]}));
    let line = "GET /api/functions/hello/logs?after=6";
    let event = |id: u32| format!("id: {id}\nevent: log\ndata: {{\"text\":\"line {id}\"}}\n\n");
    let stream = [("content-type", "text/event-stream")];
    server.raw(line, 200, &stream, &(event(1) + &event(2))).raw(line, 200, &stream, &event(3));
    server.on(line, 404, json!({"error": {"code": "NOT_FOUND", "message": "deleted", "requestId": "r"}}));
    let done = User::of(&server).run(&["functions", "logs", "hello", "--follow", "--json", "--limit", "1"]).await;
    assert_eq!(
        done.stdout,
        "{\"id\":6,\"text\":\"line 0\"}\n{\"text\":\"line 1\"}\n{\"text\":\"line 2\"}\n{\"text\":\"line 3\"}\n"
    );
    assert_eq!(done.code, 7, "{done:?}");
    let asked: Vec<_> = server.asked().iter().map(|a| a.header("last-event-id").map(str::to_owned)).collect();
    assert_eq!(asked, [None, None, Some("2".into()), Some("3".into())]);
}
