//! Branches, sessions, merges and undo, as HTTP has them.

use super::*;
use model::flat::Input;
use runtime::{Object, Op, View, Write};
use serde_json::json;
use types::{Ref, ThingKey};

fn at(text: &str) -> View {
    View::of(if text.is_empty() { Ref::Head } else { Ref::parse(text).unwrap() })
}

impl Server {
    /// Writes the whole of a thing on a branch; answers its version.
    pub(super) async fn put(&self, object: &Object, branch: &str, thing: &str, body: Value) -> u64 {
        // Ids of one instant have no order.
        self.test.clock.advance(std::time::Duration::from_millis(1));
        let key = ThingKey::parse(thing).unwrap();
        let op = Op::Put { key, input: Input::read(body).unwrap(), upsert: true };
        let caller = self.test.caller(&["*.*"]).unwrap();
        object.write(&caller, &at(branch), Write::of(op)).await.unwrap().shown.row.version
    }

    async fn remove(&self, object: &Object, branch: &str, thing: &str) {
        let op = Op::Delete { key: ThingKey::parse(thing).unwrap() };
        let caller = self.test.caller(&["*.*"]).unwrap();
        object.write(&caller, &at(branch), Write::of(op)).await.unwrap();
    }

    async fn data(&self, object: &Object, branch: &str, thing: &str) -> Option<Value> {
        let caller = self.test.caller(&["*.*"]).unwrap();
        let found = object.thing(&caller, &ThingKey::parse(thing).unwrap(), &at(branch)).await;
        found.ok().map(|shown| shown.row.data.to_value())
    }

    async fn branch(&self, body: Value) -> Answer {
        self.call("POST", "/api/branches", &body.to_string()).await
    }

    async fn merge(&self, body: Value) -> Answer {
        self.call("POST", "/api/merge", &body.to_string()).await
    }

    async fn delete(&self, uri: &str) -> Answer {
        self.send(self.request("DELETE", uri).body(Body::empty()).unwrap()).await
    }

    async fn with_session(&self, method: &str, uri: &str, session: &str, body: &Value) -> Answer {
        let request = self.request(method, uri).header("content-type", "application/json");
        self.send(request.header("do-session", session).body(Body::from(body.to_string())).unwrap()).await
    }
}

async fn last_version(server: &Server, object: &Object) -> u64 {
    server.test.node.object(object.namespace()).await.unwrap();
    let caller = server.test.caller(&["*.*"]).unwrap();
    object.branches(&caller).await.unwrap().iter().map(|branch| branch.head).max().unwrap_or(0)
}

#[tokio::test]
async fn a_branch_is_made_listed_followed_and_ended() {
    let server = Server::start().await;
    let root = server.test.root().await.unwrap();
    let base = server.put(&root, "", "Startup/acme", json!({"a": 1})).await;
    let made = server.branch(json!({"name": "feature/x"})).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.header("location"), "/api/branches/feature%2Fx");
    let shown = made.json();
    assert_eq!((&shown["name"], &shown["base"], &shown["head"]), (&json!("feature/x"), &json!(base), &json!(base)));
    assert_eq!((&shown["forkedFrom"], &shown["parent"]), (&json!("main"), &json!("main")));
    assert_eq!(shown["createdBy"], "https://root.test/Service/root");
    assert!(shown.get("things").is_none());

    let written = server.put(&root, "feature/x", "Startup/acme", json!({"a": 2})).await;
    server.put(&root, "", "Startup/other", json!({})).await;
    let list = server.get("/api/branches").await.json();
    let names: Vec<_> = list["data"].as_array().unwrap().iter().map(|b| b["name"].clone()).collect();
    assert_eq!(names, ["main", "feature/x"]);
    let one = server.get("/api/branches/feature%2Fx").await.json();
    assert_eq!((&one["head"], &one["ahead"], &one["behind"]), (&json!(written), &json!(1), &json!(1)));
    assert_eq!(one, list["data"][1]);
    assert_eq!(server.get("/api/branches/main").await.json(), list["data"][0]);

    for (uri, status, code) in [
        ("/api/branches/feature%2Fx", 409, "BRANCH_UNMERGED"),
        ("/api/branches/main", 409, "BRANCH_IS_MAIN"),
        ("/api/branches/nope", 404, "BRANCH_NOT_FOUND"),
        ("/api/branches/v12", 404, "BRANCH_NOT_FOUND"),
        ("/api/branches/nope?force=maybe", 400, "BAD_REQUEST"),
    ] {
        let answer = server.delete(uri).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{uri}");
    }
    assert_eq!(server.delete("/api/branches/feature%2Fx?force=true").await.status, 204);
    assert_eq!(server.get("/api/branches/feature%2Fx").await.status, 404);
}

