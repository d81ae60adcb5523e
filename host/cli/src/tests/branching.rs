//! Branches, checkout, merge, events, undo and what is done to an object as a whole.

use super::User;
use super::server::FakeServer;
use serde_json::{Value, json};

fn body(server: &FakeServer) -> Value {
    serde_json::from_slice(&server.last().body).unwrap()
}

#[tokio::test]
async fn a_checkout_holds_for_the_commands_that_follow_until_it_is_cleared() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    let branches = json!({"data": [
        {"name": "main", "ahead": 0, "behind": 0, "head": 9, "base": 0},
        {"name": "experiment", "ahead": 2, "behind": 1, "head": 12, "base": 7, "forkedFrom": "main", "createdAt": "t"},
    ]});
    server.on("POST /api/checkout", 200, json!({"session": "tok-1", "branch": "experiment", "detached": false}));
    server.on("GET /api/branches", 200, branches).on("GET /api/Startup/acme", 200, json!({"id": "acme", "data": {}}));
    let done = user.run(&["checkout", "@experiment", "--json"]).await;
    assert_eq!(done.json(), json!({"branch": "experiment", "detached": false, "ref": "experiment"}));
    assert_eq!(server.last().text(), "{\"ref\":\"experiment\"}");

    user.run(&["things", "get", "Startup/acme"]).await;
    assert_eq!(server.last().header("do-session"), Some("tok-1"));
    assert_eq!(user.run(&["checkout"]).await.stdout, "On experiment\n");
    let listed = user.run(&["branches", "list"]).await.stdout;
    let lines: Vec<String> = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines[1..], ["main 0 0 9 0 - -", "experiment * 2 1 12 7 main t"]);

    // Another namespace has nothing checked out.
    user.run(&["things", "get", "Startup/acme", "--ns", "https://other.example"]).await;
    assert_eq!(server.last().header("do-session"), None);
    assert_eq!(user.run(&["checkout", "--clear"]).await.stdout, "Nothing is checked out now\n");
    user.run(&["things", "get", "Startup/acme"]).await;
    assert_eq!(server.last().header("do-session"), None);
    assert_eq!(user.run(&["checkout", "--json"]).await.json(), Value::Null);
}

#[tokio::test]
async fn a_past_state_is_checked_out_for_reading() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    server.on("POST /api/checkout", 200, json!({"session": "s", "version": 7, "detached": true, "expiresAt": "later"}));
    assert_eq!(user.run(&["checkout", "v7"]).await.stdout, "At v7, a past state: reads only, until later\n");
    let refused = json!({"error": {"code": "READ_ONLY_REF", "message": "@v7 is a read-only ref"}});
    server.on("POST /api/Startup", 409, refused);
    let done = user.run(&["things", "create", "Startup"]).await;
    assert!(done.code == 1 && done.stderr.contains("checkout --clear"), "{done:?}");
    let ended = json!({"error": {"code": "SESSION_INVALID", "message": "DO-Session has expired"}});
    server.on("GET /api/Startup/acme", 400, ended);
    let done = user.run(&["things", "get", "Startup/acme"]).await;
    assert!(done.code == 2 && done.stderr.contains("checkout --clear"), "{done:?}");
    server.forget("POST /api/checkout");
    server.on("POST /api/checkout", 200, json!({"branch": "x"}));
    assert_eq!(user.run(&["checkout", "x"]).await.code, 5, "an answer without a session");
    for bad in ["a..b", "v1~1", "@", ""] {
        assert_eq!(user.run(&["checkout", bad]).await.code, 2, "{bad:?}");
    }
}

