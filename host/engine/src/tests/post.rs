//! What the host itself posts, against servers on loopback.

use super::http::echo;
use super::*;
use crate::http::post::OPEN_MAX;
use ::http::{Request, Response};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::atomic::{AtomicUsize, Ordering};
use types::exec::{Courier as _, Letter, Receipt};

/// `/busy` wants to be left alone, `/never` does not answer, all else is as [`echo`] has it. Counts what it was asked.
async fn server(asked: Arc<AtomicUsize>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let asked = asked.clone();
            let served = hyper::server::conn::http1::Builder::new().serve_connection(
                TokioIo::new(stream),
                service_fn(move |request| {
                    asked.fetch_add(1, Ordering::SeqCst);
                    async { Ok::<_, hyper::Error>(answer(request).await) }
                }),
            );
            tokio::spawn(served);
        }
    });
    url
}

async fn answer(request: Request<Incoming>) -> Response<Full<Bytes>> {
    match request.uri().path() {
        "/never" => std::future::pending().await,
        "/busy" => Response::builder().status(503).header("retry-after", "90").body(Full::default()).unwrap(),
        _ => echo(request).await,
    }
}

fn letter(url: String) -> Letter {
    Letter { url, headers: vec![("x-key", "k".into())], body: "{}".into(), timeout: Duration::from_secs(10) }
}

fn code(posted: Result<Receipt, Fault>) -> String {
    posted.expect_err("it is not posted").code.to_string()
}

#[tokio::test]
async fn a_letter_is_posted_and_what_the_server_says_is_told() {
    let (bench, asked) = (Bench::new(), Arc::new(AtomicUsize::new(0)));
    let url = server(asked.clone()).await;
    let post = |path: &str| bench.engine.post(letter(format!("{url}{path}")));
    assert_eq!(post("/in?k=1").await, Ok(Receipt { status: 200, retry_after: None }));
    assert_eq!(post("/busy").await, Ok(Receipt { status: 503, retry_after: Some(Duration::from_secs(90)) }));
    assert_eq!(post("/big").await.map(|r| r.status), Ok(200), "a large answer is nobody's business");
    assert_eq!(post("/to").await.map(|r| r.status), Ok(302), "a redirect is not followed");
    assert_eq!(asked.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_unless_the_server_allows_them_and_some_always() {
    let asked = Arc::new(AtomicUsize::new(0));
    let url = server(asked.clone()).await;
    let closed = Bench::with(|config| config.private_networks_allowed = false);
    // A name that resolves to such an address is no way around.
    for url in [url.clone(), url.replace("127.0.0.1", "localhost"), "http://10.0.0.1".into(), "http://[fe80::1]".into()]
    {
        assert_eq!(code(closed.engine.post(letter(url.clone())).await), "HTTP_ADDRESS_REFUSED", "{url}");
    }
    let open = Bench::new();
    for url in ["http://169.254.169.254/latest", "http://[::ffff:169.254.169.254]", "http://100.100.100.200"] {
        assert_eq!(code(open.engine.post(letter(url.into())).await), "HTTP_ADDRESS_REFUSED", "{url}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_letter_has_limits_of_size_and_time() {
    let bench = Bench::new();
    let url = server(Arc::default()).await;
    let large = Letter { body: "x".repeat((1 << 20) + 1), ..letter(url.clone()) };
    assert_eq!(code(bench.engine.post(large).await), "HTTP_REQUEST_BODY_LIMIT");
    let slow = Letter { timeout: Duration::from_millis(50), ..letter(format!("{url}/never")) };
    assert_eq!(code(bench.engine.post(slow).await), "HTTP_ANSWER_TIMEOUT");
    assert_eq!(code(bench.engine.post(letter("https://u:p@a.example".into())).await), "HTTP_URL");
}

#[tokio::test]
async fn only_so_many_letters_are_on_their_way_at_once() {
    let (bench, asked) = (Bench::new(), Arc::new(AtomicUsize::new(0)));
    let url = server(asked.clone()).await;
    let waiting: Vec<_> = (0..OPEN_MAX)
        .map(|_| {
            let (engine, letter) = (bench.engine.clone(), letter(format!("{url}/never")));
            tokio::spawn(async move { engine.post(letter).await })
        })
        .collect();
    while asked.load(Ordering::SeqCst) < OPEN_MAX {
        tokio::task::yield_now().await;
    }
    let one_more = Letter { timeout: Duration::from_millis(50), ..letter(format!("{url}/in")) };
    assert_eq!(code(bench.engine.post(one_more).await), "HTTP_ANSWER_TIMEOUT");
    assert_eq!(asked.load(Ordering::SeqCst), OPEN_MAX, "it never left");
    waiting.into_iter().for_each(|task| task.abort());
    assert_eq!(bench.engine.post(letter(format!("{url}/in"))).await.map(|r| r.status), Ok(200));
}
