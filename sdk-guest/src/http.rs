//! Outgoing HTTP, as far as the function's manifest allows: one request, one whole response.
//!
//! A secret is written as `{{secret:NAME}}` in a header or the body; the host puts the value in on the way out.

use crate::{Fault, FaultKind};
use generated::wasi::http::outgoing_handler::{self, OutgoingRequest};
use generated::wasi::http::types::{ErrorCode, Fields, IncomingBody, IncomingResponse, Method, OutgoingBody, Scheme};
use generated::wasi::io::streams::StreamError;

mod generated {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package org-ai:sdk; world http { import wasi:http/outgoing-handler@0.2.12; }",
        world: "org-ai:sdk/http",
        generate_all,
    });
}

/// What one read or write moves at most.
const CHUNK_BYTES: usize = 4096;
/// A response with a larger body is a fault. The host has a limit of its own, which may be lower.
const BODY_BYTES_MAX: usize = 8 << 20;

/// A request: `Request::get("https://api.example.com/v1").header("accept", "application/json").send()`.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// A response, read to its end.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        Self { method: method.into(), url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::new("POST", url) }
    }

    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends it and waits for the whole response, of whatever status.
    ///
    /// # Errors
    /// `forbidden` when the manifest does not allow this URL; `upstream` when no response came; `invalid` for a URL or a
    /// header that is none.
    pub fn send(self) -> Result<Response, Fault> {
        let request = self.prepare()?;
        let body = request.body().map_err(|()| upstream("the request's body was taken"))?;
        let pending = outgoing_handler::handle(request, None).map_err(refused)?;
        write_body(body, &self.body)?;
        pending.subscribe().block();
        let answer = pending.get().ok_or_else(|| upstream("the response is not there"))?;
        let response = answer.map_err(|()| upstream("the response was taken"))?.map_err(refused)?;
        read_response(response)
    }

    fn prepare(&self) -> Result<OutgoingRequest, Fault> {
        let not_a_url = || Fault::invalid(format!("{:?} is no http or https URL", self.url));
        let (scheme, rest) = self.url.split_once("://").ok_or_else(not_a_url)?;
        let scheme = match scheme {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(not_a_url()),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };

        let mut headers: Vec<(String, Vec<u8>)> =
            self.headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone().into_bytes())).collect();
        if !self.body.is_empty() && !headers.iter().any(|(name, _)| name == "content-length") {
            headers.push(("content-length".to_owned(), self.body.len().to_string().into_bytes()));
        }
        let headers = Fields::from_list(&headers).map_err(|e| Fault::invalid(format!("a header is not one: {e:?}")))?;
        let request = OutgoingRequest::new(headers);
        request.set_method(&method(&self.method)).map_err(|()| Fault::invalid("the method is none"))?;
        request.set_scheme(Some(&scheme)).map_err(|()| not_a_url())?;
        request.set_authority(Some(authority)).map_err(|()| not_a_url())?;
        request.set_path_with_query(Some(&path)).map_err(|()| not_a_url())?;
        Ok(request)
    }
}

impl Response {
    /// The body as text; what is no UTF-8 becomes U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// # Errors
    /// `upstream` when the body is not a `T`.
    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_slice(&self.body).map_err(|e| upstream(format!("the response does not fit: {e}")))
    }
}

fn write_body(body: OutgoingBody, content: &[u8]) -> Result<(), Fault> {
    if !content.is_empty() {
        let stream = body.write().map_err(|()| upstream("the request's body was taken"))?;
        for chunk in content.chunks(CHUNK_BYTES) {
            stream.blocking_write_and_flush(chunk).map_err(|e| upstream(format!("the request broke off: {e}")))?;
        }
    }
    OutgoingBody::finish(body, None).map_err(refused)
}

fn read_response(response: IncomingResponse) -> Result<Response, Fault> {
    let (status, headers) = (response.status(), response.headers().entries());
    let body = response.consume().map_err(|()| upstream("the response's body was taken"))?;
    let stream = body.stream().map_err(|()| upstream("the response's body was taken"))?;
    let mut content = Vec::new();
    loop {
        match stream.blocking_read(CHUNK_BYTES as u64) {
            Ok(chunk) => content.extend_from_slice(&chunk),
            Err(StreamError::Closed) => break,
            Err(e) => return Err(upstream(format!("the response broke off: {e}"))),
        }
        if content.len() > BODY_BYTES_MAX {
            return Err(Fault::new(FaultKind::Limit, "HTTP_BODY", format!("the body has over {BODY_BYTES_MAX} bytes")));
        }
    }
    drop(stream);
    drop(IncomingBody::finish(body));
    Ok(Response { status, headers, body: content })
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn upstream(message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Upstream, "HTTP", message)
}

/// The host refuses what the manifest does not allow with `HTTP-request-denied`.
fn refused(error: ErrorCode) -> Fault {
    match error {
        ErrorCode::HttpRequestDenied => {
            Fault::new(FaultKind::Forbidden, "HTTP_DENIED", "the function's manifest does not allow this request")
        }
        other => upstream(format!("no response: {other}")),
    }
}
