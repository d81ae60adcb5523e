//! Conditional reads and writes, and writes that are done once (spec VER-21, VER-22, VER-24).

use super::*;

#[tokio::test]
async fn a_reader_who_has_it_gets_304() {
    let server = Server::empty().await;
    let made = make(&server, "Startup", "a", 1).await;
    let check = async |name: &str, value: &str, status: u16| {
        let answer = server.ask("GET", "/api/Startup/a", &[(name, value)], "").await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {value}");
        if status == 304 {
            assert_eq!((answer.text.as_str(), answer.header("etag"), answer.header("do-version")), ("", "\"v1\"", "1"));
        }
    };
    for (value, status) in [
        ("\"v1\"", 304),
        ("W/\"v1\"", 304),
        ("\"v9\", \"v1\"", 304),
        ("*", 304),
        ("\"v2\"", 200),
        ("\"other\"", 200),
        ("v1", 400),
        ("\"v1", 400),
    ] {
        check("if-none-match", value, status).await;
    }
    check("if-modified-since", made.header("last-modified"), 304).await;
    check("if-modified-since", "Sat, 01 Jan 2000 00:00:00 GMT", 200).await;
    check("if-modified-since", "yesterday", 200).await;
    let both = [("if-none-match", "\"v2\""), ("if-modified-since", made.header("last-modified"))];
    assert_eq!(server.ask("GET", "/api/Startup/a", &both, "").await.status, 200, "tags win over times");
    assert_eq!(server.ask("HEAD", "/api/Startup/a", &[("if-none-match", "\"v1\"")], "").await.status, 304);
}

#[tokio::test]
async fn a_write_is_done_in_the_state_it_asks_for() {
    let server = Server::empty().await;
    make(&server, "Startup", "a", 1).await;
    let check = async |method: &str, path: &str, header: (&str, &str), status: u16| {
        let answer = server.ask(method, path, &[header], if method == "DELETE" { "" } else { "{\"n\":1}" }).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path} {header:?} {}", answer.text);
        answer
    };
    for method in ["PUT", "PATCH", "DELETE"] {
        let refused = check(method, "/api/Startup/a", ("if-match", "\"v9\""), 412).await;
        assert_eq!(
            (refused.header("etag"), refused.json()["error"]["details"]["version"].as_u64()),
            ("\"v1\"", Some(1))
        );
        check(method, "/api/Startup/a", ("if-match", "W/\"v1\""), 412).await;
        check(method, "/api/Startup/a", ("if-match", "v1"), 400).await;
        check(method, "/api/Startup/nobody", ("if-match", "*"), 412).await;
    }
    check("PUT", "/api/Startup/a", ("if-none-match", "*"), 412).await;
    check("PUT", "/api/Startup/b", ("if-none-match", "*"), 201).await;
    check("PUT", "/api/Startup/b", ("if-none-match", "\"v1\""), 400).await;
    let taken = server.ask("POST", "/api/Startup", &[("if-none-match", "*")], "{\"id\":\"a\"}").await;
    assert_eq!(taken.status, 412);
    check("PATCH", "/api/Startup/a", ("if-match", "\"v7\", \"v1\""), 200).await;
    check("DELETE", "/api/Startup/a", ("if-match", "*"), 204).await;
    check("POST", "/api/Startup/a/restore", ("if-match", "\"v1\""), 412).await;
    check("POST", "/api/Startup/a/restore", ("if-match", "\"v3\""), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_with_one_tag_one_wins() {
    let server = std::sync::Arc::new(Server::empty().await);
    make(&server, "Startup", "a", 0).await;
    let writers = (1..=50).map(|n| {
        let server = server.clone();
        tokio::spawn(async move {
            let body = format!("{{\"n\":{n}}}");
            server.ask("PATCH", "/api/Startup/a", &[("if-match", "\"v1\"")], &body).await.status.as_u16()
        })
    });
    let writers: Vec<_> = writers.collect();
    let mut statuses = Vec::new();
    for writer in writers {
        statuses.push(writer.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], &statuses[1..]), (200, [412; 49].as_slice()));
    assert_eq!(server.get("/api/Startup/a").await.header("etag"), "\"v2\"");
}

#[tokio::test]
async fn a_key_makes_a_write_happen_once() {
    let server = Server::empty().await;
    let post =
        async |key: &str, uri: &str, body: &str| server.ask("POST", uri, &[("idempotency-key", key)], body).await;
    let first = post("k1", "/api/Startup", "{\"n\":1}").await;
    let again = post("k1", "/api/Startup", "{\"n\":1}").await;
    assert_eq!((first.status.as_u16(), first.header("idempotent-replayed")), (201, ""));
    assert_eq!((again.status.as_u16(), again.header("idempotent-replayed")), (201, "true"));
    assert_eq!(
        (&again.text, again.header("location"), again.header("etag")),
        (&first.text, first.header("location"), "\"v1\"")
    );
    assert_eq!(server.get("/api/Startup").await.json()["total"], 1);
    let other = post("k1", "/api/Startup", "{\"n\":2}").await;
    assert_eq!((other.status.as_u16(), other.code()), (422, "IDEMPOTENCY_KEY_REUSED".into()));
    assert_eq!(post("k1", "/api/Person", "{\"n\":1}").await.header("idempotent-replayed"), "", "another route");
    let location = first.header("location");
    let patch = async || server.ask("PATCH", location, &[("idempotency-key", "k1")], "{\"n\":5}").await;
    assert_eq!((patch().await.header("etag"), patch().await.header("idempotent-replayed")), ("\"v3\"", "true"));
    assert_eq!(server.get(&format!("{location}/versions")).await.json()["data"].as_array().map(Vec::len), Some(2));
    for bad in ["", " ", "ü", &"k".repeat(256)] {
        assert_eq!(post(bad, "/api/Startup", "{}").await.status, 400, "{bad:?}");
    }
    assert_eq!(post(&"k".repeat(255), "/api/Startup", "{}").await.status, 201);
}
