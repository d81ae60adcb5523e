//! Talking to the server: one request, one answer or [`Failure`]. What a trace shows never includes a header.

use crate::checkouts::Place;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::secret::Secret;
use crate::session::{Session, is_loopback};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, Url};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How long the first connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer may take when `--timeout` does not say.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The namespace that a request is about (spec ID-17).
const DO_NAMESPACE: &str = "do-namespace";
/// On an answer: nothing was to be written.
const DO_UNCHANGED: &str = "do-unchanged";
/// What is checked out (spec VER-6).
const DO_SESSION: &str = "do-session";

pub(crate) struct Client {
    http: reqwest::Client,
    pub(crate) session: Session,
    /// How long an answer may take.
    pub(crate) timeout: Duration,
    /// The session of what is checked out, sent with each request.
    pub(crate) checkout: Option<Secret>,
    is_verbose: bool,
}

/// What came back, if it was a success.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The write would have changed nothing, and wrote nothing (spec THG-4).
    pub(crate) is_unchanged: bool,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) fn open(context: &mut Context) -> Result<Self> {
        let session = Session::resolve(context)?;
        Self::of(context, session)
    }

    pub(crate) fn of(context: &Context, session: Session) -> Result<Self> {
        // A provider that is there already is this one: nothing else in the program installs any.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("org.ai/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirect would carry the key to where the user did not send it.
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&session.api_url) {
            builder = builder.no_proxy();
        }
        if session.api_url.scheme() == "http" {
            // Reading the machine's certificates takes longer than most commands, and here nobody needs them.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|e| Failure::local("no connection can be made", e))?;
        let timeout = context.globals.timeout.unwrap_or(ANSWER_TIMEOUT);
        Ok(Self { http, session, timeout, checkout: None, is_verbose: context.globals.verbose })
    }

    /// For what a checkout holds.
    pub(crate) fn place(&self) -> Place {
        let session = &self.session;
        Place {
            api_url: session.api_url.origin().ascii_serialization(),
            ns: session.ns.clone(),
            profile: session.profile.clone(),
        }
    }

    /// A URL of the server; each segment is escaped.
    pub(crate) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.session.api_url.clone();
        url.path_segments_mut().expect("http and https URLs have a path").pop_if_empty().push("api").extend(segments);
        url
    }

    /// A request with all that this session adds to each.
    pub(crate) fn request(&self, method: Method, url: Url) -> Result<RequestBuilder> {
        let mut request = self.http.request(method, url).header(ACCEPT, "application/json");
        if let Some((token, _)) = &self.session.token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .map_err(|_| Failure::new("NOT_LOGGED_IN", "the token has characters that no token has"))?;
            value.set_sensitive(true);
            request = request.header(reqwest::header::AUTHORIZATION, value);
        }
        if let Some(ns) = &self.session.ns {
            request = request.header(DO_NAMESPACE, ns);
        }
        if let Some(checkout) = &self.checkout {
            let value = HeaderValue::try_from(checkout.expose()).map_err(|_| {
                Failure::new("CONFIG_INVALID", "what is checked out is kept with characters that no session has")
                    .with_hint("`org.ai checkout --clear` begins anew")
            })?;
            request = request.header(DO_SESSION, value);
        }
        Ok(request)
    }

    pub(crate) async fn get(&self, context: &mut Context, url: Url) -> Result<Value> {
        let request = self.request(Method::GET, url)?;
        Ok(self.send(context, request).await?.body)
    }

    pub(crate) async fn delete(&self, context: &mut Context, url: Url) -> Result<Value> {
        let request = self.request(Method::DELETE, url)?;
        Ok(self.send(context, request).await?.body)
    }

    pub(crate) async fn post(&self, context: &mut Context, url: Url, body: &Value) -> Result<Value> {
        let request = self.request(Method::POST, url)?.json(body);
        Ok(self.send(context, request).await?.body)
    }

    /// Sends, and reads the whole answer.
    pub(crate) async fn send(&self, context: &mut Context, request: RequestBuilder) -> Result<Answer> {
        let response = self.start(context, request.timeout(self.timeout)).await?;
        self.read(response).await
    }

    /// Sends, and hands over the answer as soon as it begins.
    pub(crate) async fn start(&self, context: &mut Context, request: RequestBuilder) -> Result<Response> {
        let request = request.build().map_err(|e| Failure::local("the request cannot be made", e.without_url()))?;
        let line = format!("{} {}", request.method(), request.url());
        if self.is_verbose {
            context.complain(&format!("> {line}"));
        }
        let began = Instant::now();
        let response = self.http.execute(request).await.map_err(|e| self.unreachable(&e))?;
        if self.is_verbose {
            let id = response.headers().get("x-request-id").and_then(|v| v.to_str().ok()).unwrap_or("-");
            context.complain(&format!("< {} in {} ms, request {id}", response.status(), began.elapsed().as_millis()));
        }
        Ok(response)
    }

    /// The whole body of an answer.
    pub(crate) async fn body(&self, mut response: Response) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.unreachable(&e))? {
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(Failure::local(
                    "the answer is too large",
                    format_args!("more than {} MiB", ANSWER_BYTES_MAX >> 20),
                ));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Reads an answer to its end.
    pub(crate) async fn read(&self, response: Response) -> Result<Answer> {
        let status = response.status();
        let headers = response.headers().clone();
        let bytes = self.body(response).await?;
        if !status.is_success() {
            let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            return Err(self.refused(status.as_u16(), &headers, &body));
        }
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).map_err(|_| {
                Failure::new("NETWORK", format!("{} answered with something that is not JSON", self.session.api_url))
                    .with_hint("is the URL the one of an org.ai server?")
            })?
        };
        let is_unchanged = headers.get(DO_UNCHANGED).is_some_and(|value| value == "1");
        Ok(Answer { status: status.as_u16(), is_unchanged, body })
    }

    pub(crate) fn refused(&self, status: u16, headers: &HeaderMap, body: &Value) -> Failure {
        let mut failure = Failure::of_answer(status, body);
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        failure.request_id = failure.request_id.or_else(|| header("x-request-id").map(Box::from));
        if let (429, Some(seconds)) = (status, header("retry-after")) {
            failure.hint = Some(format!("try again in {seconds} seconds"));
        }
        if (300..400).contains(&status) {
            failure.message = match header("location") {
                Some(to) => format!("the server moved to {to}"),
                None => format!("the server answered {status}"),
            };
            failure.hint = Some("give the new address with --api-url".to_owned());
        }
        let code = failure.code.as_str();
        if self.checkout.is_some() && (code.contains("SESSION") || code == "READ_ONLY_REF") {
            failure.hint =
                Some("`org.ai checkout` shows what is checked out, `org.ai checkout --clear` ends it".to_owned());
        }
        if status == 401 && self.session.token.is_none() {
            failure.message = format!("you are not logged in at {}", self.session.api_url);
        }
        failure
    }

    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let url = &self.session.api_url;
        if error.is_timeout() && !error.is_connect() {
            return Failure::new("TIMED_OUT", format!("{url} did not answer in {:?}", self.timeout));
        }
        // The innermost reason is the one that a person understands.
        let mut reason: &dyn std::error::Error = error;
        while let Some(inner) = reason.source() {
            reason = inner;
        }
        let what = if error.is_connect() { "cannot be reached" } else { "broke the connection" };
        let failure = Failure::new("NETWORK", format!("{url} {what}: {reason}"));
        if is_loopback(url) { failure } else { failure.with_hint("check the address and your connection") }
    }
}

