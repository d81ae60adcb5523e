//! What holds for every route.

use super::*;
use crate::Rate;
use std::time::Duration;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/openapi.json");

/// Every path and method of the document, with something in place of its variables.
fn documented() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(crate::openapi_json()).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let path = path.replace("{id}", "00000000-0000-7000-8000-000000000000").replace("{type}", "Startup");
            let path = path.replace("{version}", "1").replace("{verb}", "owns").replace("{noun}", "Startup");
            let path = path.replace("{op}", "fork").replace("{event}", "approve").replace("{ns}", "nobody");
            routes.push((method.to_uppercase(), path.replace("{name}", "nobody").replace("{action}", "nobody")));
        }
    }
    routes
}

/// To accept a change: write `openapi_json()` into the file and read the difference.
#[test]
fn the_document_of_the_api_is_the_one_that_was_reviewed() {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(GOLDEN, crate::openapi_json()).unwrap();
    }
    let golden = std::fs::read_to_string(GOLDEN).unwrap_or_default();
    assert!(
        golden == crate::openapi_json(),
        "the API has changed: run this test with UPDATE_GOLDEN=1 and review the difference"
    );
}

#[tokio::test]
async fn every_documented_route_is_there_and_closed_to_strangers() {
    let server = Server::start().await;
    let public = ["/health", "/ready", "/api", "/api/openapi.json"];
    // Who answers there is known by a signature.
    let signed = ["/approvals/", "/api/slack/interactions", "/api/sms/replies"];
    let routes = documented();
    assert!(routes.len() > 20);
    for (method, path) in routes {
        let answer = server.send(anonymous(&method, &path).body(Body::empty()).unwrap()).await;
        let expected = if public.contains(&path.as_str()) { 200 } else { 401 };
        if signed.iter().any(|signed| path.starts_with(signed)) {
            assert!(answer.status.is_client_error(), "{method} {path}: {}", answer.status);
            continue;
        }
        assert_eq!(answer.status, expected, "{method} {path}");
        if expected == 401 {
            assert_eq!(answer.code(), "UNAUTHORIZED");
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"https://root.test\"");
        }
        let options = server.send(anonymous("OPTIONS", &path).body(Body::empty()).unwrap()).await;
        assert_eq!(options.status, 204, "{path}");
        assert!(options.header("allow").split(',').any(|allowed| allowed == method), "{method} {path}");
        let wrong = server.send(anonymous("TRACE", &path).body(Body::empty()).unwrap()).await;
        assert_eq!((wrong.status.as_u16(), wrong.code()), (405, "METHOD_NOT_ALLOWED".into()), "{path}");
        assert_eq!(wrong.header("allow"), options.header("allow"));
    }
}

#[tokio::test]
async fn a_bad_credential_is_the_same_401_whatever_is_wrong_with_it() {
    let server = Server::start().await;
    let unknown = auth::Key::generate([7; 32]).reveal().to_owned();
    let mut bodies = Vec::new();
    for (authorization, api_key) in [
        (Some("Bearer nonsense".to_owned()), None),
        (Some(format!("Bearer {unknown}")), None),
        (Some("Basic dTpw".to_owned()), Some(server.key.clone())),
        (Some(format!("Bearer {unknown}")), Some(server.key.clone())),
        (None, Some(unknown.clone())),
    ] {
        let mut request = anonymous("GET", "/api/whoami").header("x-request-id", "same");
        if let Some(value) = &authorization {
            request = request.header("authorization", value);
        }
        if let Some(value) = &api_key {
            request = request.header("x-api-key", value);
        }
        let answer = server.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 401, "{authorization:?} {api_key:?}");
        assert!(answer.header("www-authenticate").ends_with("error=\"invalid_token\""));
        bodies.push(answer.text);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
}

