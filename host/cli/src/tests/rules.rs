//! What holds for every command: streams, exit codes, secrets, confirmation.

use super::User;
use super::server::FakeServer;
use serde_json::{Value, json};

async fn full_server() -> FakeServer {
    let server = FakeServer::start().await;
    let function = json!({"name": "hello", "type": "code", "version": 3, "size": 9, "createdAt": "2024-01-08T12:00:00.000Z",
        "actions": [{"input": true, "output": true}], "imports": ["org-ai:events/events@0.1.0"]});
    server
        .on("GET /api/functions", 200, json!({"data": [function]}))
        .on("GET /api/functions/hello", 200, function.clone())
        .on("GET /api/functions/hello/versions", 200, json!({"data": [function]}))
        .on("POST /api/functions/hello/rollback", 200, function)
        .raw("DELETE /api/functions/hello", 204, &[], "")
        .on("GET /api/keys", 200, json!({"data": [{"id": "k", "name": "ci", "start": "sk_abc", "scopes": ["*.read"]}]}))
        .on("POST /api/keys", 201, json!({"id": "k", "name": "ci", "key": "sk_new", "scopes": ["*.read"]}))
        .raw("DELETE /api/keys/k", 204, &[], "")
        .on("GET /api/secrets", 200, json!({"data": [{"name": "A"}]}))
        .raw("PUT /api/secrets/A", 204, &[], "")
        .raw("DELETE /api/secrets/A", 204, &[], "")
        .on("GET /api/objects", 200, json!({"data": [{"ns": "https://a.example", "class": "Object"}]}))
        .on("POST /api/objects", 201, json!({"ns": "https://a.example", "class": "Object"}))
        .on("GET /api/actions-log?limit=20", 200, json!({"data": [{"id": "a", "verb": "invoke", "status": "failed"}]}))
        .on("GET /api/actions-log/a", 200, json!({"id": "a", "verb": "invoke"}))
        .on("GET /api/whoami", 200, json!({"actor": "x"}));
    with_schedules(&server);
    with_things(&server);
    with_lines(&server);
    with_people(&server);
    server
}

fn with_people(server: &FakeServer) {
    let request = json!({"id": "r", "method": "approve", "type": "expense", "status": "pending", "title": "a chair",
        "worker": "Human/ann", "assignees": [{"id": "https://a/Human/ann", "level": 0}]});
    let person = json!({"id": "ann", "type": "Human", "name": null, "data": {"roles": ["cfo"]}, "version": 1});
    server
        .on("GET /api/approvals?status=pending&limit=20", 200, json!({"data": [request]}))
        .on("GET /api/approvals/r", 200, request.clone())
        .on("GET /api/Human?limit=20", 200, json!({"data": [person]}))
        .on("POST /api/Human", 201, person.clone())
        .on("GET /api/Human/ann", 200, person.clone())
        .on("PATCH /api/Human/ann", 200, person)
        .on("POST /api/workers/Human%2Fann/ask", 202, json!({"requestId": "r", "status": "pending"}));
    for verb in ["approve", "reject", "answer", "comment", "delegate"] {
        server.on(&format!("POST /api/approvals/r/{verb}"), 200, request.clone());
    }
}

fn with_schedules(server: &FakeServer) {
    let schedule = json!({"name": "s", "status": "active", "canonical": "0 6 * * *", "handler": "report",
        "nextRunAt": "2024-01-09T06:00:00.000Z", "lastRunAt": null, "lastStatus": null, "runCount": 0});
    server
        .on("GET /api/schedules", 200, json!({"data": [schedule]}))
        .on("POST /api/schedules", 201, schedule.clone())
        .on("POST /api/schedules/s/pause", 200, schedule.clone())
        .on("POST /api/schedules/s/resume", 200, schedule)
        .on("POST /api/schedules/s/run", 202, json!({"actionId": "a"}))
        .raw("DELETE /api/schedules/s", 204, &[], "");
}

