//! Which object a request reaches, and who may.

use super::*;
use serde_json::json;

impl Server {
    async fn make(&self, ns: &str) {
        let answer = self.call("POST", "/api/objects", &format!("{{\"ns\":{ns:?}}}")).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }

    /// The namespace that answers at `host` and `path`, or the status.
    async fn whose(&self, host: &str, path: &str, named: Option<&str>) -> Result<String, u16> {
        let mut request = Request::builder().uri(path).header("host", host);
        if let Some(named) = named {
            request = request.header("do-namespace", named);
        }
        let request = request.header("x-api-key", &self.key).body(Body::empty()).unwrap();
        let answer = self.send(request).await;
        match answer.status.as_u16() {
            200 => Ok(answer.json()["namespace"].as_str().unwrap().to_owned()),
            status => Err(status),
        }
    }
}

#[tokio::test]
async fn a_request_reaches_the_longest_registered_namespace() {
    let server = Server::start().await;
    for ns in ["https://crm.test", "https://crm.test/acme", "http://plain.test:8080"] {
        server.make(ns).await;
    }
    let crm = || Ok("https://crm.test".to_owned());
    let acme = || Ok("https://crm.test/acme".to_owned());
    for (host, path, named, expected) in [
        ("crm.test", "/api/whoami", None, crm()),
        ("CRM.test:443", "/api/whoami/", None, crm()),
        ("crm.test", "/acme/api/whoami", None, acme()),
        ("crm.test", "/acme/", None, acme()),
        ("crm.test", "/acmes/api/whoami", None, Err(404)),
        ("plain.test:8080", "/api/whoami", None, Ok("http://plain.test:8080".to_owned())),
        ("plain.test", "/api/whoami", None, Err(404)),
        ("unknown.test", "/api/whoami", None, Err(404)),
        ("localhost", "/api/whoami", None, Ok("https://root.test".to_owned())),
        ("127.0.0.1:99", "/api/whoami", Some("crm.test/acme"), acme()),
        ("localhost", "/api/whoami", Some("https://nobody.test"), Err(404)),
        ("localhost", "/api/whoami", Some("https://crm.test/acme/deeper"), Err(404)),
        ("crm.test", "/api/whoami", Some("http://crm.test"), crm()),
        ("crm.test", "/acme/api/whoami", Some("https://crm.test"), Err(400)),
        ("crm.test", "/api/whoami", Some("https://root.test"), Err(400)),
        ("unknown.test", "/api/whoami", Some("https://crm.test"), Err(404)),
        ("crm.test", "/..%2f..%2fetc/api/whoami", None, Err(404)),
    ] {
        assert_eq!(server.whose(host, path, named).await, expected, "{host}{path} {named:?}");
    }
}

#[tokio::test]
async fn links_of_an_object_below_a_path_begin_with_that_path() {
    let server = Server::start().await;
    server.make("https://crm.test/acme").await;
    let request = |method: &str, path: &str| {
        Request::builder().method(method).uri(path).header("host", "crm.test").header("x-api-key", &server.key)
    };
    let index = server.send(request("GET", "/acme").body(Body::empty()).unwrap()).await.json();
    assert_eq!(index["links"]["actions"], "/acme/api/actions");
    let sent = request("POST", "/acme/api/actions/echo").header("prefer", "respond-async").body(Body::empty()).unwrap();
    let sent = server.send(sent).await;
    assert_eq!(sent.status, 202, "{}", sent.text);
    assert!(sent.header("location").starts_with("/acme/api/actions-log/"), "{}", sent.header("location"));
}