#[tokio::test]
async fn a_branch_is_made_shown_and_deleted() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    let branch = json!({"name": "feature/x", "base": 7, "head": 7, "forkedFrom": "v7", "ahead": 0, "behind": 3, "things": ["Startup/acme"]});
    server.on("POST /api/branches", 201, branch.clone());
    let done = user.run(&["branches", "create", "feature/x", "--from", "@v7", "--thing", "Startup/acme"]).await;
    assert_eq!(done.stdout, "Created feature/x at v7; `org.ai checkout feature/x` goes there\n");
    assert_eq!(body(&server), json!({"name": "feature/x", "from": "v7", "things": ["Startup/acme"]}));
    server.on("GET /api/branches/feature%2Fx", 200, branch);
    let shown = user.run(&["branches", "show", "feature/x"]).await.stdout;
    assert!(shown.contains("behind:      3\n") && shown.contains("only:        Startup/acme\n"), "{shown}");

    let unmerged = json!({"error": {"code": "BRANCH_UNMERGED", "message": "feature/x has 2 changes"}});
    server.on("DELETE /api/branches/feature%2Fx", 409, unmerged);
    let done = user.run(&["branches", "delete", "feature/x", "--json"]).await;
    assert!(done.code == 1 && done.error()["hint"].as_str().unwrap().contains("org.ai merge feature/x"));
    assert_eq!(user.run(&["branches", "delete", "feature/x", "--force"]).await.code, 2, "nobody is there to say yes");
    server.raw("DELETE /api/branches/feature%2Fx?force=true", 204, &[], "");
    server.on("POST /api/checkout", 200, json!({"session": "s", "branch": "feature/x", "detached": false}));
    user.run(&["checkout", "feature/x"]).await;
    let done = user.run(&["branches", "delete", "feature/x", "--force", "--yes"]).await;
    assert_eq!(
        (done.stdout.as_str(), done.stderr.as_str()),
        ("Deleted feature/x\n", "feature/x was checked out; now nothing is\n")
    );
    assert!(user.run(&["checkout"]).await.stdout.starts_with("Nothing is checked out"));
    for bad in ["main", "v12", "~a", "a b", "2024-01-01", "-a"] {
        assert_eq!(user.run(&["branches", "create", bad]).await.code, 2, "{bad}");
    }
}

#[tokio::test]
async fn a_merge_says_what_it_wrote() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    user.file("beta.json", "{\"address.city\":\"Oslo\"}");
    let merged = json!({"merged": true, "fastForward": false, "versions": [7, 8, 9], "changes": 3, "conflicts": []});
    server.on("POST /api/merge", 200, merged.clone());
    let done = user
        .run(&[
            "merge",
            "experiment",
            "--into",
            "main",
            "--strategy",
            "ours",
            "--message",
            "why",
            "--delete-branch",
            "--resolve",
            "Startup/acme=theirs",
            "--resolve",
            "Startup/beta=beta.json",
            "--resolve",
            "Startup/c={\"n\":1}",
        ])
        .await;
    assert_eq!(done.stdout, "Merged experiment into main: 3 things change (v7 to v9)\n", "{done:?}");
    let resolutions =
        json!({"Startup/acme": "theirs", "Startup/beta": {"address.city": "Oslo"}, "Startup/c": {"n": 1}});
    assert_eq!(
        body(&server),
        json!({"source": "experiment", "into": "main", "strategy": "ours", "message": "why", "deleteBranch": true, "resolutions": resolutions})
    );
    assert_eq!(user.run(&["merge", "experiment", "--json"]).await.json(), merged);
    server.forget("POST /api/merge");
    for (answer, arguments, told) in [
        (
            json!({"merged": true, "fastForward": true, "versions": [], "changes": 0}),
            &["--into", "main"][..],
            "Nothing to merge: main has all of experiment\n",
        ),
        (
            json!({"merged": false, "fastForward": true, "versions": [], "changes": 1}),
            &["--dry-run"],
            "Would merge experiment into the branch in effect: 1 thing changes, fast-forward, no conflicts\n",
        ),
    ] {
        server.on("POST /api/merge", 200, answer);
        assert_eq!(user.run(&[&["merge", "experiment"], arguments].concat()).await.stdout, told);
        server.forget("POST /api/merge");
    }
    for bad in ["Startup/acme", "acme=ours", "Startup/acme@v1=ours", "Startup/acme={"] {
        assert_eq!(user.run(&["merge", "x", "--resolve", bad]).await.code, 2, "{bad}");
    }
    assert_eq!(user.run(&["merge", "x", "--resolve", "Startup/acme=nofile"]).await.code, 7);
}

