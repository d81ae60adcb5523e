//! Requests that mean no good.

use super::*;
use crate::config::limits;

#[tokio::test]
async fn too_much_is_refused_with_the_status_that_says_so() {
    let server = Server::start().await;
    let long = format!("/api/actions/{}", "a".repeat(limits::URL_BYTES_MAX));
    assert_eq!(server.get(&long).await.status, 414);
    let post = |body: Body| {
        server.request("POST", "/api/actions/echo").header("content-type", "application/json").body(body).unwrap()
    };
    assert_eq!(server.send(post(Body::from(format!("\"{}\"", "a".repeat(3 << 20))))).await.status, 413);
    let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(bytes::Bytes::from_static(b"          ")));
    assert_eq!(server.send(post(Body::from_stream(endless))).await.status, 413);
    let larger_than_input = server.send(post(Body::from(format!("\"{}\"", "a".repeat(1_150_000))))).await;
    assert_eq!((larger_than_input.status.as_u16(), larger_than_input.code()), (413, "INPUT_LIMIT".into()));
}

#[tokio::test]
async fn a_body_that_is_not_what_it_says_is_refused() {
    let server = Server::start().await;
    let post = |kind: &str, body: &'static [u8]| {
        server.request("POST", "/api/actions/echo").header("content-type", kind).body(Body::from(body)).unwrap()
    };
    for (kind, body, status) in [
        ("text/plain", &b"1"[..], 415),
        ("application/x-www-form-urlencoded", b"a=1", 415),
        ("application/json", b"\xff\xfe", 400),
        ("application/json", b"{\"a\":\"\xc3\x28\"}", 400),
        ("application/json", b"\xef\xbb\xbf1", 400),
        ("Application/JSON; charset=utf-8", b"1", 200),
    ] {
        assert_eq!(server.send(post(kind, body)).await.status, status, "{kind} {body:?}");
    }
    let untyped = server.request("POST", "/api/actions/echo").body(Body::from("1")).unwrap();
    assert_eq!(server.send(untyped).await.status, 415);
    let broken = futures::stream::iter([Ok(bytes::Bytes::from("[1")), Err(std::io::Error::other("gone"))]);
    let broken = server
        .request("POST", "/api/actions/echo")
        .header("content-type", "application/json")
        .body(Body::from_stream(broken))
        .unwrap();
    assert_eq!(server.send(broken).await.status, 400);
}

#[tokio::test]
async fn odd_paths_reach_nothing() {
    let server = Server::start().await;
    for (uri, status) in [
        ("/api/functions/..%2f..%2fetc%2fpasswd", 404),
        ("/api/functions/%00", 404),
        ("/api/functions/%ff", 400),
        ("/api//functions", 404),
        ("/api/functions/echo/", 200),
        ("/api/Functions", 404),
        ("/api/../health", 404),
        ("/api/actions-log/not-an-id", 404),
    ] {
        let answer = server.get(uri).await;
        assert_eq!(answer.status, status, "{uri} {}", answer.text);
    }
}

/// What a stranger sends is not looked at: no difference tells what is there.
#[tokio::test]
async fn strangers_learn_nothing_about_validation() {
    let server = Server::start().await;
    for (method, uri, body) in [
        ("POST", "/api/actions/echo", "{"),
        ("POST", "/api/actions/nobody", "1"),
        ("GET", "/api/functions/echo@x", ""),
        ("GET", "/api/actions-log?nonsense=1", ""),
        ("PUT", "/api/functions/NOT", "x"),
    ] {
        let answer = server.send(anonymous(method, uri).body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.status, 401, "{method} {uri}");
    }
}
