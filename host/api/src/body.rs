//! Reading what a request carries: bounded in size and in patience, JSON checked once.

use crate::app::Shared;
use crate::config::limits;
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use http::{HeaderMap, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use types::{Json, JsonError};

/// What a request carries, not read yet: a handler looks at everything else first.
pub(crate) struct Sent {
    request: Request,
    idle: Duration,
}

impl FromRequest<Shared> for Sent {
    type Rejection = Infallible;

    async fn from_request(request: Request, app: &Shared) -> Result<Self, Infallible> {
        Ok(Self { request, idle: app.config.body_idle_timeout })
    }
}

impl Sent {
    /// As [`read`].
    pub(crate) async fn text(self) -> Result<String, Problem> {
        let (parts, body) = self.request.into_parts();
        read(&parts.headers, body, self.idle).await
    }

    /// As [`read`] and [`document`].
    pub(crate) async fn document<T: DeserializeOwned>(self) -> Result<T, Problem> {
        document(&self.text().await?)
    }

    /// As [`read`] and [`document_or_empty`].
    pub(crate) async fn document_or_empty<T: DeserializeOwned>(self) -> Result<T, Problem> {
        document_or_empty(&self.text().await?)
    }
}

/// The whole of a JSON body; empty when there is none.
///
/// # Errors
/// 413, 415 (not JSON, an unknown encoding), 408 (a pause longer than `idle`), 400 (broken off, not UTF-8).
pub(crate) async fn read(headers: &HeaderMap, body: Body, idle: Duration) -> Result<String, Problem> {
    read_as(headers, body, idle, &[Kind::Json]).await.map(|(text, _)| text)
}

/// What a body of JSON is, by its `Content-Type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Json,
    /// RFC 7396.
    MergePatch,
    /// RFC 6902.
    JsonPatch,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Json, Self::MergePatch, Self::JsonPatch];

    fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::MergePatch => "application/merge-patch+json",
            Self::JsonPatch => "application/json-patch+json",
        }
    }
}

/// The same of one of the kinds in `accepted`; of the first when there is no body.
pub(crate) async fn read_as(
    headers: &HeaderMap,
    body: Body,
    idle: Duration,
    accepted: &[Kind],
) -> Result<(String, Kind), Problem> {
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    if announced.is_some_and(|bytes| bytes > limits::BODY_BYTES_MAX as u64) {
        discard(body, idle).await;
        return Err(too_large());
    }
    if body.is_end_stream() {
        return Ok((String::new(), accepted.first().copied().unwrap_or(Kind::Json)));
    }
    let kind = kind(headers, accepted)?;
    let gzipped = is_gzipped(headers)?;
    let bytes = collect(body, idle).await?;
    let bytes = if gzipped { gunzip(&bytes)? } else { Vec::from(bytes) };
    let text = String::from_utf8(bytes).map_err(|_| Problem::bad_request("the body is not UTF-8"))?;
    Ok((text, kind))
}

/// Whether a request's body came to its end. Where it did not, what is left of it stands in the connection before the
/// next request, so the connection closes: a client that is not told sends its next request into it.
#[derive(Clone)]
pub(crate) struct Ended(Arc<AtomicBool>);

impl Ended {
    /// Watches a body. None: there is none to come to an end.
    pub(crate) fn of(body: Body) -> (Body, Option<Self>) {
        if body.is_end_stream() {
            return (body, None);
        }
        let ended = Self(Arc::default());
        (Body::new(Watched { body, ended: ended.clone() }), Some(ended))
    }

    pub(crate) fn is_there(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

struct Watched {
    body: Body,
    ended: Ended,
}

/// What has arrived already is read when nobody wants it, so that a short body costs no connection; so much of it.
const LEFT_BYTES_MAX: usize = 64 << 10;

impl Drop for Watched {
    fn drop(&mut self) {
        let (mut read, mut context) = (0, Context::from_waker(Waker::noop()));
        while !self.ended.is_there() && read < LEFT_BYTES_MAX {
            match Pin::new(&mut *self).poll_frame(&mut context) {
                Poll::Ready(Some(Ok(frame))) => read += frame.into_data().map_or(0, |data| data.len()),
                Poll::Ready(Some(Err(_)) | None) | Poll::Pending => return,
            }
        }
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.ended.0.store(true, Ordering::Release);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// Of a body that is refused by its size, so much is read and dropped before the answer.
const DISCARDED_BYTES_MAX: usize = 8 << 20;

/// Lets a client finish what it began to send: one that is still writing when the connection closes loses the answer
/// that says why. What is longer than this is cut off all the same.
async fn discard(mut body: Body, idle: Duration) {
    let mut dropped = 0;
    while dropped < DISCARDED_BYTES_MAX {
        match tokio::time::timeout(idle, body.frame()).await {
            Ok(Some(Ok(frame))) => dropped += frame.into_data().map_or(0, |data| data.len()),
            Ok(Some(Err(_)) | None) | Err(_) => return,
        }
    }
}

/// A JSON document of ours: 400 when it is no JSON, 422 when it is not the document that is wanted.
pub(crate) fn document<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::bad_request("the body is empty; a JSON object is needed"));
    }
    json(text)?;
    serde_json::from_str(text).map_err(|e| Problem::validation(format!("the body is not what is needed: {e}")))
}

/// The same where nothing needs to be said: no body is a document without members.
pub(crate) fn document_or_empty<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    document(if text.trim().is_empty() { "{}" } else { text })
}