/// Where a list goes on, if it does.
pub(crate) fn next(body: &Value) -> Option<String> {
    match &body["next"] {
        Value::String(cursor) => Some(cursor.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// All rows of a list, page after page: `page` asks for what is behind a cursor. More than `max` are refused, with what
/// to do about it.
pub(crate) async fn all_rows(
    name: &str,
    max: usize,
    too_many: &str,
    mut page: impl AsyncFnMut(Option<&str>) -> Result<Value>,
) -> Result<Vec<Value>> {
    let (mut found, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let body = page(cursor.as_deref()).await?;
        let after = next(&body);
        found.extend(array(rows(body, name)));
        if found.len() > max {
            return Err(Failure::usage(too_many));
        }
        match after {
            // The same place twice would be for ever.
            Some(after) if cursor.as_ref() != Some(&after) => cursor = Some(after),
            Some(_) | None => return Ok(found),
        }
    }
}

/// What is no list has no rows.
pub(crate) fn array(rows: Value) -> Vec<Value> {
    match rows {
        Value::Array(rows) => rows,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => Vec::new(),
    }
}

/// The rows of a list, whichever envelope it came in: an array, `{"data":[…]}`, or `{"<name>":[…]}`.
pub(crate) fn rows(body: Value, name: &str) -> Value {
    match body {
        Value::Object(mut members) => members
            .shift_remove("data")
            .or_else(|| members.shift_remove(name))
            .unwrap_or_else(|| Value::Array(Vec::new())),
        list => list,
    }
}