fn with_things(server: &FakeServer) {
    let thing =
        json!({"$id": "https://a/Note/n", "id": "n", "type": "Note", "name": null, "data": {"a": 1}, "version": 2});
    let edge = json!({"verb": "owns", "from": "https://a/Note/n", "to": "https://a/Note/m", "data": {}});
    let noun = json!({"noun": "Note", "plural": "Notes", "schema": null, "things": 1});
    let verb = json!({"action": "ship", "event": "shipped"});
    server
        .on("GET /api/Note/n", 200, thing.clone())
        .on("GET /api/Note?limit=20", 200, json!({"data": [thing], "total": 1}))
        .on("POST /api/Note", 201, thing.clone())
        .on("PATCH /api/Note/n", 200, thing.clone())
        .on("DELETE /api/Note/n", 200, thing.clone())
        .on("POST /api/Note/n/restore", 200, thing.clone())
        .on("POST /api/actions-log/a/undo", 200, thing)
        .on("GET /api/Note/n/versions?limit=20", 200, json!({"data": [{"version": 2}]}))
        .on("GET /api/Note/n/diff?from=%7E1&to=%7E0", 200, json!([{"op": "remove", "path": "/data/b"}]))
        .on("PUT /api/Note/n/relationships/owns?to=Note%2Fm", 201, edge.clone())
        .raw("DELETE /api/Note/n/relationships/owns?to=Note%2Fm", 204, &[], "")
        .on("GET /api/Note/n/relationships?limit=100", 200, json!({"data": [edge]}))
        .on("GET /api/Note/n/references?limit=100", 200, json!({"data": []}))
        .on("GET /api/nouns", 200, json!({"data": [noun]}))
        .on("GET /api/nouns/Note", 200, noun.clone())
        .on("PUT /api/nouns/Note", 200, noun)
        .raw("DELETE /api/nouns/Note", 204, &[], "")
        .on("GET /api/verbs", 200, json!({"data": [verb]}))
        .on("GET /api/verbs/ship", 200, verb.clone())
        .on("PUT /api/verbs/ship", 200, verb);
}

fn with_lines(server: &FakeServer) {
    let branch = json!({"name": "x", "base": 1, "head": 2, "ahead": 1, "behind": 0});
    let object = json!({"ns": "https://a.example", "class": "App", "sequence": 4, "relation": "child"});
    let event = json!({"sequence": 5, "verb": "created", "source": "s", "data": {}});
    let one = "/api/objects/https:%2F%2Fa.example";
    server
        .on("GET /api/branches", 200, json!({"data": [branch]}))
        .on("GET /api/branches/x", 200, branch.clone())
        .on("POST /api/branches", 201, branch)
        .raw("DELETE /api/branches/x", 204, &[], "")
        .on("POST /api/checkout", 200, json!({"session": "tok_secret", "branch": "x", "detached": false}))
        .on("POST /api/merge", 200, json!({"merged": true, "versions": [3], "changes": 1}))
        .on("GET /api/events?limit=20", 200, json!({"data": [event]}))
        .raw(
            "GET /api/events/stream?after=4",
            200,
            &[("content-type", "text/event-stream")],
            &format!("id: 5\ndata: {event}\n\n"),
        )
        .on("GET /api/$self", 200, object.clone())
        .on(&format!("GET {one}"), 200, object.clone())
        .on(&format!("PUT {one}"), 200, object)
        .raw(&format!("DELETE {one}?confirm=https%3A%2F%2Fa.example"), 204, &[], "");
    for op in ["fork", "compact", "move", "promote"] {
        server.on(&format!("POST /api/lifecycle/{op}"), 200, json!({"ns": "https://b.example"}));
    }
}

