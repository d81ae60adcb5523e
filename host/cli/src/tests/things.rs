//! `things …`, relations, nouns and verbs: what is sent, and what is shown.

use super::User;
use super::server::FakeServer;
use serde_json::{Value, json};

fn acme(version: u64) -> Value {
    json!({
        "$id": "https://a.example/Startup/acme", "$type": "https://a.example/Startup", "id": "acme", "type": "Startup",
        "name": "Acme", "data": {"city": "Oslo"}, "version": version, "branch": "main",
        "createdAt": "2024-01-08T12:00:00.000Z", "updatedAt": "2024-01-09T12:00:00.000Z",
        "createdBy": "https://a.example/Key/root", "updatedBy": "https://a.example/Key/root"
    })
}

fn body(asked: &super::server::Asked) -> Value {
    serde_json::from_slice(&asked.body).unwrap()
}

#[tokio::test]
async fn a_thing_is_asked_for_by_path_and_its_ref_by_header() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    for (arguments, line, at) in [
        (&["Startup/acme"][..], "GET /api/Startup/acme", None),
        (&["startups/acme@v3"], "GET /api/startups/acme", Some("@v3")),
        (&["startup", "acme", "--at", "experiment~1"], "GET /api/startup/acme", Some("@experiment~1")),
        (&["Startup/acme", "--ref", "@2024-01-08"], "GET /api/Startup/acme", Some("@2024-01-08")),
        (&["Human", "john@acme.com"], "GET /api/Human/john%40acme.com", None),
        (&["Human/john%40acme.com@~1"], "GET /api/Human/john%40acme.com", Some("@~1")),
        (&["Note", "a/b%"], "GET /api/Note/a%2Fb%25", None),
    ] {
        server.on(line, 200, acme(3));
        let done = user.run(&[&["things", "get", "--json"], arguments].concat()).await;
        assert_eq!((done.code, done.json()), (0, acme(3)), "{arguments:?} {done:?}");
        assert_eq!(server.last().header("do-ref"), at, "{arguments:?}");
        server.forget(line);
    }
    server.on("GET /api/Startup/acme", 200, acme(3));
    let shown = user.run(&["things", "get", "Startup/acme"]).await.stdout;
    assert!(shown.starts_with("Startup/acme  v3 on main\nname:     Acme\nupdated:  2024-01-09"), "{shown}");
    assert!(shown.ends_with("{\n  \"city\": \"Oslo\"\n}\n"), "{shown}");
}