#[tokio::test]
async fn conflicts_are_a_table_for_a_person_and_details_for_a_program() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    let conflicts = json!([
        {"type": "Startup", "id": "acme", "path": "age", "kind": "field", "base": 1, "ours": 2, "theirs": 3},
        {"type": "Startup", "id": "b", "path": "", "kind": "delete/modify", "base": {"a": 1}, "ours": null, "theirs": {"a": 2}},
    ]);
    let details = json!({"merged": false, "conflicts": conflicts});
    let error = json!({"code": "MERGE_CONFLICT", "message": "2 conflicts have to be decided; nothing was written", "details": details});
    server.on("POST /api/merge", 409, json!({"error": error}));
    let done = user.run(&["merge", "x"]).await;
    assert_eq!((done.code, done.stdout.as_str()), (1, ""), "{done:?}");
    let lines: Vec<String> =
        done.stderr.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines[..4],
        [
            "THING PATH BASE OURS THEIRS",
            "Startup/acme age 1 2 3",
            "Startup/b (all) (delete/modify) {\"a\":1} - {\"a\":2}",
            "error: 2 conflicts have to be decided; nothing was written",
        ]
    );
    assert!(lines[4].starts_with("hint: decide: --resolve"), "{lines:?}");
    let error = user.run(&["merge", "x", "--json"]).await.error();
    assert_eq!((&error["code"], &error["details"]), (&json!("MERGE_CONFLICT"), &details));
}

#[tokio::test]
async fn events_are_followed_from_now_on_across_a_broken_connection() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    server.on("GET /api/$self", 200, json!({"ns": "https://a.example", "sequence": 41}));
    let line = "GET /api/events/stream?after=41&verb=created&source=Startup%2Facme";
    let event = |n: u32| {
        let data = json!({"id": "e", "sequence": n, "verb": "created", "source": "a.example/Startup/acme", "createdAt": "t", "data": {"version": n, "changes": ["city"]}});
        format!("id: {n}\nevent: created\ndata: {data}\n\n")
    };
    let stream = [("content-type", "text/event-stream")];
    server.raw(line, 200, &stream, &(event(42) + ": heartbeat\n\nevent: lagged\ndata: {}\n\n" + &event(43)));
    server.raw(line, 200, &stream, &event(44));
    let filter = ["events", "tail", "--verb", "created", "--source", "Startup/acme", "--limit", "3"];
    let done = user.run(&filter).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert_eq!(done.stdout.lines().next(), Some("    42 t created          a.example/Startup/acme  v42 city"));
    assert_eq!(done.stdout.lines().count(), 3, "{done:?}");
    assert_eq!(server.last().header("last-event-id"), Some("43"));

    server.raw("GET /api/events/stream?after=0", 200, &stream, &event(1));
    let done = user.run(&["events", "tail", "--after", "0", "--limit", "1", "--json"]).await;
    assert_eq!(done.json()["sequence"], 1);
}

#[tokio::test]
async fn events_are_listed_with_where_they_go_on() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    let event = json!({"sequence": 8, "verb": "created", "source": "s", "createdAt": "t", "data": null});
    server.on("GET /api/events?after=7&limit=1", 200, json!({"data": [event], "next": "8"}));
    let done = user.run(&["events", "list", "--after", "7", "--limit", "1"]).await;
    assert_eq!(
        (done.stdout.as_str(), done.stderr.as_str()),
        ("     8 t created          s\n", "there are more: --after 8\n")
    );
}

#[tokio::test]
async fn an_action_is_undone_unless_the_thing_changed_since() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    let changed = json!({"error": {"code": "CHANGED_SINCE", "message": "it was written since"}});
    let thing = json!({"type": "Startup", "id": "acme", "version": 5, "branch": "main", "deleted": true});
    server.on("POST /api/actions-log/a-1/undo", 409, changed).on("POST /api/actions-log/a-1/undo", 200, thing);
    let done = user.run(&["actions", "undo", "a-1"]).await;
    assert!(done.code == 1 && done.stderr.contains("--force"), "{done:?}");
    let done = user.run(&["actions", "undo", "a-1", "--force"]).await;
    assert_eq!(done.stdout, "Undone: Startup/acme  v5 on main, deleted\n");
    assert_eq!(server.last().text(), "{\"force\":true}");
}

