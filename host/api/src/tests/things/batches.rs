//! Several things in one request.

use super::*;

async fn batch(server: &Server, body: Value) -> Answer {
    server.call("POST", "/api/Startup/_batch", &body.to_string()).await
}

#[tokio::test]
async fn a_batch_reads_what_is_there() {
    let server = Server::empty().await;
    make(&server, "Startup", "a", 1).await;
    let answer = batch(&server, serde_json::json!({ "ids": ["b", "a"] })).await;
    let results = answer.json()["results"].clone();
    assert_eq!((results[0]["status"].as_u64(), results[0]["error"]["code"].as_str()), (Some(404), Some("NOT_FOUND")));
    assert_eq!(
        (results[1]["status"].as_u64(), &results[1]["thing"]),
        (Some(200), &server.get("/api/Startup/a").await.json())
    );
    assert_eq!(batch(&server, serde_json::json!({ "ids": vec!["a"; 100] })).await.status, 200);
    assert_eq!(batch(&server, serde_json::json!({ "ids": vec!["a"; 101] })).await.status, 422);
}

#[tokio::test]
async fn a_batch_is_done_as_a_whole_or_not_at_all() {
    let server = Server::empty().await;
    let operations = serde_json::json!([
        { "op": "create", "thing": { "id": "a", "n": 1 } },
        { "op": "put", "id": "b", "thing": { "n": 1.50 } },
        { "op": "patch", "id": "a", "patch": { "n": 2 }, "ifVersion": 1 },
        { "op": "patch", "id": "b", "patch": [{ "op": "add", "path": "/name", "value": "B" }] },
        { "op": "delete", "id": "a" },
        { "op": "restore", "id": "a" },
    ]);
    let done = batch(&server, serde_json::json!({ "operations": operations })).await;
    let statuses: Vec<_> =
        done.json()["results"].as_array().unwrap().iter().map(|r| r["status"].as_u64().unwrap()).collect();
    assert_eq!((done.status.as_u16(), statuses), (200, vec![201, 201, 200, 200, 204, 200]), "{}", done.text);
    assert_eq!(server.get("/api/Startup/a").await.json()["data"]["n"], 2);
    let head = server.get("/api/Startup/b").await.header("etag").to_owned();
    for (bad, status) in [
        (serde_json::json!({ "op": "create", "thing": { "id": "a" } }), 409),
        (serde_json::json!({ "op": "patch", "id": "nobody", "patch": {} }), 422),
        (serde_json::json!({ "op": "delete", "id": "a", "ifVersion": 1 }), 409),
        (serde_json::json!({ "op": "delete" }), 422),
        (serde_json::json!({ "op": "explode" }), 422),
        (serde_json::json!({ "op": "put", "id": "a" }), 422),
        (serde_json::json!({ "op": "delete", "id": "a", "thing": {} }), 422),
        (serde_json::json!({ "op": "create", "thing": { "$x": 1 } }), 422),
        (serde_json::json!({ "op": "put", "id": "-a", "thing": {} }), 422),
        (serde_json::json!({ "op": "put", "id": "a", "thing": {}, "ifVersion": "x" }), 422),
        (serde_json::json!([]), 422),
    ] {
        let good = serde_json::json!({ "op": "patch", "id": "b", "patch": { "n": 99 } });
        let failed = batch(&server, serde_json::json!({ "operations": [good, bad] })).await;
        assert_eq!(failed.status.as_u16(), status, "{bad} {}", failed.text);
        assert_eq!(failed.json()["error"]["details"]["index"], 1, "{bad}");
        assert_eq!(server.get("/api/Startup/b").await.header("etag"), head, "{bad}");
    }
}

#[tokio::test]
async fn a_batch_that_is_not_atomic_does_what_can_be_done() {
    let server = Server::empty().await;
    make(&server, "Startup", "a", 1).await;
    let operations = serde_json::json!([
        { "op": "create", "thing": { "id": "a" } },
        { "op": "create", "thing": { "id": "b" } },
        { "op": "delete", "id": "nobody" },
    ]);
    let done = batch(&server, serde_json::json!({ "operations": operations, "atomic": false })).await;
    let results = done.json()["results"].clone();
    assert_eq!(done.status, 200);
    assert_eq!((results[0]["status"].as_u64(), results[0]["error"]["code"].as_str()), (Some(409), Some("CONFLICT")));
    assert_eq!((results[1]["status"].as_u64(), results[2]["status"].as_u64()), (Some(201), Some(404)));
    let one = serde_json::json!({ "operations": [{ "op": "delete", "id": "nobody" }], "atomic": false });
    assert_eq!(batch(&server, one).await.json()["results"][0]["status"], 404);
}

#[tokio::test]
async fn a_batch_has_a_size_and_a_form() {
    let server = Server::empty().await;
    let create = serde_json::json!({ "op": "create", "thing": {} });
    let too_many = batch(&server, serde_json::json!({ "operations": vec![create.clone(); 1001] })).await;
    assert_eq!((too_many.status.as_u16(), too_many.code()), (422, "BATCH_LIMIT".into()));
    assert_eq!(batch(&server, serde_json::json!({ "operations": vec![create; 1000] })).await.status, 200);
    assert_eq!(server.get("/api/Startup").await.json()["total"], 1000);
    for bad in [
        "{}",
        "[]",
        r#"{"ids":["a"],"operations":[]}"#,
        r#"{"ids":["a"],"atomic":true}"#,
        r#"{"operations":{}}"#,
        r#"{"ids":[1]}"#,
        r#"{"operations":[],"atomic":1}"#,
        r#"{"operations":[],"x":1}"#,
    ] {
        assert_eq!(server.call("POST", "/api/Startup/_batch", bad).await.status, 422, "{bad}");
    }
    assert_eq!(batch(&server, serde_json::json!({ "operations": [] })).await.json()["results"], serde_json::json!([]));
}

#[tokio::test]
async fn a_batch_with_a_key_is_done_once() {
    let server = Server::empty().await;
    let body = r#"{"operations":[{"op":"create","thing":{}},{"op":"create","thing":{}}]}"#;
    let headers = [("idempotency-key", "k"), ("prefer", "return=minimal")];
    let ask = async || server.ask("POST", "/api/Startup/_batch", &headers, body).await;
    let (first, again) = (ask().await, ask().await);
    assert_eq!((first.status.as_u16(), &first.text), (200, &again.text));
    assert_eq!(first.json()["results"][0].get("thing"), None);
    assert_eq!(server.get("/api/Startup").await.json()["total"], 2);
}