#[tokio::test]
async fn what_names_no_thing_never_reaches_the_server() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    for arguments in [
        &["things", "get", "acme"][..],
        &["things", "get", "Startup/acme@v1", "--at", "v2"],
        &["things", "get", "Startup/acme@x@y"],
        &["things", "get", "accounts", "1"],
        &["things", "list", "../keys"],
        &["things", "list", "Startup", "--where", "age"],
        &["things", "list", "Startup", "--limit", "101"],
        &["things", "update", "Startup/acme"],
        &["things", "update", "Startup/acme", "--set", "city"],
        &["things", "update", "Startup/acme", "--if-version", "x", "--set", "a=1"],
        &["things", "update", "Startup/acme", "--data", "[]", "--set", "a=1"],
        &["things", "create", "Startup", "--data", "[1]"],
        &["things", "diff", "Startup/acme@v3"],
        &["relate", "Startup/acme", "Owns", "Site/home"],
        &["relate", "Startup/acme", "owns", "Site/home@v1"],
        &["nouns", "set", "startup"],
    ] {
        let done = user.run(arguments).await;
        assert_eq!((done.code, done.stdout.as_str()), (2, ""), "{done:?}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn what_is_made_is_sent_as_name_and_data() {
    let server = FakeServer::start().await;
    server.on("POST /api/Startup", 201, acme(1));
    let user = User::of(&server);
    user.file("acme.json", acme(7).to_string());
    for (arguments, stdin, sent) in [
        (&["Startup"][..], "", json!({"data": {}})),
        (
            &["Startup/acme", "--name", "Acme", "--set", "n=1", "-s", "a.b=x"],
            "",
            json!({"id": "acme", "name": "Acme", "data": {"n": 1, "a": {"b": "x"}}}),
        ),
        (
            &["Startup", "a@b", "--data", "-"],
            "{\"name\":\"N\",\"x\":[1]}",
            json!({"id": "a@b", "name": "N", "data": {"x": [1]}}),
        ),
        (
            &["Startup/copy", "--data", "@acme.json"],
            "",
            json!({"id": "copy", "name": "Acme", "data": {"city": "Oslo"}}),
        ),
    ] {
        let done = user.run_with(&[&["things", "create"], arguments].concat(), stdin).await;
        assert_eq!((done.code, done.stdout.as_str()), (0, "Created Startup/acme  v1 on main\n"), "{done:?}");
        assert_eq!(body(&server.last()), sent);
    }
    server.on("POST /api/Startup?revive=true", 201, acme(9));
    let done = user.run(&["things", "create", "Startup/acme@experiment", "--revive", "--idempotency-key", "k1"]).await;
    assert_eq!(done.code, 0, "{done:?}");
    let asked = server.last();
    assert_eq!((asked.header("do-ref"), asked.header("idempotency-key")), (Some("@experiment"), Some("k1")));
}

#[tokio::test]
async fn a_change_is_a_merge_patch_a_json_patch_or_the_whole() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    server.on("PATCH /api/Startup/acme", 200, acme(8)).on("PUT /api/Startup/acme", 200, acme(9));
    let merge = "application/merge-patch+json";
    for (arguments, kind, sent) in [
        (
            &["--set", "city=Oslo", "--unset", "team.lead", "--if-version", "7"][..],
            merge,
            json!({"data": {"city": "Oslo", "team": {"lead": null}}}),
        ),
        (&["--name", "New"], merge, json!({"name": "New"})),
        (&["--data", "{\"id\":\"other\",\"data\":{\"x\":1}}"], merge, json!({"data": {"x": 1}})),
        (
            &["--data", "[{\"op\":\"remove\",\"path\":\"/data/x\"}]"],
            "application/json-patch+json",
            json!([{"op": "remove", "path": "/data/x"}]),
        ),
        (&["--replace", "--set", "x=1"], "application/json", json!({"data": {"x": 1}})),
    ] {
        let done = user.run(&[&["things", "update", "Startup/acme"], arguments].concat()).await;
        assert!(done.code == 0 && done.stdout.starts_with("Updated Startup/acme  v"), "{done:?}");
        let asked = server.last();
        assert_eq!((asked.header("content-type"), body(&asked)), (Some(kind), sent));
        assert_eq!(asked.header("if-match"), arguments.contains(&"--if-version").then_some("\"v7\""));
    }
    server.forget("PATCH /api/Startup/acme");
    server.raw("PATCH /api/Startup/acme", 200, &[("do-unchanged", "1")], &acme(8).to_string());
    let done = user.run(&["things", "update", "Startup/acme", "--set", "city=Oslo"]).await;
    assert_eq!(done.stdout, "Unchanged: Startup/acme  v8 on main\n");
}

#[tokio::test]
async fn a_refused_write_says_what_to_do() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    let line = "PATCH /api/Startup/acme";
    for (status, error, code, hint) in [
        (412, json!({"code": "PRECONDITION_FAILED", "message": "the newest is v9"}), 1, "look at the newest version"),
        (409, json!({"code": "READ_ONLY_REF", "message": "m"}), 1, "--at NAME"),
        (404, json!({"code": "NOT_FOUND", "message": "there is no Startup/acme"}), 7, "things history Startup/acme"),
        (410, json!({"code": "GONE", "message": "archived"}), 7, "things history Startup/acme"),
    ] {
        server.on(line, status, json!({"error": error}));
        let done = user.run(&["things", "update", "Startup/acme", "--set", "a=1", "--json"]).await;
        assert_eq!(done.code, code, "{done:?}");
        assert!(done.error()["hint"].as_str().unwrap().contains(hint), "{done:?}");
        server.forget(line);
    }
    let details = json!([{"field": "age", "rule": "type", "message": "age is a number"}]);
    server.on(line, 422, json!({"error": {"code": "VALIDATION_FAILED", "message": "1 field", "details": details}}));
    let done = user.run(&["things", "update", "Startup/acme", "--set", "age=x"]).await;
    assert_eq!((done.code, done.stderr.as_str()), (2, "error: 1 field\n  age: age is a number\n"));
}

