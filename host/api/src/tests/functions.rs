//! Deploying, versions, logs.

use super::*;
use futures::StreamExt;

const BOUNDARY: &str = "=x=";

fn part(name: &str, content: &str) -> String {
    format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"f\"\r\n\r\n{content}\r\n")
}

impl Server {
    async fn put_wasm(&self, uri: &str, component: &str) -> Answer {
        let request = self.request("PUT", uri).header("content-type", "application/wasm");
        self.send(request.body(Body::from(component.to_owned())).unwrap()).await
    }

    async fn put_form(&self, uri: &str, parts: &[String]) -> Answer {
        let request = self.request("PUT", uri);
        let request = request.header("content-type", format!("multipart/form-data; boundary=\"{BOUNDARY}\""));
        self.send(request.body(Body::from(format!("{}--{BOUNDARY}--\r\n", parts.concat()))).unwrap()).await
    }

    fn uploads_left(&self) -> usize {
        let entries = std::fs::read_dir(&self.config.upload_dir).unwrap();
        entries.filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with("upload-")).count()
    }
}

#[tokio::test]
async fn a_component_is_deployed_replaced_rolled_back_and_deleted() {
    let server = Server::start().await;
    let uri = "/api/functions/pay";
    let dry = server.put_wasm(&format!("{uri}?dryRun=true"), "scripted:echo one").await;
    assert_eq!(dry.status, 200, "{}", dry.text);
    assert_eq!(server.get(uri).await.status, 404, "a dry run changes nothing");

    let first = server.put_wasm(uri, "scripted:echo one").await;
    assert_eq!((first.status.as_u16(), first.header("location")), (201, uri), "{}", first.text);
    assert_eq!(first.json()["unchanged"], false);
    assert_eq!(first.json()["url"], "https://root.test/api/actions/pay");
    let again = server.put_wasm(uri, "scripted:echo one").await;
    assert_eq!((again.status.as_u16(), again.json()["unchanged"].as_bool()), (200, Some(true)));
    assert_eq!(again.json()["version"], first.json()["version"]);

    let second = server.put_wasm(uri, "scripted:echo two").await;
    assert_eq!(second.status, 200);
    assert_ne!(second.json()["hash"], first.json()["hash"]);
    let old = format!("{uri}@v{}", first.json()["version"]);
    for old in [old.as_str(), "/api/functions/pay@~1", "/api/functions/pay%40~1"] {
        assert_eq!(server.get(old).await.json()["hash"], first.json()["hash"], "{old}");
    }
    let back = server.call("POST", "/api/functions/pay/rollback", r#"{"to":"~1"}"#).await;
    assert_eq!((back.status.as_u16(), &back.json()["hash"]), (200, &first.json()["hash"]), "{}", back.text);
    assert_eq!(server.call("POST", "/api/functions/pay/rollback", r#"{"to":"3"}"#).await.status, 400);
    assert_eq!(server.call("POST", "/api/functions/pay/rollback", r#"{"to":"main"}"#).await.status, 422);

    let gone = server.send(server.request("DELETE", uri).body(Body::empty()).unwrap()).await;
    assert_eq!((gone.status.as_u16(), gone.json()["deleted"].as_bool()), (200, Some(true)));
    assert_eq!(server.call("POST", "/api/actions/pay", "1").await.status, 404);
    let versions = server.get("/api/functions/pay/versions").await.json();
    let deleted: Vec<_> = versions["data"].as_array().unwrap().iter().map(|v| v["deleted"] == true).collect();
    assert_eq!(deleted, [true, false, false, false]);
    assert_eq!(server.uploads_left(), 0);
}

#[tokio::test]
async fn a_form_carries_the_manifest_and_is_checked_part_by_part() {
    let server = Server::start().await;
    let component = part("component", "scripted:echo form");
    let manifest = part("manifest", r#"{"description":"Pays","limits":{"timeoutMs":10}}"#);
    let good = server.put_form("/api/functions/pay", &[manifest.clone(), component.clone()]).await;
    assert_eq!(good.status, 201, "{}", good.text);
    assert_eq!(good.json()["manifest"]["description"], "Pays");
    for (parts, status) in [
        (vec![manifest.clone()], 422),
        (vec![component.clone(), component.clone()], 422),
        (vec![component.clone(), part("surprise", "x")], 422),
        (vec![component.clone(), part("manifest", "{")], 422),
        (vec![component.clone(), part("manifest", r#"{"unknown":1}"#)], 422),
        (vec![component.clone(), part("manifest", &" ".repeat(300 << 10))], 413),
        (vec![part("component", "")], 422),
        (vec!["no parts".to_owned()], 422),
    ] {
        let answer = server.put_form("/api/functions/other", &parts).await;
        assert_eq!(answer.status, status, "{parts:.200?}: {}", answer.text);
    }
    let cut = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"component\"\r\n\r\nscripted:ec");
    let cut = server
        .request("PUT", "/api/functions/other")
        .header("content-type", format!("multipart/form-data; boundary=\"{BOUNDARY}\""))
        .body(Body::from(cut))
        .unwrap();
    assert_eq!(server.send(cut).await.status, 400);
    assert_eq!(server.get("/api/functions/other").await.status, 404);
    assert_eq!(server.uploads_left(), 0);
}

#[tokio::test]
async fn what_is_no_component_is_refused_and_changes_nothing() {
    let server = Server::start().await;
    assert_eq!(server.put_wasm("/api/functions/pay", "nonsense").await.status, 422);
    assert_eq!(server.put_wasm("/api/functions/pay", "").await.status, 422);
    assert_eq!(server.put_wasm("/api/functions/NOT", "scripted:echo").await.status, 422);
    let text = [("content-type", "text/plain")];
    assert_eq!(server.ask("PUT", "/api/functions/pay", &text, "scripted:echo").await.status, 415);
    assert_eq!(server.call("PUT", "/api/functions/pay", "{}").await.code(), "DEFINITION_INVALID");
    let announced = server.request("PUT", "/api/functions/pay").header("content-type", "application/wasm");
    let announced = announced.header("content-length", (65u64 << 20).to_string()).body(Body::empty()).unwrap();
    assert_eq!(server.send(announced).await.status, 413);
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(bytes::Bytes::from(vec![0; 1 << 20])));
    let endless = server
        .request("PUT", "/api/functions/pay")
        .header("content-type", "application/wasm")
        .body(Body::from_stream(endless))
        .unwrap();
    assert_eq!(server.send(endless).await.status, 413);
    assert_eq!(server.get("/api/functions/pay").await.status, 404);
    assert_eq!(server.uploads_left(), 0);
}

#[tokio::test]
async fn logs_come_in_pages_and_as_a_stream_that_resumes() {
    let server = Server::start().await;
    for n in 1..=3 {
        assert_eq!(server.call("POST", "/api/actions/talk", &n.to_string()).await.status, 200);
    }
    let page = server.get("/api/functions/talk/logs?limit=2").await.json();
    assert_eq!(page["data"][0]["text"], "said 1");
    let rest = server.get(&format!("/api/functions/talk/logs?after={}", page["next"].as_str().unwrap())).await.json();
    assert_eq!((rest["data"].as_array().unwrap().len(), rest["data"][0]["text"].as_str()), (1, Some("said 3")));
    assert_eq!(server.get("/api/functions/echo/logs").await.json()["data"].as_array().unwrap().len(), 0);

    let last = page["data"][1]["id"].to_string();
    let request = server.request("GET", "/api/functions/talk/logs").header("accept", "text/event-stream");
    let request = request.header("last-event-id", last).body(Body::empty()).unwrap();
    let response = server.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut stream = response.into_body().into_data_stream();
    let mut next = async || String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap();
    let third = next().await;
    assert!(third.starts_with("event: log\nid: ") && third.contains("said 3"), "{third}");
    assert_eq!(server.call("POST", "/api/actions/talk", "4").await.status, 200);
    assert!(next().await.contains("said 4"));
}