/// Levels that may stand around a thing's data: a batch, its operations, one of them, and the envelope.
const AROUND_DATA: usize = 4;

/// What is to become a thing, or to change one: 400 for what is no JSON or has a key twice, 422 for what no thing can
/// be (spec THG-5).
pub(crate) fn thing(text: &str) -> Result<serde_json::Value, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::bad_request("the body is empty; JSON is needed"));
    }
    match Json::parse_within(text, Json::DEPTH_MAX + AROUND_DATA) {
        Ok(json) => Ok(json.to_value()),
        Err(error @ (JsonError::Syntax(_) | JsonError::DuplicateKey(_))) => {
            Err(Problem::bad_request(format!("the body cannot be read: {error}")))
        }
        Err(error @ (JsonError::TooDeep | JsonError::KeyTooLong)) => {
            Err(Problem::validation(format!("the body cannot be a thing: {error}")))
        }
    }
}

/// # Errors
/// 400, naming the rule.
pub(crate) fn json(text: &str) -> Result<Json, Problem> {
    Json::parse(text).map_err(|e| match e {
        JsonError::Syntax(_) | JsonError::DuplicateKey(_) | JsonError::TooDeep | JsonError::KeyTooLong => {
            Problem::bad_request(format!("the body cannot be read: {e}"))
        }
    })
}

/// The body piece by piece, for what is too large for memory: at most `bytes_max`, and no pause longer than `idle`.
pub(crate) fn pieces(body: Body, bytes_max: u64, idle: Duration) -> impl Stream<Item = Result<Bytes, Problem>> + Send {
    futures::stream::try_unfold((body.into_data_stream(), 0u64), move |(mut stream, read)| async move {
        let next = tokio::time::timeout(idle, stream.next()).await.map_err(|_| paused(idle))?;
        let Some(piece) = next else { return Ok(None) };
        let piece = piece.map_err(|_| Problem::bad_request("the body broke off"))?;
        let read = read + piece.len() as u64;
        if read > bytes_max {
            return Err(Problem::too_large(format!("the body is larger than {} MiB", bytes_max >> 20)));
        }
        Ok(Some((piece, (stream, read))))
    })
}

fn kind(headers: &HeaderMap, accepted: &[Kind]) -> Result<Kind, Problem> {
    let value = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let sent = value.split(';').next().unwrap_or_default().trim();
    if let Some(kind) = accepted.iter().find(|kind| sent.eq_ignore_ascii_case(kind.content_type())) {
        return Ok(*kind);
    }
    let known: Vec<_> = accepted.iter().map(|kind| kind.content_type()).collect();
    let known = known.join(" or ");
    Err(unsupported(if sent.is_empty() {
        format!("a body needs Content-Type: {known}")
    } else {
        format!("the body is {sent}; send JSON with Content-Type: {known}")
    }))
}

fn is_gzipped(headers: &HeaderMap) -> Result<bool, Problem> {
    match headers.get(header::CONTENT_ENCODING).map(|v| v.to_str().unwrap_or("?").to_ascii_lowercase()).as_deref() {
        None | Some("identity") => Ok(false),
        Some("gzip" | "x-gzip") => Ok(true),
        Some(_) => Err(unsupported("the body's Content-Encoding is not known; send it plain or as gzip".to_owned())),
    }
}

pub(crate) fn unsupported(message: String) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", message)
}

async fn collect(mut body: Body, idle: Duration) -> Result<Bytes, Problem> {
    let mut first = Bytes::new();
    let mut all: Option<BytesMut> = None;
    while let Some(frame) = tokio::time::timeout(idle, body.frame()).await.map_err(|_| paused(idle))? {
        let frame = frame.map_err(|_| Problem::bad_request("the body broke off"))?;
        let Ok(piece) = frame.into_data() else { continue };
        let before = all.as_ref().map_or(first.len(), BytesMut::len);
        if before + piece.len() > limits::BODY_BYTES_MAX {
            return Err(too_large());
        }
        match &mut all {
            Some(all) => all.extend_from_slice(&piece),
            // Nearly every body comes in one piece.
            None if first.is_empty() => first = piece,
            None => {
                let mut joined = BytesMut::with_capacity(2 * (first.len() + piece.len()));
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&piece);
                all = Some(joined);
            }
        }
    }
    Ok(all.map_or(first, BytesMut::freeze))
}

/// The limit is on what comes out: a small body can unpack into a large one.
fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::new();
    let mut reader = flate2::read::GzDecoder::new(bytes).take(limits::BODY_BYTES_MAX as u64 + 1);
    reader
        .read_to_end(&mut out)
        .map_err(|_| Problem::bad_request("the body is not gzip, as its Content-Encoding says"))?;
    if out.len() > limits::BODY_BYTES_MAX { Err(too_large()) } else { Ok(out) }
}

fn too_large() -> Problem {
    Problem::too_large(format!("the body is larger than {} MiB", limits::BODY_BYTES_MAX >> 20))
}

fn paused(idle: Duration) -> Problem {
    let message = format!("nothing came of the request's body for {} s", idle.as_secs());
    Problem::new(StatusCode::REQUEST_TIMEOUT, "TIMEOUT", message)
}