#[tokio::test]
async fn operations_on_the_object_are_waited_for() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    for (arguments, op, sent, answer, told) in [
        (
            &["fork", "https://copy.example", "--branch", "x"][..],
            "fork",
            json!({"to": "https://copy.example", "branch": "x"}),
            json!({"ns": "https://copy.example", "things": 12, "forkedFrom": "https://a.example@v34"}),
            "Forked into https://copy.example: 12 things from https://a.example@v34\n",
        ),
        (
            &["compact", "--keep", "3", "--preserve", "v7", "--preserve", "Startup/acme"],
            "compact",
            json!({"keep": 3, "preserve": ["v7", "Startup/acme"]}),
            json!({"actionId": "a", "result": {"thingsCompacted": 1, "versionsArchived": 9, "actionsArchived": 2, "eventsArchived": 3, "bytesFreed": 4096, "archive": "arc"}}),
            "Compacted: 1 thing, 9 versions, 2 actions, 3 events; 4096 bytes freed; archive arc\n",
        ),
        (
            &["compact", "--restore", "arc"],
            "restore",
            json!({"archive": "arc"}),
            json!({"archive": "arc", "versions": 9, "actions": 1, "events": 0}),
            "Restored: 9 versions, 1 action, 0 events\n",
        ),
        (
            &["move", "ORD"],
            "move",
            json!({"location": "ORD"}),
            json!({"ns": "https://a.example", "location": "enam", "from": "local"}),
            "Moved to enam\n",
        ),
        (
            &["move", "ORD", "--compact"],
            "move",
            json!({"location": "ORD", "compact": true}),
            json!({"ns": "https://a.example", "location": "ORD", "from": "local", "compacted": {"versionsArchived": 9}}),
            "Moved to ORD\n",
        ),
        (
            &["promote", "Startup/acme", "--history"],
            "promote",
            json!({"type": "Startup", "id": "acme", "history": true}),
            json!({"ns": "https://a.example/acme"}),
            "Promoted Startup/acme to https://a.example/acme\n",
        ),
    ] {
        let line = format!("POST /api/lifecycle/{op}");
        server.on(&line, 200, answer);
        let done = user.run(arguments).await;
        assert_eq!((done.code, done.stdout.as_str()), (0, told), "{done:?}");
        assert_eq!((body(&server), server.last().header("prefer")), (sent, Some("wait")));
        server.forget(&line);
        server.on(&line, 202, json!({"actionId": "act-1"}));
        assert!(user.run(arguments).await.stdout.contains("org.ai actions show act-1"));
        server.forget(&line);
    }
    for bad in [
        &["compact", "--before", "soon"][..],
        &["compact", "--no-archive"],
        &["fork", "not a url"],
        &["promote", "Startup/acme@v1"],
    ] {
        assert_eq!(user.run(bad).await.code, 2, "{bad:?}");
    }
}

#[tokio::test]
async fn an_object_is_shown_related_and_destroyed_only_when_confirmed() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    let object = json!({"ns": "https://b.example", "class": "App", "relation": "follower", "children": {"count": 2}, "region": null});
    let one = "/api/objects/https:%2F%2Fb.example";
    server.on(&format!("GET {one}"), 200, object.clone()).on("GET /api/$self", 200, object.clone());
    for arguments in [&["objects", "show"][..], &["objects", "show", "https://b.example"]] {
        let shown = user.run(arguments).await.stdout;
        assert!(shown.contains("children:       2\n") && !shown.contains("region"), "{shown}");
    }
    server.on(&format!("PUT {one}"), 200, object);
    let done = user.run(&["objects", "relate", "https://b.example", "follower"]).await;
    assert_eq!(done.stdout, "https://b.example is a follower of this object\n");
    assert_eq!(server.last().text(), "{\"relation\":\"follower\"}");
    let wish =
        ["objects", "relate", "https://b.example", "follower", "--event", "Customer.*", "--filter", "data.n > 1"];
    assert_eq!(user.run(&wish).await.code, 0);
    assert_eq!(server.last().text(), r#"{"relation":"follower","event":"Customer.*","filter":"data.n > 1"}"#);

    server.raw(&format!("DELETE {one}?confirm=https%3A%2F%2Fb.example"), 204, &[], "");
    let asked = server.asked().len();
    let done = user.run(&["objects", "destroy", "https://b.example", "--json"]).await;
    assert_eq!((done.code, &done.error()["code"]), (2, &json!("CONFIRMATION_REQUIRED")));
    assert_eq!(server.asked().len(), asked);
    let done = user.run(&["objects", "destroy", "https://b.example", "--yes"]).await;
    assert_eq!(done.stdout, "Destroyed https://b.example\n", "{done:?}");
}