#[tokio::test]
async fn a_list_is_filtered_sorted_and_walked_to_its_end() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    let query = "GET /api/Startup?age_gt=10&status=active&sort=-updatedAt&limit=2";
    server.on(query, 200, json!({"data": [acme(3)], "total": 5, "limit": 2, "offset": 0, "next": "c1"}));
    let arguments =
        ["things", "list", "Startup", "--where", "age>10", "--where", "status=active", "--sort", "-updatedAt"];
    let done = user.run(&[&arguments[..], &["--limit", "2"]].concat()).await;
    assert_eq!(done.code, 0, "{done:?}");
    let lines: Vec<Vec<&str>> = done.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["ID", "NAME", "VERSION", "UPDATED", "FIELDS"]);
    assert_eq!(lines[1], ["acme", "Acme", "v3", "2024-01-09T12:00:00.000Z", "{\"city\":\"Oslo\"}"]);
    assert!(done.stderr.contains("1 of 5"), "{done:?}");

    let all = "GET /api/startups?includeDeleted=true&limit=100";
    server.on(all, 200, json!({"data": [acme(1)], "total": 2, "next": "c 1"}));
    server.on(&format!("{all}&cursor=c+1"), 200, json!({"data": [acme(2)], "total": 2}));
    let done = user.run(&["things", "list", "startups", "--all", "--deleted", "--at", "experiment", "--json"]).await;
    assert_eq!(done.json(), json!([acme(1), acme(2)]));
    assert!(server.asked().iter().skip(1).all(|asked| asked.header("do-ref") == Some("@experiment")));

    server.on("GET /api/Startup?fields=city%2Cname&limit=20", 200, json!({"data": [acme(1)], "total": 1}));
    let done = user.run(&["things", "list", "Startup", "--fields", "city,name"]).await;
    assert_eq!(
        done.stdout.split_whitespace().collect::<Vec<_>>(),
        ["ID", "VERSION", "CITY", "NAME", "acme", "v1", "Oslo", "Acme"]
    );
}

#[tokio::test]
async fn history_diff_delete_and_restore_tell_what_changed() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    let version = |n: u64, verb: &str, changes: Value| json!({"version": n, "branch": "main", "deleted": verb == "delete", "action": {"id": "a", "verb": verb, "actor": "ann"}, "createdAt": "t", "changes": changes});
    let versions = [
        version(3, "delete", json!([])),
        version(2, "update", json!(["city", "name"])),
        version(1, "create", json!([])),
    ];
    server.on("GET /api/Startup/acme/versions?limit=20", 200, json!({"data": versions, "next": null}));
    let done = user.run(&["things", "history", "Startup/acme"]).await;
    let lines: Vec<String> =
        done.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "VERSION BRANCH DID CHANGED BY AT",
            "v3 main delete - ann t",
            "v2 main update city, name ann t",
            "v1 main create - ann t"
        ]
    );

    let ops = json!([{"op": "replace", "path": "/data/city", "value": "Bergen"}]);
    server.on("GET /api/Startup/acme/diff?from=%7E1&to=%7E0", 200, ops.clone()).on(
        "GET /api/Startup/acme",
        200,
        acme(1),
    );
    let done = user.run(&["things", "diff", "Startup/acme"]).await;
    assert_eq!(done.stdout, "Startup/acme  ~1 → ~0\n- city: \"Oslo\"\n+ city: \"Bergen\"\n");
    assert_eq!(server.last().header("do-ref"), Some("@~1"));
    assert_eq!(user.run(&["things", "diff", "Startup/acme", "--json"]).await.json(), ops);

    server.on("DELETE /api/Startup/acme", 200, acme(4)).on("POST /api/Startup/acme/restore", 200, acme(5));
    let done = user.run(&["things", "delete", "Startup/acme", "--if-version", "v3"]).await;
    assert_eq!(done.stdout, "Deleted Startup/acme (v4); `org.ai things restore Startup/acme` brings it back\n");
    assert_eq!(server.last().header("if-match"), Some("\"v3\""));
    assert_eq!(user.run(&["things", "restore", "Startup/acme"]).await.stdout, "Restored Startup/acme  v5 on main\n");
}