#[tokio::test]
async fn a_branch_that_cannot_be_is_refused() {
    let server = Server::start().await;
    let root = server.test.root().await.unwrap();
    server.put(&root, "", "Startup/acme", json!({"a": 1})).await;
    for name in ["main", "HEAD", "v12", "~a", "a b", "2024-01-01", "a@b", "-a", "a..b", "", ".a", "a/", "a.lock"] {
        let answer = server.branch(json!({"name": name})).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (422, "VALIDATION_FAILED"), "{name:?}");
        assert_eq!(answer.json()["error"]["details"][0]["field"], "name");
    }
    assert_eq!(server.branch(json!({"name": "x"})).await.status, 201);
    for (body, status, code) in [
        (json!({"name": "x"}), 409, "BRANCH_EXISTS"),
        (json!({"name": "y", "from": "nope"}), 404, "BRANCH_NOT_FOUND"),
        (json!({"name": "y", "from": "v999"}), 404, "VERSION_NOT_FOUND"),
        (json!({"name": "y", "from": "a b"}), 422, "VALIDATION_FAILED"),
        (json!({"name": "y", "things": []}), 422, "VALIDATION_FAILED"),
        (json!({"name": "y", "things": ["acme"]}), 422, "VALIDATION_FAILED"),
        (json!({"name": "y", "froms": "x"}), 422, "VALIDATION_FAILED"),
        (json!({}), 422, "VALIDATION_FAILED"),
    ] {
        let answer = server.branch(body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{body}");
    }
    let from = server.branch(json!({"name": "z", "from": "@x", "things": ["Startup/acme"]})).await.json();
    assert_eq!(
        (&from["forkedFrom"], &from["parent"], &from["things"]),
        (&json!("x"), &json!("x"), &json!(["Startup/acme"]))
    );

    let new = server.call("POST", "/api/objects", r#"{"ns":"https://new.test"}"#).await;
    assert_eq!(new.status, 201);
    let request = server.request("POST", "/api/branches").header("do-namespace", "https://new.test");
    let request = request.header("content-type", "application/json").body(Body::from(r#"{"name":"x"}"#)).unwrap();
    assert_eq!(server.send(request).await.code(), "NOTHING_TO_BRANCH");
}

#[tokio::test]
async fn a_session_is_its_holders_and_of_its_object() {
    let server = Server::start().await;
    let root = server.test.root().await.unwrap();
    server.put(&root, "", "Startup/acme", json!({"a": 1})).await;
    for name in ["vnext", "other"] {
        assert_eq!(server.branch(json!({"name": name})).await.status, 201);
    }
    let checkout = async |to: &str| server.call("POST", "/api/checkout", &json!({"ref": to}).to_string()).await;
    let next = checkout("vnext").await.json();
    assert_eq!((&next["branch"], &next["detached"]), (&json!("vnext"), &json!(false)));
    let past = checkout("@v1").await.json();
    assert_eq!((&past["version"], &past["detached"]), (&json!(1), &json!(true)));
    assert_eq!(checkout("2024-01-08T12:00:00Z").await.json()["at"], "2024-01-08T12:00:00.000Z");
    assert_eq!(checkout("main").await.json()["branch"], "main");
    for (to, status) in [("nope", 404), ("v999", 404), ("a b", 422), ("~1", 400), ("", 422)] {
        assert_eq!(checkout(to).await.status, status, "{to}");
    }

    // What a session has checked out is where a new branch begins, for its holder alone.
    let session = next["session"].as_str().unwrap();
    let made = server.with_session("POST", "/api/branches", session, &json!({"name": "on-next"})).await;
    assert_eq!(made.json()["parent"], "vnext", "{}", made.text);
    assert_eq!(server.branch(json!({"name": "on-main"})).await.json()["parent"], "main");

    let refused = async |session: &str, uri: &str, key: &str, ns: &str| {
        let request = anonymous("POST", uri).header("x-api-key", key).header("do-namespace", ns);
        let request = request.header("do-session", session).header("content-type", "application/json");
        let answer = server.send(request.body(Body::from(r#"{"source":"other"}"#)).unwrap()).await;
        (answer.status.as_u16(), answer.text)
    };
    let own = "https://root.test";
    let detached = refused(past["session"].as_str().unwrap(), "/api/merge", &server.key, own).await;
    assert!(detached.0 == 409 && detached.1.contains("READ_ONLY_REF"), "{detached:?}");
    for (session, why) in [
        ("nonsense".to_owned(), "is no session"),
        (String::new(), "is no session"),
        (format!("{session}A"), "is no session"),
        (format!("B{}", &session[1..]), "is no session"),
        ("A".repeat(5000), "is no session"),
    ] {
        let answer = refused(&session, "/api/merge", &server.key, own).await;
        assert!(answer.0 == 400 && answer.1.contains(why), "{session:.80}: {answer:?}");
    }
    let made = server.call("POST", "/api/keys", r#"{"name":"b","scopes":["*.*"]}"#).await.json();
    let answer = refused(session, "/api/merge", made["key"].as_str().unwrap(), own).await;
    assert!(answer.0 == 400 && answer.1.contains("another caller"), "{answer:?}");
    server.call("POST", "/api/objects", r#"{"ns":"https://new.test"}"#).await;
    let answer = refused(session, "/api/merge", &server.key, "https://new.test").await;
    assert!(answer.0 == 400 && answer.1.contains("another object"), "{answer:?}");
    server.test.clock.advance(std::time::Duration::from_secs(24 * 3600));
    let answer = refused(session, "/api/merge", &server.key, own).await;
    assert!(answer.0 == 400 && answer.1.contains("has expired"), "{answer:?}");
}

/// Makes branch `x` of `base`, writes both sides, merges `x` into main. None deletes.
async fn three_way(
    base: Option<Value>,
    ours: Option<Value>,
    theirs: Option<Value>,
    more: Value,
) -> (Answer, Option<Value>, u64) {
    let server = Server::start().await;
    let root = server.test.root().await.unwrap();
    server.put(&root, "", "Startup/seed", json!({})).await;
    if let Some(base) = &base {
        server.put(&root, "", "Startup/acme", base.clone()).await;
    }
    assert_eq!(server.branch(json!({"name": "x"})).await.status, 201);
    for (branch, side) in [("", ours), ("x", theirs)] {
        match side {
            Some(data) => drop(server.put(&root, branch, "Startup/acme", data).await),
            None => server.remove(&root, branch, "Startup/acme").await,
        }
    }
    let before = last_version(&server, &root).await;
    let mut body = json!({"source": "x"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = server.merge(body).await;
    let written = last_version(&server, &root).await - before;
    (answer, server.data(&root, "", "Startup/acme").await, written)
}

#[tokio::test]
async fn what_each_side_changed_is_merged_field_by_field() {
    let of = |base: Value, ours: Value, theirs: Value| three_way(Some(base), Some(ours), Some(theirs), json!({}));
    let (answer, data, _) = of(json!({"a":1,"b":1}), json!({"a":2,"b":1}), json!({"a":1,"b":2})).await;
    assert_eq!((answer.status.as_u16(), data), (200, Some(json!({"a":2,"b":2}))), "{}", answer.text);
    let merged = answer.json();
    assert_eq!(
        (&merged["merged"], &merged["fastForward"], &merged["changes"]),
        (&json!(true), &json!(false), &json!(1))
    );
    assert_eq!((merged["versions"].as_array().unwrap().len(), &merged["conflicts"]), (1, &json!([])));

    let nested = |q: u32, r: u32| json!({"p": {"q": q, "r": r}});
    let (_, data, _) = of(nested(1, 1), nested(2, 1), nested(1, 2)).await;
    assert_eq!(data, Some(nested(2, 2)));
    let (answer, ..) = of(json!({"l":[1]}), json!({"l":[1,2]}), json!({"l":[1,3]})).await;
    assert_eq!(answer.status, 409, "lists are taken whole");
    let (_, data, _) = three_way(None, Some(json!({"a":1})), Some(json!({"b":1})), json!({})).await;
    assert_eq!(data, Some(json!({"a":1,"b":1})), "made on both sides, of an empty base");
}

#[tokio::test]
async fn a_conflict_writes_nothing_unless_it_is_decided() {
    let sides = || (Some(json!({"a":1,"b":1})), Some(json!({"a":2,"b":1})), Some(json!({"a":3,"b":1})));
    let with = |more: Value| {
        let (base, ours, theirs) = sides();
        three_way(base, ours, theirs, more)
    };
    let (answer, data, written) = with(json!({})).await;
    let error = answer.json()["error"].clone();
    assert_eq!((answer.status.as_u16(), error["code"].as_str(), written), (409, Some("MERGE_CONFLICT"), 0));
    assert_eq!(error["details"]["merged"], false);
    let conflict = json!({"type":"Startup","id":"acme","path":"a","kind":"field","base":1,"ours":2,"theirs":3});
    assert_eq!(error["details"]["conflicts"], json!([conflict]));
    assert_eq!(data, Some(json!({"a":2,"b":1})));
    for (more, a) in [
        (json!({"strategy":"theirs"}), 3),
        (json!({"strategy":"ours"}), 2),
        (json!({"resolutions":{"Startup/acme":{"a":4}}}), 4),
        (json!({"resolutions":{"Startup/acme":"theirs"},"strategy":"ours"}), 3),
    ] {
        let (answer, data, _) = with(more.clone()).await;
        assert_eq!((answer.status.as_u16(), data.unwrap()["a"].clone()), (200, json!(a)), "{more}: {}", answer.text);
    }
    let (answer, data, _) = with(json!({"resolutions":{"Startup/acme":"delete"}})).await;
    assert_eq!((answer.status.as_u16(), data), (200, None));
    let (answer, data, written) = with(json!({"strategy":"theirs","dryRun":true})).await;
    assert_eq!((answer.json()["changes"].clone(), data.unwrap()["a"].clone(), written), (json!(1), json!(2), 0));

    let (answer, ..) = three_way(Some(json!({"a":1})), Some(json!({"a":2})), None, json!({})).await;
    let conflict = answer.json()["error"]["details"]["conflicts"][0].clone();
    assert_eq!((&conflict["kind"], &conflict["path"]), (&json!("delete/modify"), &json!("")));
}

#[tokio::test]
async fn one_of_two_conflicts_decided_leaves_the_other() {
    let body = |a: u32, b: u32| Some(json!({"a": a, "b": b}));
    let more = json!({"resolutions":{"Startup/acme":{"a":9}}});
    let (answer, _, written) = three_way(body(1, 1), body(2, 2), body(3, 3), more).await;
    let conflicts = answer.json()["error"]["details"]["conflicts"].clone();
    assert_eq!((answer.status.as_u16(), conflicts.as_array().unwrap().len(), written), (409, 1, 0));
    assert_eq!(conflicts[0]["path"], "b");
}

#[tokio::test]
async fn a_second_merge_writes_nothing_and_what_cannot_be_merged_is_refused() {
    let server = Server::start().await;
    let root = server.test.root().await.unwrap();
    server.put(&root, "", "Startup/acme", json!({"a": 1})).await;
    server.branch(json!({"name": "x"})).await;
    server.put(&root, "x", "Startup/acme", json!({"a": 2})).await;
    let first = server.merge(json!({"source": "@x", "message": "new prices"})).await.json();
    assert_eq!((&first["merged"], &first["fastForward"]), (&json!(true), &json!(true)));
    let version = first["versions"][0].as_u64().unwrap();
    let second = server.merge(json!({"source": "x"})).await.json();
    assert_eq!(
        (&second["merged"], &second["fastForward"], &second["versions"]),
        (&json!(true), &json!(true), &json!([]))
    );
    assert_eq!(last_version(&server, &root).await, version);
    assert!(server.get("/api/events?verb=merge.completed").await.json()["data"].as_array().unwrap().len() == 1);

    for (body, status, code) in [
        (json!({"source": "x", "into": "x"}), 400, "MERGE_INTO_ITSELF"),
        (json!({"source": "main"}), 400, "MERGE_INTO_ITSELF"),
        (json!({"source": "nope"}), 404, "BRANCH_NOT_FOUND"),
        (json!({"source": "x", "into": "nope"}), 404, "BRANCH_NOT_FOUND"),
        (json!({"source": "x", "into": "v1"}), 409, "READ_ONLY_REF"),
        (json!({"source": "x", "strategy": "mine"}), 422, "VALIDATION_FAILED"),
        (json!({"source": "x", "resolutions": {"acme": "ours"}}), 422, "VALIDATION_FAILED"),
        (json!({"source": "x", "resolutions": {"Startup/acme": 5}}), 422, "VALIDATION_FAILED"),
    ] {
        let answer = server.merge(body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{body}");
    }
    // main into the branch, and the branch goes with its merge
    server.put(&root, "", "Startup/acme", json!({"a": 3})).await;
    assert_eq!(server.merge(json!({"source": "main", "into": "x"})).await.status, 200);
    assert_eq!(server.data(&root, "x", "Startup/acme").await, Some(json!({"a": 3})));
    assert_eq!(server.merge(json!({"source": "x", "deleteBranch": true})).await.status, 200);
    assert_eq!(server.get("/api/branches/x").await.status, 404);
}

#[tokio::test]
async fn an_undone_action_leaves_the_thing_as_it_was_and_can_be_done_again() {
    let server = Server::start().await;
    let root = server.test.root().await.unwrap();
    for n in 1..=3 {
        server.put(&root, "", "Startup/acme", json!({ "n": n })).await;
    }
    let log = server.get("/api/actions-log?target=Startup/acme").await.json();
    let id = |n: usize| log["data"][n]["id"].as_str().unwrap().to_owned();
    let undo = async |id: &str, body: &str| server.call("POST", &format!("/api/actions-log/{id}/undo"), body).await;
    let refused = undo(&id(1), "").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (409, "CHANGED_SINCE"));

    let undone = undo(&id(0), "").await;
    assert_eq!((undone.status.as_u16(), &undone.json()["data"]), (200, &json!({"n": 2})), "{}", undone.text);
    let version = undone.json()["version"].clone();
    assert_eq!(
        (undone.header("etag"), undone.header("do-version")),
        (format!("\"v{version}\"").as_str(), version.to_string().as_str())
    );
    assert_eq!(undone.header("do-branch"), "main");
    assert_eq!(server.get(&format!("/api/actions-log/{}", id(0))).await.json()["status"], "undone");
    let redo = undone.header("do-action").to_owned();
    assert_eq!(server.get(&format!("/api/actions-log/{redo}")).await.json()["options"]["undoes"], id(0).as_str());
    assert_eq!(undo(&id(0), "").await.code(), "ALREADY_UNDONE");
    assert_eq!(undo(&redo, "{}").await.json()["data"], json!({"n": 3}));

    let gone = undo(&id(2), r#"{"force":true}"#).await;
    assert_eq!((gone.status.as_u16(), gone.json()["deleted"].clone()), (200, json!(true)), "undoing what made it");
    assert_eq!(server.data(&root, "", "Startup/acme").await, None);
    assert_eq!(undo("00000000-0000-7000-8000-000000000000", "").await.status, 404);
    assert_eq!(undo(&redo, r#"{"forced":true}"#).await.status, 422);
}

#[tokio::test]
async fn only_a_failed_call_that_somebody_waited_for_is_retried() {
    let server = Server::start().await;
    let run = async |name: &str, body: &str| server.call("POST", &format!("/api/actions/{name}"), body).await;
    let retry = async |id: &str| server.call("POST", &format!("/api/actions-log/{id}/retry"), "").await;
    let sent = run("echo", r#"{"input":1,"options":{"durability":"send"}}"#).await.json()["actionId"].clone();
    let done = run("echo", "1").await.json()["actionId"].clone();
    let secret = run("fault", r#"{"token":"x"}"#).await.json()["error"]["actionId"].clone();
    for (id, why) in [(&sent, "a send"), (&done, "completed"), (&secret, "too secret")] {
        let answer = retry(id.as_str().unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (409, "NOT_RETRYABLE"));
        assert!(answer.text.contains(why), "{}", answer.text);
    }
    let failed = run("fault", r#""upstream""#).await.json()["error"]["actionId"].as_str().unwrap().to_owned();
    let again = retry(&failed).await;
    assert_eq!((again.status.as_u16(), again.code().as_str()), (502, "OF_THE_FUNCTION"));
    let second = again.json()["error"]["actionId"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("/api/actions-log/{second}")).await.json()["parent"], failed.as_str());
    let root = server.test.root().await.unwrap();
    server.test.deploy(&root, "fault", "scripted:echo").await.unwrap();
    assert_eq!(retry(&failed).await.json()["result"], "upstream", "the function's newest version runs");
}