#[tokio::test]
async fn a_request_id_is_echoed_or_made() {
    let server = Server::start().await;
    let ask = async |id: &str| {
        let request = anonymous("GET", "/no/such/route").header("x-request-id", id).body(Body::empty()).unwrap();
        server.send(request).await
    };
    let echoed = ask("abc-1").await;
    assert_eq!((echoed.status.as_u16(), echoed.header("x-request-id")), (404, "abc-1"));
    assert!(echoed.text.contains(r#""requestId":"abc-1""#), "{}", echoed.text);
    for bad in ["", "a b", "a\"b", &"x".repeat(129)] {
        let made = ask(bad).await;
        assert_eq!(made.header("x-request-id").len(), 36, "{bad:?}");
        assert_eq!(made.json()["error"]["requestId"], made.header("x-request-id"));
    }
    let request =
        server.request("POST", "/api/actions/echo").header("x-request-id", "run-7").body(Body::empty()).unwrap();
    let id = server.send(request).await.json()["actionId"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("/api/actions-log/{id}")).await.json()["requestId"], "run-7");
}

#[tokio::test]
async fn head_is_get_without_a_body_and_answers_can_be_refused() {
    let server = Server::start().await;
    for (uri, status) in [("/health", 200), ("/api/functions", 200), ("/api/functions/nobody", 404)] {
        let answer = server.send(server.request("HEAD", uri).body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (status, ""), "{uri}");
        assert_ne!(answer.header("content-length"), "0", "{uri}");
    }
    let html = server.request("GET", "/api/functions").header("accept", "text/html").body(Body::empty()).unwrap();
    assert_eq!(server.send(html).await.code(), "NOT_ACCEPTABLE");
    let gzip =
        server.request("GET", "/api/openapi.json").header("accept-encoding", "gzip").body(Body::empty()).unwrap();
    let response = server.router.clone().oneshot(gzip).await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
}

#[tokio::test]
async fn the_log_and_the_events_are_filtered_and_paged() {
    let server = Server::start().await;
    for n in 0..5 {
        assert_eq!(server.call("POST", "/api/actions/echo", &n.to_string()).await.status, 200);
    }
    let page = server.get("/api/actions-log?target=Function/echo&verb=invoke&limit=3").await.json();
    assert_eq!(page["data"].as_array().unwrap().len(), 3);
    let next = page["next"].as_str().unwrap();
    let rest = server.get(&format!("/api/actions-log?target=Function/echo&verb=invoke&cursor={next}")).await.json();
    assert_eq!(rest["data"].as_array().unwrap().len(), 2);
    assert!(rest["data"][0]["id"].as_str() < page["data"][2]["id"].as_str(), "newest first");
    let events = server.get("/api/events?limit=2").await.json();
    assert_eq!(events["data"][0]["sequence"], 1);
    let next = events["next"].as_str().unwrap();
    assert_eq!(server.get(&format!("/api/events?after={next}")).await.json()["data"][0]["sequence"], 3);
    for bad in ["verbs=x", "status=done", "since=yesterday", "limit=0", "limit=101", "cursor=x", "limit=1&limit=2"] {
        assert_eq!(server.get(&format!("/api/actions-log?{bad}")).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn the_request_after_the_last_allowed_one_is_told_to_wait() {
    let per = Duration::from_secs(60);
    let server = Server::start_with(|config| {
        config.rate_anonymous = Some(Rate { requests: 3, per });
        config.rate_key = Some(Rate { requests: 5, per });
    })
    .await;
    let stranger = async || server.send(anonymous("GET", "/api/whoami").body(Body::empty()).unwrap()).await;
    for remaining in ["2", "1", "0"] {
        let answer = stranger().await;
        assert_eq!((answer.status.as_u16(), answer.header("x-ratelimit-remaining")), (401, remaining));
    }
    let refused = stranger().await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "RATE_LIMITED".into()));
    assert!((1..=20).contains(&refused.header("retry-after").parse::<u64>().unwrap()));
    for remaining in ["4", "3", "2", "1", "0"] {
        let answer = server.get("/api/whoami").await;
        assert_eq!((answer.status.as_u16(), answer.header("x-ratelimit-remaining")), (200, remaining));
    }
    assert_eq!(server.get("/api/whoami").await.status, 429);
    assert_eq!(server.send(anonymous("GET", "/health").body(Body::empty()).unwrap()).await.status, 200);
}

#[tokio::test]
async fn only_listed_origins_may_read_answers() {
    let server = Server::start_with(|config| config.cors_origins = vec!["https://app.test".into()]).await;
    let preflight = async |origin: &str| {
        let request = anonymous("OPTIONS", "/api/actions/echo").header("origin", origin);
        server.send(request.body(Body::empty()).unwrap()).await
    };
    let allowed = preflight("https://app.test").await;
    assert_eq!(allowed.header("access-control-allow-origin"), "https://app.test");
    assert!(allowed.header("access-control-allow-methods").contains("POST"));
    assert!(allowed.headers.get("access-control-allow-credentials").is_none());
    assert_eq!(preflight("https://evil.test").await.header("access-control-allow-origin"), "");
}

#[tokio::test]
async fn the_clock_of_test_mode_moves_when_it_is_told() {
    let server = Server::start().await;
    let set = server.call("POST", "/_test/clock", r#"{"now":"2030-01-01T00:00:00+01:00"}"#).await;
    assert_eq!(
        (set.status.as_u16(), set.json()["now"].as_str()),
        (200, Some("2029-12-31T23:00:00.000Z")),
        "{}",
        set.text
    );
    assert_eq!(
        server.call("POST", "/_test/clock", r#"{"advanceMs":1}"#).await.json()["now"],
        "2029-12-31T23:00:00.001Z"
    );
    assert_eq!(server.call("POST", "/_test/clock", "{}").await.status, 422);
}
