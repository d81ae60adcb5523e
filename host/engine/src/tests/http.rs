//! Outgoing HTTP, against servers on loopback.

use super::*;
use crate::http::Hooks;
use crate::state::RunState;
use ::http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use types::{AllowedHost, SecretGrant};
use wasmtime_wasi_http::{Error, WasiHttpHooks};

/// A server that repeats what it got: `METHOD PATH`, the header `x-key`, the content length, the body. `/to` redirects
/// to a metadata service, `/big` answers with a megabyte.
async fn server() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let served = hyper::server::conn::http1::Builder::new().serve_connection(
                TokioIo::new(stream),
                service_fn(|request| async { Ok::<_, hyper::Error>(echo(request).await) }),
            );
            tokio::spawn(served);
        }
    });
    address.to_string()
}

pub(super) async fn echo(request: Request<Incoming>) -> Response<Full<bytes::Bytes>> {
    let (parts, body) = request.into_parts();
    let header = |name: &str| parts.headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
    let body = body.collect().await.unwrap().to_bytes();
    let text = format!(
        "{} {} {} {} {}",
        parts.method,
        parts.uri,
        header("x-key"),
        header("content-length"),
        String::from_utf8_lossy(&body)
    );
    let builder = Response::builder().header("x-echo", header("x-key"));
    match parts.uri.path() {
        "/to" => builder.status(302).header("location", "http://169.254.169.254/latest").body(Full::default()).unwrap(),
        "/big" => builder.body(Full::from(vec![b'x'; 1 << 20])).unwrap(),
        _ => builder.body(Full::from(text)).unwrap(),
    }
}

pub(super) fn allow(url: &str) -> Manifest {
    let rule = AllowedHost { url: url.into(), methods: Vec::new(), private: true };
    Manifest { allow: vec![rule], ..Manifest::default() }
}

/// A run's state, with the secret KEY.
pub(super) fn state(bench: &Bench, manifest: Manifest, limits: Limits) -> RunState {
    let file = ComponentFile { hash: Hash::from_bytes([0; 32]), path: PathBuf::new() };
    let secrets = Arc::new(BTreeMap::from([("KEY".to_owned(), "hunter2".to_owned())]));
    let job = Job { manifest: Arc::new(manifest), secrets, limits, ..job(&file, "1") };
    RunState::new(bench.engine.inner().clone(), job, Box::new(TestHost::default()), None)
}

pub(super) fn request(method: &str, url: &str) -> ::http::request::Builder {
    Request::builder().method(method).uri(url)
}

/// Status, the header `x-echo`, body.
pub(super) async fn send(
    state: &RunState,
    builder: ::http::request::Builder,
    body: &str,
) -> Result<(u16, String, String), Error> {
    let body = Full::from(body.to_owned()).map_err(|never| match never {}).boxed_unsync();
    let request = builder.body(body).unwrap();
    let sent = Hooks::new(state).send_request(request, None, Box::new(async { Ok(()) }));
    let (response, io) = Box::into_pin(sent).await?;
    tokio::spawn(Box::into_pin(io));
    let (parts, body) = response.into_parts();
    let echo = parts.headers.get("x-echo").map_or("", |value| value.to_str().unwrap()).to_owned();
    let body = body.collect().await?.to_bytes();
    Ok((parts.status.as_u16(), echo, String::from_utf8(body.to_vec()).unwrap()))
}

fn last_line(state: &RunState) -> String {
    state.shared.log.tail().pop().unwrap_or_default()
}

#[tokio::test]
async fn a_request_that_a_rule_allows_is_made() {
    let (bench, at) = (Bench::new(), server().await);
    let state = state(&bench, allow(&format!("http://{at}")), Limits::STANDARD);
    let answer =
        send(&state, request("POST", &format!("http://{at}/a?b=c")).header("content-length", "3"), "abc").await;
    assert_eq!(answer.unwrap(), (200, "-".into(), "POST /a?b=c - 3 abc".into()));
}