const COMMANDS: &[&[&str]] = &[
    &["functions", "list"],
    &["functions", "show", "hello"],
    &["functions", "rollback", "hello"],
    &["functions", "delete", "hello", "--yes"],
    &["keys", "list"],
    &["keys", "create", "ci", "--scope", "*.read", "--expires-in", "90d"],
    &["keys", "revoke", "k", "-y"],
    &["secrets", "set", "A"],
    &["secrets", "list"],
    &["secrets", "delete", "A", "--yes"],
    &["schedules", "list"],
    &["schedules", "add", "daily at 6am", "report"],
    &["schedules", "pause", "s"],
    &["schedules", "resume", "s"],
    &["schedules", "run", "s"],
    &["schedules", "remove", "s", "--yes"],
    &["objects", "list"],
    &["objects", "create", "https://a.example"],
    &["actions", "list"],
    &["actions", "show", "a"],
    &["actions", "undo", "a"],
    &["things", "get", "Note/n"],
    &["things", "list", "Note"],
    &["things", "create", "Note"],
    &["things", "update", "Note/n", "--set", "a=1"],
    &["things", "delete", "Note/n"],
    &["things", "restore", "Note/n"],
    &["things", "history", "Note/n"],
    &["things", "diff", "Note/n"],
    &["relate", "Note/n", "owns", "Note/m"],
    &["unrelate", "Note/n", "owns", "Note/m"],
    &["relations", "Note/n"],
    &["nouns", "list"],
    &["nouns", "show", "Note"],
    &["nouns", "set", "Note"],
    &["nouns", "delete", "Note", "--yes"],
    &["verbs", "list"],
    &["verbs", "show", "ship"],
    &["verbs", "set", "ship"],
    &["branches", "list"],
    &["branches", "show", "x"],
    &["branches", "create", "x"],
    &["branches", "delete", "x"],
    &["checkout", "x"],
    &["merge", "x"],
    &["events", "list"],
    &["events", "tail", "--limit", "1"],
    &["objects", "show"],
    &["objects", "relate", "https://a.example", "follower"],
    &["objects", "destroy", "https://a.example", "--yes"],
    &["fork", "https://b.example"],
    &["compact"],
    &["move", "ORD"],
    &["promote", "Note/n"],
    &["approvals", "list"],
    &["approvals", "show", "r"],
    &["approvals", "approve", "r", "--reason", "fine"],
    &["approvals", "reject", "r"],
    &["approvals", "answer", "r", "two"],
    &["approvals", "comment", "r", "why?"],
    &["approvals", "delegate", "r", "Human/bob"],
    &["humans", "list"],
    &["humans", "create", "ann", "--channel", "email:ann@acme.example", "--role", "cfo"],
    &["humans", "show", "ann"],
    &["humans", "update", "ann", "--inactive"],
    &["ask", "Human/ann", "How many?"],
    &["whoami"],
];

/// Commands whose result is a list, besides those that are called so.
const LISTS: &[&str] = &["list", "history", "diff", "relations"];

#[tokio::test]
async fn every_command_gives_one_json_document_or_something_to_read() {
    let server = full_server().await;
    let user = User::of(&server);
    for command in COMMANDS {
        let done = user.run_with(&[&["--json"], *command].concat(), "value").await;
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{command:?} {done:?}");
        let document = done.json();
        assert_eq!(document.is_array(), LISTS.iter().any(|list| command.contains(list)), "{command:?} {document}");
        let done = user.run_with(command, "value").await;
        assert_eq!(done.code, 0, "{command:?} {done:?}");
        assert!(!done.stdout.is_empty() && serde_json::from_str::<Vec<Value>>(&done.stdout).is_err(), "{command:?}");
    }
}