#[tokio::test]
async fn objects_keep_their_things_apart() {
    let server = Server::start().await;
    server.make("https://a.test").await;
    server.make("https://b.test").await;
    let at = |ns: &str, method: &str, uri: &str| server.request(method, uri).header("do-namespace", ns);
    let put = at("https://a.test", "PUT", "/api/functions/own").header("content-type", "application/wasm");
    assert_eq!(server.send(put.body(Body::from("scripted:echo")).unwrap()).await.status, 201);
    for (ns, status) in [("https://a.test", 200), ("https://b.test", 404)] {
        let get = at(ns, "GET", "/api/functions/own").body(Body::empty()).unwrap();
        assert_eq!(server.send(get).await.status, status, "{ns}");
    }
    let make = at("https://a.test", "POST", "/api/keys").header("content-type", "application/json");
    let made = server.send(make.body(Body::from(r#"{"name":"a","scopes":["*.*"]}"#)).unwrap()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let key = made.json()["key"].as_str().unwrap().to_owned();
    for (ns, status) in [("https://a.test", 200), ("https://b.test", 401), ("https://root.test", 401)] {
        let get = anonymous("GET", "/api/functions").header("x-api-key", &key).header("do-namespace", ns);
        assert_eq!(server.send(get.body(Body::empty()).unwrap()).await.status, status, "{ns}");
    }
}

#[tokio::test]
async fn a_key_is_shown_once_allows_what_it_says_and_ends() {
    let server = Server::start().await;
    let body = r#"{"name":"ci","scopes":["echo.invoke","Function.read"],"expiresIn":"1 h"}"#;
    let made = server.call("POST", "/api/keys", body).await;
    assert_eq!((made.status.as_u16(), made.header("cache-control")), (201, "no-store"), "{}", made.text);
    let (id, key) = (made.json()["id"].as_str().unwrap().to_owned(), made.json()["key"].as_str().unwrap().to_owned());
    assert!(!server.get("/api/keys").await.text.contains(&key));
    let with = async |method: &str, uri: &str| {
        let request = anonymous(method, uri).header("authorization", format!("Bearer {key}"));
        server.send(request.body(Body::empty()).unwrap()).await
    };
    assert_eq!(with("POST", "/api/actions/echo").await.status, 200);
    let refused = with("POST", "/api/actions/talk").await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, "FORBIDDEN".into()));
    assert!(refused.header("www-authenticate").contains("insufficient_scope"));
    assert_eq!(with("DELETE", "/api/functions/echo").await.status, 403);
    assert_eq!(with("GET", "/api/keys").await.status, 403);
    let who = with("GET", "/api/whoami").await.json();
    assert_eq!((who["actor"].as_str(), who["type"].as_str()), (Some("https://root.test/Service/ci"), Some("service")));
    for bad in [
        r#"{"name":"x"}"#,
        r#"{"name":"x","scopes":["nonsense"]}"#,
        r#"{"name":"","scopes":[]}"#,
        r#"{"name":"x","scopes":[],"expiresIn":1,"expiresAt":"2030-01-01T00:00:00Z"}"#,
        r#"{"name":"x","scopes":[],"expiresIn":0}"#,
    ] {
        assert_eq!(server.call("POST", "/api/keys", bad).await.status, 422, "{bad}");
    }
    server.test.clock.advance(std::time::Duration::from_secs(3600));
    assert_eq!(with("POST", "/api/actions/echo").await.status, 401, "it has expired");

    let made = server.call("POST", "/api/keys", r#"{"name":"b","scopes":["*.*"]}"#).await.json();
    let uri = format!("/api/keys/{}", made["id"].as_str().unwrap());
    let other = |uri: &str| {
        anonymous("GET", uri).header("x-api-key", made["key"].as_str().unwrap()).body(Body::empty()).unwrap()
    };
    assert_eq!(server.send(other("/api/whoami")).await.status, 200);
    let revoke = server.request("DELETE", &uri).body(Body::empty()).unwrap();
    assert_eq!(server.send(revoke).await.status, 204);
    assert_eq!(server.send(other("/api/whoami")).await.status, 401, "it was revoked");
    assert_eq!(server.send(server.request("DELETE", &uri).body(Body::empty()).unwrap()).await.status, 404);
    assert_ne!(uri, format!("/api/keys/{id}"));
}

#[tokio::test]
async fn secrets_go_in_and_only_their_names_come_out() {
    let server = Server::start().await;
    assert_eq!(server.call("PUT", "/api/secrets/STRIPE", r#"{"value":"plain-text"}"#).await.status, 204);
    let list = server.get("/api/secrets").await;
    assert_eq!(list.json()["data"][0]["name"], "STRIPE");
    assert!(!list.text.contains("plain-text"));
    assert!(!server.get("/api/actions-log").await.text.contains("plain-text"));
    assert_eq!(server.call("PUT", "/api/secrets/A%20B", r#"{"value":"x"}"#).await.status, 422);
    assert_eq!(server.call("PUT", "/api/secrets/A", r#"{"value":""}"#).await.status, 422);
    for status in [204, 404] {
        let delete = server.request("DELETE", "/api/secrets/STRIPE").body(Body::empty()).unwrap();
        assert_eq!(server.send(delete).await.status, status);
    }
}

#[tokio::test]
async fn an_object_tells_what_it_is_and_what_it_knows() {
    let server = Server::start().await;
    let root = server.get("/api/$self").await.json();
    assert_eq!(
        (&root["ns"], &root["class"], &root["parent"]),
        (&json!("https://root.test"), &json!("DO"), &Value::Null)
    );
    assert_eq!((&root["version"], &root["defaultBranch"]), (&json!(4), &json!("main")));
    let made = server.call("POST", "/api/objects", r#"{"ns":"https://crm.test","class":"Business"}"#).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let at = async |method: &str, uri: &str, body: Value| {
        let request = server.request(method, uri).header("do-namespace", "https://crm.test");
        let request = request.header("content-type", "application/json");
        server.send(request.body(Body::from(body.to_string())).unwrap()).await
    };
    assert_eq!(at("POST", "/api/objects", json!({"ns": "https://crm.test/acme"})).await.json()["class"], "App");
    let crm = at("GET", "/api/$self", Value::Null).await.json();
    assert_eq!((&crm["class"], &crm["parent"]), (&json!("Business"), &json!("https://root.test")));
    assert_eq!((&crm["extends"], &root["extends"]), (&json!(["DO"]), &json!([])));
    assert_eq!((&crm["children"], &crm["version"], &crm["sequence"]), (&json!({"count": 1}), &json!(0), &json!(1)));
    assert_eq!(crm["createdAt"], "2024-01-08T12:00:00.000Z");
    assert_eq!(server.get("/api/$self").await.json()["children"]["count"], 1);

    let list = at("GET", "/api/objects", Value::Null).await.json();
    let told: Vec<_> =
        list["data"].as_array().unwrap().iter().map(|o| (o["relation"].clone(), o["ns"].clone())).collect();
    assert_eq!(told, [(json!("child"), json!("https://crm.test/acme")), (json!("parent"), json!("https://root.test"))]);
    let acme = "/api/objects/https%3A%2F%2Fcrm.test%2Facme";
    assert_eq!(at("GET", acme, Value::Null).await.json(), list["data"][0]);
    assert_eq!(at("GET", "/api/objects/https%3A%2F%2Fnobody.test", Value::Null).await.status, 404);
    assert_eq!(at("GET", "/api/objects/%20", Value::Null).await.status, 404);

    let other = "/api/objects/https%3A%2F%2Felsewhere.test";
    for (uri, body, status, code) in [
        (other, json!({"relation": "reference"}), 201, ""),
        (other, json!({"relation": "reference"}), 200, ""),
        (other, json!({"relation": "follower"}), 404, "OBJECT_NOT_FOUND"),
        (other, json!({"relation": "cousin"}), 422, "VALIDATION_FAILED"),
        (other, json!({"relation": "reference", "event": "A.*"}), 422, "VALIDATION_FAILED"),
        (acme, json!({"relation": "follower", "event": "Customer"}), 422, "EVENT_INVALID"),
        (other, json!({"relation": "reference", "shardIndex": 1}), 422, "VALIDATION_FAILED"),
        (acme, json!({"relation": "parent"}), 409, "OBJECT_CYCLE"),
        (acme, json!({"relation": "reference"}), 409, "RELATION_TAKEN"),
        ("/api/objects/https%3A%2F%2Fcrm.test", json!({"relation": "child"}), 409, "OBJECT_CYCLE"),
        ("/api/objects/%20", json!({"relation": "child"}), 400, "BAD_REQUEST"),
    ] {
        let answer = at("PUT", uri, body.clone()).await;
        assert_eq!(answer.status, status, "{uri} {body} {}", answer.text);
        if !code.is_empty() {
            assert_eq!(answer.code(), code, "{uri} {body}");
        }
    }
    let wish = json!({"relation": "follower", "event": "Customer.*", "filter": "data.n > 1"});
    assert_eq!(at("PUT", acme, wish).await.status, 200, "it is known, as a child");
    let shown = at("GET", acme, Value::Null).await.json();
    assert_eq!((&shown["relation"], &shown["following"]["event"]), (&json!("child"), &json!("Customer.*")));
    assert_eq!((&shown["following"]["filter"], &shown["following"]["failed"]), (&json!("data.n > 1"), &json!(0)));
    assert_eq!(at("GET", "/api/objects", Value::Null).await.json()["data"][0], shown);
    assert_eq!(at("PUT", acme, json!({"relation": "child"})).await.json()["following"], Value::Null);
    let odd = at("POST", "/api/objects", json!({"ns": "https://crm.test/x", "class": "Tenant"})).await;
    assert_eq!((odd.status.as_u16(), odd.code().as_str()), (422, "CLASS_INVALID"));
}

#[tokio::test]
async fn the_internal_id_of_an_object_is_no_address() {
    let server = Server::start().await;
    server.make("https://crm.test").await;
    assert_eq!(server.whose("crm.test", "/api/whoami", None).await, Ok("https://crm.test".to_owned()));
    let folder = server.test_folder().join("data/objects");
    let mut ids = Vec::new();
    for shard in std::fs::read_dir(folder).unwrap() {
        for file in std::fs::read_dir(shard.unwrap().path()).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            ids.extend(name.strip_suffix(".sqlite").map(str::to_owned));
        }
    }
    assert_eq!(ids.len(), 2);
    for id in ids {
        for path in [format!("/{id}"), format!("/{id}/api/whoami"), format!("/api/objects/{id}"), format!("/api/{id}")]
        {
            assert_eq!(server.get(&path).await.status, 404, "{path}");
        }
        assert!(!server.get("/api/objects").await.text.contains(&id));
        assert!(!server.get("/api/actions-log").await.text.contains(&id));
        assert!(!server.get("/api/$self").await.text.contains(&id));
    }
}
