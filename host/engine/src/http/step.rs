//! A request of a durable run: with its whole answer it is one step of the journal.
//!
//! What is written down is the guest's own request, with its secrets still as names, and what the guest is told. So a
//! replay neither asks anybody nor tells the guest anything else, whether an answer came or not.

use super::{Policy, Sent, failure};
use crate::http::Place;
use ::http::{HeaderName, HeaderValue, Request, Response, request};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use std::pin::pin;
use std::sync::Arc;
use types::exec::{Begun, Steps};
use types::{Call, Fault, HttpReply, Reply};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody};

/// By which a server knows a request that it was sent before.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request that the guest has made, and its place in the journal.
pub struct Step {
    pub policy: Arc<Policy>,
    pub steps: Arc<dyn Steps>,
    pub ordinal: u32,
}

impl Step {
    /// Never comes to an end when the journal says that the run cannot go on: then the run is ended.
    pub async fn answer(
        self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<(Response<WasiBody>, super::Io), Error> {
        let (parts, body) = request.into_parts();
        // What fails here fails each time: it is the guest's doing alone, and no step.
        let body = self.policy.whole(body, &parts.uri.to_string()).await?;
        let ended = match self.reply(parts, body, options).await {
            Ok((Reply::Http(reply), place)) => match response(reply, place) {
                Some(response) => return Ok((response, Box::new(async { Ok(()) }))),
                None => defect("a recorded response is none"),
            },
            Ok((Reply::Fault(fault), _)) => return Err(failure::to_error(&fault)),
            Ok(_) => defect("the journal answers a request with something else"),
            Err(fault) => fault,
        };
        self.policy.shared.ending.end(ended);
        std::future::pending().await
    }

    async fn reply(
        &self,
        mut parts: request::Parts,
        body: Bytes,
        options: Option<RequestOptions>,
    ) -> Result<(Reply, Option<Place>), Fault> {
        let key = match self.steps.begin(self.ordinal, call(&parts, &body)).await? {
            // It counts as open if there is room; that it was there once was decided when it was made.
            Begun::Recorded(reply) => return Ok((reply, self.policy.place())),
            Begun::Perform { key } => key,
        };
        let key = HeaderValue::try_from(key).map_err(|_| defect("the key of a step is no header"))?;
        parts.headers.entry(IDEMPOTENCY_KEY).or_insert(key);
        let (reply, place) = match self.perform(Request::from_parts(parts, boxed(body)), options).await {
            Ok((reply, place)) => (Reply::Http(reply), Some(place)),
            Err(error) => (Reply::Fault(failure::to_fault(error)), None),
        };
        self.steps.end(self.ordinal, reply.clone()).await?;
        Ok((reply, place))
    }

    async fn perform(
        &self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
    ) -> Result<(HttpReply, Place), Error> {
        let Sent { response, io, place } = self.policy.send(request, options).await?;
        let (parts, body) = response.into_parts();
        let mut body = pin!(body.collect());
        let body = tokio::select! {
            biased;
            body = &mut body => body,
            // A connection that ends may have brought everything already; if not, the body says so.
            _ended = Box::into_pin(io) => body.await,
        };
        let headers =
            parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
        Ok((HttpReply { status: parts.status.as_u16(), headers, body: body?.to_bytes().into() }, place))
    }
}

fn defect(what: &str) -> Fault {
    tracing::error!("{what}");
    Fault::internal()
}

/// As the guest made it.
fn call(parts: &request::Parts, body: &Bytes) -> Call {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Call::Http {
        method: parts.method.to_string(),
        url: parts.uri.to_string(),
        headers: parts.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect(),
        body: body.to_vec(),
    }
}

fn boxed(body: Bytes) -> WasiBody {
    Full::new(body).map_err(|never| match never {}).boxed_unsync()
}

/// All of the body is there, so how a guest reads it does not depend on when.
fn response(reply: HttpReply, place: Option<Place>) -> Option<Response<WasiBody>> {
    let mut builder = Response::builder().status(reply.status);
    for (name, value) in reply.headers {
        builder = builder.header(name, value);
    }
    let body = boxed(reply.body.into()).map_frame(move |frame| {
        // Whoever has the body has the place.
        let _held = &place;
        frame
    });
    builder.body(body.boxed_unsync()).ok()
}