#[tokio::test]
async fn a_request_that_no_rule_allows_is_refused_with_the_rule_that_is_missing() {
    let (bench, at) = (Bench::new(), server().await);
    let state = state(&bench, Manifest::default(), Limits::STANDARD);
    let answer = send(&state, request("GET", &format!("http://{at}/")), "").await;
    assert!(matches!(answer, Err(Error::HttpRequestDenied)), "{answer:?}");
    assert!(
        last_line(&state).contains(&format!(r#"add {{"url": "http://{at}"}} to its "allow""#)),
        "{}",
        last_line(&state)
    );
}

#[tokio::test]
async fn loopback_is_refused_by_address_and_by_name_unless_rule_and_server_say_otherwise() {
    let at = server().await;
    let port = at.split_once(':').unwrap().1;
    for host in [at.clone(), format!("localhost:{port}")] {
        let url = format!("http://{host}");
        let mut manifest = allow(&url);
        manifest.allow[0].private = false;
        let bench = Bench::new();
        let state = state(&bench, manifest, Limits::STANDARD);
        let answer = send(&state, request("GET", &url), "").await;
        assert!(matches!(answer, Err(Error::HttpRequestDenied)), "{answer:?}");
        assert!(last_line(&state).contains("\"private\": true"), "{}", last_line(&state));

        let closed = Bench::with(|config| config.private_networks_allowed = false);
        let state = self::state(&closed, allow(&url), Limits::STANDARD);
        assert!(matches!(send(&state, request("GET", &url), "").await, Err(Error::HttpRequestDenied)));
        assert!(last_line(&state).contains("this server does not allow"), "{}", last_line(&state));
    }
}

#[tokio::test]
async fn following_a_redirect_to_a_metadata_service_is_refused() {
    let (bench, at) = (Bench::new(), server().await);
    let mut manifest = allow(&format!("http://{at}"));
    let state = self::state(&bench, manifest.clone(), Limits::STANDARD);
    let (status, ..) = send(&state, request("GET", &format!("http://{at}/to")), "").await.unwrap();
    assert_eq!(status, 302);
    // What a guest that follows it does next: no rule is for that host; and with one, no function may go there.
    let next = || request("GET", "http://169.254.169.254/latest");
    assert!(matches!(send(&state, next(), "").await, Err(Error::HttpRequestDenied)));
    manifest.allow.extend(allow("http://169.254.169.254").allow);
    let state = self::state(&bench, manifest, Limits::STANDARD);
    assert!(matches!(send(&state, next(), "").await, Err(Error::HttpRequestDenied)));
    assert!(last_line(&state).contains("no function may reach"), "{}", last_line(&state));
}

fn granting(at: &str, host: &str) -> Manifest {
    let grant = SecretGrant { name: "KEY".into(), hosts: vec![format!("http://{host}")] };
    Manifest { secrets: vec![grant], ..allow(&format!("http://{at}")) }
}

#[tokio::test]
async fn a_secret_is_put_in_on_the_way_out_and_taken_out_on_the_way_in() {
    let (bench, at) = (Bench::new(), server().await);
    let state = state(&bench, granting(&at, &at), Limits::STANDARD);
    let builder = request("POST", &format!("http://{at}/")).header("x-key", "Bearer {{secret:KEY}}");
    let (_, echo, body) = send(&state, builder, "<{{secret:KEY}}>").await.unwrap();
    // The length is that of the real value (9 with its brackets), so it arrived; the value itself came back as its name.
    assert_eq!(echo, "Bearer {{secret:KEY}}");
    assert_eq!(body, "POST / Bearer {{secret:KEY}} 9 <{{secret:KEY}}>");
}

#[tokio::test]
async fn a_secret_goes_nowhere_that_was_not_granted() {
    let (bench, at) = (Bench::new(), server().await);
    let url = format!("http://{at}/");
    for (manifest, part) in [
        (allow(&format!("http://{at}")), "the secret `KEY`, which the manifest does not grant"),
        (granting(&at, "other.example"), "does not grant the secret `KEY` to http://127.0.0.1"),
    ] {
        let state = state(&bench, manifest, Limits::STANDARD);
        for (builder, body) in
            [(request("POST", &url).header("x-key", "{{secret:KEY}}"), ""), (request("POST", &url), "{{secret:KEY}}")]
        {
            let answer = send(&state, builder, body).await;
            assert!(matches!(answer, Err(Error::HttpRequestDenied)), "{answer:?}");
            assert!(last_line(&state).contains(part), "{}", last_line(&state));
        }
    }
}

#[tokio::test]
async fn a_secret_in_a_url_is_refused() {
    let (bench, at) = (Bench::new(), server().await);
    let state = state(&bench, granting(&at, &at), Limits::STANDARD);
    let answer = send(&state, request("GET", &format!("http://{at}/?key={{{{secret:KEY}}}}")), "").await;
    assert!(matches!(answer, Err(Error::HttpRequestDenied)), "{answer:?}");
}

#[tokio::test]
async fn bodies_are_limited_both_ways() {
    let (bench, at) = (Bench::new(), server().await);
    let limits = Limits { http_body_bytes_max: 1000, ..Limits::STANDARD };
    let state = state(&bench, allow(&format!("http://{at}")), limits);
    let sent = send(&state, request("POST", &format!("http://{at}/")), &"x".repeat(1001)).await;
    assert!(matches!(sent, Err(Error::HttpRequestBodySize(Some(1000)))), "{sent:?}");
    let received = send(&state, request("GET", &format!("http://{at}/big")), "").await;
    assert!(matches!(received, Err(Error::HttpResponseBodySize(Some(1000)))), "{received:?}");
    assert!(send(&state, request("POST", &format!("http://{at}/")), "x").await.is_ok());
}

#[tokio::test]
async fn open_requests_are_limited() {
    let (bench, at) = (Bench::new(), server().await);
    let limits = Limits { http_concurrent_max: 1, ..Limits::STANDARD };
    let state = state(&bench, allow(&format!("http://{at}")), limits);
    let mut hooks = Hooks::new(&state);
    let mut open = || {
        let body = Full::default().map_err(|never| match never {}).boxed_unsync();
        let request = request("GET", &format!("http://{at}/")).body(body).unwrap();
        Box::into_pin(hooks.send_request(request, None, Box::new(async { Ok(()) })))
    };
    let first = open().await.unwrap();
    assert!(matches!(open().await, Err(Error::ConnectionLimitReached)));
    drop(first);
    assert!(open().await.is_ok());
}