#[tokio::test]
async fn edges_are_made_listed_both_ways_and_removed() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    let edge = json!({"id": "e", "verb": "owns", "from": "https://a/Startup/acme", "to": "https://a/Site/home", "data": {}, "createdAt": "t"});
    server.on("PUT /api/Startup/acme/relationships/owns?to=Site%2Fhome", 201, edge.clone());
    let done = user.run(&["relate", "Startup/acme", "owns", "Site/home", "--data", "{\"share\":1}"]).await;
    assert_eq!(done.stdout, "Related: Startup/acme owns Site/home\n", "{done:?}");
    assert_eq!(server.last().text(), "{\"share\":1}");

    let back = json!({"id": "f", "verb": "foundedBy", "from": "https://a/Human/ann", "to": "https://a/Startup/acme", "data": {"year": 1}, "createdAt": "t"});
    server.on("GET /api/Startup/acme/relationships?limit=100", 200, json!({"data": [edge]}));
    server.on("GET /api/Startup/acme/references?limit=100", 200, json!({"data": [back]}));
    let done = user.run(&["relations", "Startup/acme"]).await;
    let lines: Vec<String> =
        done.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines[1..], ["→ owns https://a/Site/home - t", "← foundedBy https://a/Human/ann {\"year\":1} t"]);
    assert_eq!(user.run(&["relations", "Startup/acme", "--out", "--json"]).await.json()[0]["direction"], "out");

    server.raw("DELETE /api/Startup/acme/relationships/owns?to=https%3A%2F%2Fb.example%2Fx", 204, &[], "");
    let done = user.run(&["unrelate", "Startup/acme", "owns", "https://b.example/x", "--json"]).await;
    assert_eq!(done.json()["removed"], true);
}

#[tokio::test]
async fn a_noun_keeps_what_is_not_given() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    let known = json!({"noun": "Startup", "plural": "Startups", "description": null, "schema": {"name": "string"}, "warnings": ["Startup is also a word"]});
    server.on("PUT /api/nouns/Startup", 200, known.clone());
    let set =
        ["nouns", "set", "Startup", "--field", "age=number?", "--field", "owner={\"type\":\"string\",\"unique\":true}"];
    let done = user.run(&set).await;
    assert_eq!(
        (done.stdout.as_str(), done.stderr.as_str()),
        ("Set Startup (plural Startups)\n", "warning: Startup is also a word\n")
    );
    let owner = json!({"type": "string", "unique": true});
    assert_eq!(body(&server.last()), json!({"schema": {"age": "number?", "owner": owner}}));

    server.on("GET /api/nouns/Startup", 200, known);
    assert_eq!(user.run(&set).await.code, 0);
    assert_eq!(
        body(&server.last()),
        json!({"plural": "Startups", "schema": {"name": "string", "age": "number?", "owner": owner}})
    );
    user.file("s.json", r#"{"type":"object","properties":{"a":{"type":"string"}}}"#);
    assert_eq!(user.run(&["nouns", "set", "Startup", "--schema", "s.json", "--class", "Agent"]).await.code, 0);
    let sent = body(&server.last());
    assert_eq!((&sent["schema"]["type"], &sent["doClass"]), (&json!("object"), &json!("Agent")));
    assert_eq!(user.run(&["nouns", "set", "Startup", "--schema", "s.json", "--field", "b=string"]).await.code, 2);
    assert_eq!(user.run(&["nouns", "delete", "Startup"]).await.code, 2);
    server.raw("DELETE /api/nouns/Startup", 204, &[], "");
    assert_eq!(user.run(&["nouns", "delete", "Startup", "--yes"]).await.stdout, "Deleted Startup\n");
    assert!(user.run(&["nouns", "show", "Startup"]).await.stdout.contains("\"name\": \"string\""));
}

#[tokio::test]
async fn a_verb_is_registered_with_the_forms_that_are_given() {
    let server = FakeServer::start().await;
    let user = User::of(&server);
    let ship = json!({"action": "ship", "activity": "shipping", "event": "shipped", "predicate": "ships", "reverseBy": "shippedBy", "reverseAt": "shippedAt", "reverseIn": "shippedIn", "inverse": null});
    server.on("PUT /api/verbs/ship", 200, ship.clone()).on("GET /api/verbs", 200, json!({"data": [ship]}));
    let done = user.run(&["verbs", "set", "ship", "--event", "shipped"]).await;
    assert_eq!(done.stdout, "Set ship: shipping, shipped, ships\n");
    assert_eq!(server.last().text(), "{\"event\":\"shipped\"}");
    let listed = user.run(&["verbs", "list"]).await.stdout;
    assert!(listed.lines().nth(1).unwrap().starts_with("ship"), "{listed}");
}
