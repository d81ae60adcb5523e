//! How long an outgoing request may take: to connect, to its first byte, between two pieces of its body.

use super::http::{allow, request, state};
use super::*;
use crate::http::Hooks;
use http_body_util::{BodyExt, Full};
use std::future::pending;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wasmtime_wasi_http::{Error, RequestOptions, WasiHttpHooks};

const SHORT: Duration = Duration::from_millis(30);
/// What a limit that does not work would run into.
const LONG: Duration = Duration::from_secs(60);

/// Reads a request, answers with `begin`, and then holds the connection open without a word.
async fn falls_silent(begin: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        stream.write_all(begin.as_bytes()).await.unwrap();
        pending::<()>().await;
    });
    address.to_string()
}

/// The whole answer, or what came instead.
async fn get(bench: &Bench, url: &str, options: RequestOptions) -> Result<Vec<u8>, Error> {
    let state = state(bench, allow(url), Limits::STANDARD);
    let body = Full::default().map_err(|never| match never {}).boxed_unsync();
    let request = request("GET", &format!("{url}/")).body(body).unwrap();
    let sent = Hooks::new(&state).send_request(request, Some(options), Box::new(async { Ok(()) }));
    let (response, io) = Box::into_pin(sent).await?;
    tokio::spawn(Box::into_pin(io));
    Ok(response.into_body().collect().await?.to_bytes().to_vec())
}

#[tokio::test]
async fn a_server_that_does_not_finish_the_handshake_is_given_up() {
    // The host's own limit, whatever the guest asks for; and the guest's, when it is shorter.
    for (host, guest) in [(SHORT, None), (SHORT, Some(LONG)), (LONG, Some(SHORT))] {
        let bench = Bench::with(|config| config.http_connect_timeout = host);
        let url = format!("https://{}", falls_silent("").await);
        let options = RequestOptions { connect_timeout: guest, ..RequestOptions::default() };
        let answer = get(&bench, &url, options).await;
        assert!(matches!(answer, Err(Error::ConnectionTimeout)), "{answer:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let url = format!("http://{}", falls_silent("").await);
    let options = RequestOptions { first_byte_timeout: Some(SHORT), ..RequestOptions::default() };
    let answer = get(&Bench::new(), &url, options).await;
    assert!(matches!(answer, Err(Error::ConnectionReadTimeout)), "{answer:?}");
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_is_given_up() {
    let url = format!("http://{}", falls_silent("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await);
    let options = RequestOptions { between_bytes_timeout: Some(SHORT), ..RequestOptions::default() };
    let answer = get(&Bench::new(), &url, options).await;
    assert!(matches!(answer, Err(Error::HttpResponseTimeout)), "{answer:?}");
}
