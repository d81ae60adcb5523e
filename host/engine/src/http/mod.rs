//! Outgoing `wasi:http`: who may be asked ([`rules`]), where that may be ([`address`]), with which secrets ([`secrets`]),
//! and how ([`connect`], [`body`]). What the host itself posts goes the same way ([`post`]). In a durable run a request with its whole answer is a step ([`step`]); one that failed
//! is written down as a fault ([`failure`]).
//!
//! A request is checked as a whole each time, and a redirect is a new request of the guest's own, so following one
//! leads nowhere that asking directly would not. What is refused gives the guest the error code of WASI, and its author
//! a line in the log that says what to write into the manifest.

mod address;
mod body;
mod connect;
mod failure;
pub mod post;
mod rules;
mod secrets;
mod step;

use crate::config::Config;
use crate::engine::Inner;
use crate::state::{RunState, Shared, sealed};
use ::http::{Request, Response};
use body::Incoming;
use bytes::Bytes;
pub use connect::Outside;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use rules::{Rule, Target};
use secrets::Secrets;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use step::Step;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use types::exec::Steps;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// A connection's own work, driven beside the request.
type Io = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// What a request counts as open by, until its answer is read or dropped.
type Place = Arc<OwnedSemaphorePermit>;

/// An answer whose body may still be on its way.
struct Sent {
    response: Response<WasiBody>,
    io: Io,
    place: Place,
}

/// Why there is no address to connect to.
enum Unresolved {
    /// There are some, but none that may be reached.
    Refused(String),
    Unknown,
    Late,
}

/// The addresses of a target that may be reached; `private`: whether who asks wants to reach private ones.
async fn resolve(config: &Config, target: &Target, private: bool) -> Result<Vec<std::net::SocketAddr>, Unresolved> {
    let lookup = tokio::net::lookup_host((target.host_to_resolve(), target.port));
    let found = tokio::time::timeout(config.http_connect_timeout, lookup).await.map_err(|_| Unresolved::Late)?;
    let mut why = "its name resolves to no address".to_owned();
    let mut allowed = Vec::new();
    for candidate in found.map_err(|_| Unresolved::Unknown)? {
        match address::check(candidate.ip(), private, config.private_networks_allowed) {
            Ok(()) => allowed.push(candidate),
            Err(refusal) => why = refusal,
        }
    }
    if allowed.is_empty() { Err(Unresolved::Refused(why)) } else { Ok(allowed) }
}

/// The outgoing requests of one run.
pub struct Hooks(Arc<Policy>);

/// What one run may ask of whom.
pub struct Policy {
    engine: Arc<Inner>,
    shared: Arc<Shared>,
    rules: Vec<Rule>,
    secrets: Secrets,
    body_bytes_max: usize,
    open: Arc<Semaphore>,
    open_max: u32,
    gate: types::exec::Gate,
    steps: Option<Arc<dyn Steps>>,
    /// While an app describes itself nobody is asked.
    is_sealed: bool,
}

impl Hooks {
    pub fn new(state: &RunState) -> Self {
        Self(Arc::new(Policy::new(state)))
    }
}

impl Policy {
    pub fn new(state: &RunState) -> Self {
        let limits = &state.job.limits;
        Self {
            engine: state.engine.clone(),
            shared: state.shared.clone(),
            rules: state.job.manifest.allow.iter().filter_map(Rule::of).collect(),
            secrets: Secrets::new(&state.job.manifest.secrets, state.job.secrets.clone()),
            body_bytes_max: usize::try_from(limits.http_body_bytes_max).unwrap_or(usize::MAX),
            open: Arc::new(Semaphore::new(limits.http_concurrent_max as usize)),
            open_max: limits.http_concurrent_max,
            gate: state.host.gate(),
            steps: state.steps.clone(),
            is_sealed: state.is_sealed(),
        }
    }

    fn say(&self, line: &str) {
        self.shared.log.host_line(line);
    }

    fn refuse<T>(&self, what: &str, why: &str) -> Result<T, Error> {
        self.say(&format!("{what} was refused: {why}"));
        Err(Error::HttpRequestDenied)
    }

    async fn send(&self, request: Request<WasiBody>, options: Option<RequestOptions>) -> Result<Sent, Error> {
        let target = Target::of(&request).ok_or(Error::HttpRequestUriInvalid)?;
        let what = format!("{} {}", target.method, target.origin());
        let Some(rule) = self.rules.iter().find(|rule| rule.allows(&target)) else {
            return self.refuse(&what, &target.missing_rule(&self.rules));
        };
        let Some(place) = self.place() else {
            self.say(&format!("{what} was refused: {} requests are open, which is the limit of a run", self.open_max));
            return Err(Error::ConnectionLimitReached);
        };
        let request = match self.prepare(request, &target).await? {
            Ok(request) => request,
            Err(why) => return self.refuse(&what, &why),
        };
        let addresses = match self.resolve(&target, rule.private).await? {
            Ok(addresses) => addresses,
            Err(why) => return self.refuse(&what, &why),
        };
        if let Err(fault) = (self.gate)().await {
            self.say(&format!("{what} was not made: {fault}"));
            return Err(Error::InternalError(None));
        }
        let options = options.unwrap_or_default();
        let connect = self.engine.config.http_connect_timeout;
        let connect = options.connect_timeout.map_or(connect, |own| own.min(connect));
        let opened = tokio::time::timeout(connect, self.engine.outside.open(&target, &addresses)).await;
        let (mut sender, io) = opened.map_err(|_| Error::ConnectionTimeout)??;
        // Without one of its own, a request waits as long as its run may.
        let first_byte = options.first_byte_timeout.unwrap_or(Duration::MAX);
        // The connection is driven while the request is on its way; afterwards it belongs to the response. One that ends
        // first may have brought the whole answer already.
        let mut io = Some(io);
        let answered = async {
            let mut answer = pin!(sender.send_request(request));
            if let Some(driver) = &mut io {
                tokio::select! {
                    biased;
                    answer = &mut answer => return answer,
                    _ended = driver => {}
                }
            }
            io = None;
            answer.await
        };
        let answered = tokio::time::timeout(first_byte, answered).await;
        let response = answered.map_err(|_| Error::ConnectionReadTimeout)?.map_err(Error::from)?;
        let response = self.receive(response, options.between_bytes_timeout, place.clone());
        let io = Box::new(async move { if let Some(io) = io { io.await } else { Ok(()) } });
        Ok(Sent { response, io, place })
    }