#[tokio::test]
async fn every_command_says_that_nobody_answers() {
    // A port that was free a moment ago, and that nobody listens on now.
    let url = format!("http://{}", std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let user = User::new().with("ORG_AI_API_URL", &url).with("ORG_AI_TOKEN", "sk_test");
    for command in COMMANDS {
        let done = user.run_with(&[command, &["--json"][..]].concat(), "value").await;
        let error = done.error();
        assert_eq!((done.code, &error["code"]), (5, &"NETWORK".into()), "{command:?} {done:?}");
        assert!(error["hint"].as_str().unwrap().contains("org.ai dev"), "{error}");
    }
}

#[tokio::test]
async fn what_cannot_be_taken_back_is_not_done_without_a_yes() {
    let server = full_server().await;
    let user = User::of(&server);
    for command in [
        &["functions", "delete", "hello"][..],
        &["keys", "revoke", "k"],
        &["secrets", "delete", "A"],
        &["schedules", "remove", "s"],
        &["nouns", "delete", "Note"],
        &["branches", "delete", "x", "--force"],
        &["objects", "destroy", "https://a.example"],
        &["compact", "--no-archive"],
    ] {
        let done = user.run_with(command, "y\n").await;
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.stderr.contains("--yes"), "{done:?}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn no_secret_is_shown_whatever_happens() {
    let server = full_server().await;
    server.on("PUT /api/secrets/B", 500, json!({"error": {"code": "INTERNAL", "message": "m", "requestId": "r"}}));
    let user = User::of(&server);
    for (command, code) in [(["secrets", "set", "A"], 0), (["secrets", "set", "B"], 1)] {
        for more in [&["--verbose"][..], &["--verbose", "--json"]] {
            let done = user.run_with(&[&command[..], more].concat(), "hunter2\n").await;
            assert_eq!(done.code, code, "{done:?}");
            assert!(done.stderr.contains("PUT http"), "{done:?}");
            for secret in ["hunter2", "sk_test"] {
                assert!(!done.stdout.contains(secret) && !done.stderr.contains(secret), "{done:?}");
            }
        }
    }
    assert_eq!(server.last().text(), r#"{"value":"hunter2"}"#);
    for command in [&["checkout", "x"][..], &["checkout"], &["things", "get", "Note/n"]] {
        for more in [&["--verbose"][..], &["--verbose", "--json"]] {
            let done = user.run(&[command, more].concat()).await;
            assert!(done.code == 0 && !format!("{done:?}").contains("tok_secret"), "{done:?}");
        }
    }
    assert_eq!(server.last().header("do-session"), Some("tok_secret"));
}

#[tokio::test]
async fn a_new_key_is_the_only_line_on_standard_output() {
    let server = full_server().await;
    let done = User::of(&server).run(&["keys", "create", "ci", "--scope", "*.read", "--expires-in", "90d"]).await;
    assert_eq!(done.stdout, "sk_new\n");
    assert_eq!(server.last().text(), r#"{"name":"ci","scopes":["*.read"],"expiresIn":7776000000}"#);
    assert_eq!(User::of(&server).run(&["keys", "create", "ci", "--scope", "nonsense"]).await.code, 2);
}

#[tokio::test]
async fn a_key_is_not_sent_over_a_network_in_clear() {
    let user = User::new().with("ORG_AI_TOKEN", "sk_test");
    let done = user.run(&["functions", "list", "--api-url", "http://10.1.2.3:9", "--json"]).await;
    assert_eq!((done.code, &done.error()["code"]), (2, &"INSECURE_URL".into()));
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let (from, to) = (FakeServer::start().await, full_server().await);
    from.raw("GET /api/functions", 307, &[("location", &format!("{}/api/functions", to.url))], "");
    let done = User::of(&from).run(&["functions", "list"]).await;
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stderr.contains(&to.url), "{done:?}");
    assert!(to.asked().is_empty());
}

#[tokio::test]
async fn an_answer_that_is_not_ours_is_a_clear_error() {
    let server = FakeServer::start().await;
    server.raw("GET /api/functions", 200, &[], "<html>hello</html>");
    server.raw("GET /api/keys", 502, &[("x-request-id", "proxy-1")], "<html>bad gateway</html>");
    let user = User::of(&server);
    assert_eq!(user.run(&["functions", "list", "--json"]).await.error()["code"], "NETWORK");
    let done = user.run(&["keys", "list", "--json"]).await;
    assert_eq!((done.code, &done.error()["requestId"]), (9, &"proxy-1".into()));
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_left_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let user = User::new().with("ORG_AI_API_URL", &url).with("ORG_AI_TOKEN", "sk_test");
    let done = user.run(&["functions", "list", "--timeout", "50ms", "--json"]).await;
    assert_eq!((done.code, &done.error()["code"]), (8, &"TIMED_OUT".into()));
}

#[tokio::test]
async fn tables_have_stable_columns_and_quiet_keeps_the_result() {
    let server = full_server().await;
    let user = User::of(&server);
    let done = user.run(&["functions", "list", "--quiet"]).await;
    let lines: Vec<Vec<&str>> = done.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "TYPE", "VERSION", "SIZE", "DEPLOYED", "DESCRIPTION"]);
    assert_eq!(lines[1], ["hello", "code", "3", "9", "2024-01-08T12:00:00.000Z", "-"]);
    let done = user.run(&["keys", "create", "ci", "--scope", "*.read", "-q"]).await;
    assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("sk_new\n", ""));
}
