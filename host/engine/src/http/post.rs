//! What the host itself posts: webhooks. The guard is the one of guests' requests; a redirect is an answer like any other
//! that is not followed, so it leads nowhere.

use super::rules::Target;
use super::{Unresolved, resolve};
use crate::engine::Inner;
use ::http::{HeaderValue, Request, Response, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use std::pin::pin;
use std::time::{Duration, SystemTime};
use types::exec::{Letter, Receipt};
use types::{Fault, FaultKind};

/// Letters that are on their way at once; who comes then waits, within its own time.
pub const OPEN_MAX: usize = 64;
/// The largest body of a letter.
const BODY_BYTES_MAX: usize = 1 << 20;
/// What is read of an answer, so that its sender is not cut off in the middle; nobody looks at it.
const ANSWER_BYTES_MAX: usize = 64 << 10;
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(1);

pub async fn post(engine: &Inner, letter: Letter) -> Result<Receipt, Fault> {
    if letter.body.len() > BODY_BYTES_MAX {
        let message = format!("the request has {} bytes; {BODY_BYTES_MAX} are sent at most", letter.body.len());
        return Err(Fault::limit("HTTP_REQUEST_BODY_LIMIT", message));
    }
    let timeout = letter.timeout;
    tokio::time::timeout(timeout, send(engine, letter)).await.unwrap_or_else(|_| {
        let message = format!("no answer came within {} ms", timeout.as_millis());
        Err(Fault::new(FaultKind::Timeout, "HTTP_ANSWER_TIMEOUT", message))
    })
}

async fn send(engine: &Inner, letter: Letter) -> Result<Receipt, Fault> {
    let (request, target) = request(letter).ok_or_else(|| {
        Fault::invalid("HTTP_URL", "the URL is no https:// or http:// one with a host and without a user")
    })?;
    let _place = engine.letters.acquire().await.map_err(|_| Fault::internal())?;
    let addresses = resolve(&engine.config, &target, true).await.map_err(refused)?;
    let opening = tokio::time::timeout(engine.config.http_connect_timeout, engine.outside.open(&target, &addresses));
    let opened = opening.await.unwrap_or(Err(wasmtime_wasi_http::Error::ConnectionTimeout));
    let (mut sender, driver) = opened.map_err(super::failure::to_fault)?;
    let answered = async {
        let response = sender.send_request(request).await.map_err(|e| super::failure::to_fault(e.into()))?;
        let (parts, body) = response.into_parts();
        // What it says beside its status is not looked at, however that ends.
        let _ = tokio::time::timeout(ANSWER_WAIT_MAX, Limited::new(body, ANSWER_BYTES_MAX).collect()).await;
        Ok(receipt(&Response::from_parts(parts, ())))
    };
    let mut answered = pin!(answered);
    tokio::select! {
        biased;
        answered = &mut answered => answered,
        // A connection that ends may have brought everything already; if not, the answer says so.
        _ended = driver => answered.await,
    }
}

fn request(letter: Letter) -> Option<(Request<Full<Bytes>>, Target)> {
    let mut request = Request::post(&letter.url).body(Full::new(Bytes::from(letter.body))).ok()?;
    let target = Target::of(&request)?;
    for (name, value) in letter.headers {
        request.headers_mut().insert(name, HeaderValue::try_from(value).ok()?);
    }
    let host = target.origin().split_once("://").and_then(|(_, host)| HeaderValue::try_from(host).ok())?;
    request.headers_mut().insert(header::HOST, host);
    request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static("org.ai"));
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).parse().ok()?;
    *request.uri_mut() = path;
    Some((request, target))
}

fn refused(why: Unresolved) -> Fault {
    match why {
        Unresolved::Refused(why) => Fault::new(FaultKind::Forbidden, "HTTP_ADDRESS_REFUSED", why),
        Unresolved::Unknown => {
            super::failure::to_fault(wasmtime_wasi_http::Error::DnsError { rcode: None, info_code: None })
        }
        Unresolved::Late => super::failure::to_fault(wasmtime_wasi_http::Error::DnsTimeout),
    }
}

fn receipt(response: &Response<()>) -> Receipt {
    let said = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = said.and_then(|said| retry_after(said, SystemTime::now()));
    Receipt { status: response.status().as_u16(), retry_after }
}

/// Seconds, or the moment (RFC 9110, 10.2.3).
fn retry_after(said: &str, now: SystemTime) -> Option<Duration> {
    match said.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(said).ok().map(|at| at.duration_since(now).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_said_in_seconds_or_as_a_moment() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (said, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(said, now).map(|wait| wait.as_secs()), seconds, "{said}");
        }
    }

    #[test]
    fn a_request_names_its_host_and_goes_to_its_path() {
        let letter = |url: &str| Letter {
            url: url.into(),
            headers: vec![("content-type", "application/json".into())],
            body: "{}".into(),
            timeout: Duration::from_secs(1),
        };
        let (request, target) = request(letter("https://a.example:8443/in?k=1")).expect("it is one");
        assert_eq!((request.uri().to_string().as_str(), target.port), ("/in?k=1", 8443));
        assert_eq!(request.headers()["host"], "a.example:8443");
        for wrong in ["ftp://a.example", "https://u:p@a.example/", "/in", "https://"] {
            assert!(super::request(letter(wrong)).is_none(), "{wrong}");
        }
    }
}
