//! Whole applications over HTTP: variables reach the functions, and an application goes by its name.

use super::Server;
use serde_json::{Value, json};

async fn apply(server: &Server, wanted: &Value) -> (u16, Value) {
    let answer = server.call("POST", "/api/deployments", &wanted.to_string()).await;
    (answer.status.as_u16(), answer.json())
}

#[tokio::test]
async fn the_variables_of_a_deployment_reach_its_functions() {
    let server = Server::start().await;
    let echo = server.get("/api/functions/echo").await.json();
    assert_eq!(echo["vars"], Value::Null, "{echo}");
    let component = json!({ "version": echo["version"], "hash": echo["hash"] });
    let wanted = json!({ "name": "shop", "vars": { "REGION": "eu" },
        "functions": [{ "name": "echo", "run": { "component": component } }] });
    let (status, applied) = apply(&server, &wanted).await;
    assert_eq!(status, 201, "{applied}");
    assert_eq!(server.get("/api/functions/echo").await.json()["vars"], json!({ "REGION": "eu" }));
    let (status, again) = apply(&server, &wanted).await;
    assert_eq!((status, &again["version"]), (200, &applied["version"]), "{again}");
}

#[tokio::test]
async fn an_application_is_deleted_by_its_name() {
    let server = Server::start().await;
    let wanted = json!({ "name": "shop",
        "subscriptions": [{ "name": "s", "event": "Order.created", "handler": "echo" }] });
    assert_eq!(apply(&server, &wanted).await.0, 201);
    let gone = server.call("DELETE", "/api/deployments/shop", "").await;
    assert_eq!(gone.status, 200, "{}", gone.text);
    let gone = gone.json();
    assert_eq!((&gone["changes"][0]["change"], &gone["changes"][0]["name"]), (&json!("remove"), &json!("s")), "{gone}");
    assert_eq!(server.get("/api/subscriptions").await.json()["data"], json!([]));
    assert_eq!(server.get("/api/deployments").await.json()["data"], json!([]));
    for name in ["shop", "17", "No%20name"] {
        let answer = server.call("DELETE", &format!("/api/deployments/{name}"), "").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (404, "DEPLOYMENT_NOT_FOUND"), "{name}");
    }
}