    fn place(&self) -> Option<Place> {
        self.open.clone().try_acquire_owned().ok().map(Arc::new)
    }

    /// The whole body of a request to there.
    async fn whole(&self, body: WasiBody, to: &str) -> Result<Bytes, Error> {
        match Limited::new(body, self.body_bytes_max).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<LengthLimitError>() => {
                self.say(&format!("{to} has a body of more than {} bytes", self.body_bytes_max));
                Err(Error::HttpRequestBodySize(Some(self.body_bytes_max as u64)))
            }
            Err(_) => Err(Error::HttpProtocolError),
        }
    }

    /// The request as it goes over the wire: its body whole (so that its length is known once secrets are in it), its
    /// URL without scheme and host. The inner error says why it is refused.
    async fn prepare(
        &self,
        request: Request<WasiBody>,
        target: &Target,
    ) -> Result<Result<Request<Full<Bytes>>, String>, Error> {
        let (mut parts, body) = request.into_parts();
        let body = self.whole(body, &target.origin()).await?;
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        if secrets::names(path.as_bytes()).next().is_some() {
            return Ok(Err("a secret can be put into a header or a body, not into a URL, which others log".into()));
        }
        parts.uri = path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
        parts.headers.remove(::http::header::CONTENT_LENGTH);
        parts.headers.remove(::http::header::TRANSFER_ENCODING);
        if let Err(why) = self.secrets.put_into_headers(&mut parts.headers, target) {
            return Ok(Err(why));
        }
        Ok(self.secrets.put_into(&body, target).map(|body| Request::from_parts(parts, Full::new(body))))
    }

    /// Where to connect. The address that was checked is the one that is used: a name that resolves to something else a
    /// moment later (DNS rebinding) gains nothing.
    async fn resolve(
        &self,
        target: &Target,
        private: bool,
    ) -> Result<Result<Vec<std::net::SocketAddr>, String>, Error> {
        match resolve(&self.engine.config, target, private).await {
            Ok(addresses) => Ok(Ok(addresses)),
            Err(Unresolved::Refused(why)) => Ok(Err(why)),
            Err(Unresolved::Unknown) => {
                self.say(&format!("the name {} cannot be resolved", target.host));
                Err(Error::DnsError { rcode: None, info_code: None })
            }
            Err(Unresolved::Late) => Err(Error::DnsTimeout),
        }
    }

    fn receive(
        &self,
        response: Response<hyper::body::Incoming>,
        between_bytes: Option<Duration>,
        place: Place,
    ) -> Response<WasiBody> {
        let (mut parts, body) = response.into_parts();
        let scrubber = self.secrets.scrubber();
        if let Some(scrubber) = &scrubber {
            scrubber.headers(&mut parts.headers);
            parts.headers.remove(::http::header::CONTENT_LENGTH);
        }
        let body = Incoming::new(body, self.body_bytes_max, between_bytes, scrubber, self.shared.clone(), place);
        Response::from_parts(parts, body.boxed_unsync())
    }
}

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Io), Error>> + Send> {
        let policy = self.0.clone();
        if policy.is_sealed {
            policy.shared.ending.end(sealed("wasi:http/outgoing-handler"));
            return Box::new(std::future::pending());
        }
        if let Some(steps) = policy.steps.clone() {
            // Now, not when the request is on its way: the order of steps is the order of the guest's calls.
            let ordinal = steps.open();
            return Box::new(Step { policy, steps, ordinal }.answer(request, options));
        }
        Box::new(async move { policy.send(request, options).await.map(|sent| (sent.response, sent.io)) })
    }

    /// Of a durable run: a guest that asks how much it may write must not learn how far a reader has come, so what it
    /// is likely to write fits, in no more bytes than the library would hold for it.
    fn p2_outgoing_body_buffer_chunks(&mut self) -> usize {
        if self.0.steps.is_some() {
            BUFFERED_CHUNKS
        } else {
            wasmtime_wasi_http::p2::DEFAULT_OUTGOING_BODY_BUFFER_CHUNKS
        }
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        if self.0.steps.is_some() { CHUNK_BYTES } else { wasmtime_wasi_http::p2::DEFAULT_OUTGOING_BODY_CHUNK_SIZE }
    }
}

/// Writes to a request's body that a durable run need not wait for, and what one of them may bring: 1 MiB together.
const BUFFERED_CHUNKS: usize = 256;
const CHUNK_BYTES: usize = 4096;

#[cfg(test)]
pub use {address::check as check_address, rules::Rule as TestRule, rules::Target as TestTarget, secrets::Scrubber};
