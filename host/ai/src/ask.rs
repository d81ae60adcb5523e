//! Making requests: a place at the provider, one request, its answer within limits, and again where that may help.

use crate::config::{Config, ConfigError, Key, Provider, Setting};
use crate::retry::{Missed, retry_after};
use crate::sse::Events;
use crate::stream::Hearing;
use crate::wire::{self, Said};
use futures::StreamExt;
use reqwest::header::{AUTHORIZATION, HeaderValue, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;
use types::exec::{BoxFuture, Heard, Models};
use types::{Completed, Completion, Fault, FaultKind, Finish, Price, Spent};

/// For the connection alone.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest that anybody may wait for one request.
const TIMEOUT_MAX: Duration = Duration::from_secs(600);
/// A whole answer with everything around its text; of embeddings, some thousand long vectors.
const BODY_BYTES_MAX: usize = 64 << 20;
const COMPLETION_BYTES_MAX: usize = 4 << 20;
/// What is read of an answer that is an error.
const COMPLAINT_BYTES_MAX: usize = 64 << 10;
/// Texts of one request for embeddings.
const TEXTS_MAX: usize = 2_048;

/// The models of all configured providers.
pub struct Providers {
    config: Config,
    http: reqwest::Client,
    /// Of each provider, in their order: what it may be asked at once, and what its requests carry.
    lines: Vec<Line>,
}

struct Line {
    places: Arc<Semaphore>,
    authorization: Option<HeaderValue>,
}

impl Providers {
    /// # Errors
    /// A setting that cannot be meant so, by its name.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        // A provider of cryptography that is there already is this one: nothing else in the program installs any.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("org.ai/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirect would carry the key to where the operator did not send it.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if config.providers.iter().all(|provider| provider.base_url.scheme() == "http") {
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|e| ConfigError::Client(e.to_string()))?;
        let lines = config.providers.iter().map(line).collect::<Result<_, _>>()?;
        Ok(Self { config, http, lines })
    }

    async fn completed(&self, request: Completion, heard: Heard) -> Result<Completed, Fault> {
        let (at, model) = self.config.find(request.model.as_deref(), Setting::Default)?;
        let provider = &self.config.providers[at];
        let timeout = request.timeout_ms.map_or(provider.timeout, Duration::from_millis).min(TIMEOUT_MAX);
        let body = wire::request(&request, model, heard.is_some());
        let sent_bytes = request.messages.iter().map(|message| message.text.len()).sum();
        // Who has heard a piece of an answer must not hear the beginning of another one.
        let was_heard = AtomicBool::new(false);
        let ask = || -> BoxFuture<'_, _> { Box::pin(self.once(at, &body, heard.clone(), &was_heard)) };
        let said = self.insist(at, timeout, &was_heard, ask).await?;
        let spent = said.spent(sent_bytes, provider.prices.get(model).copied());
        Ok(Completed {
            finish: said.finish.unwrap_or(Finish::Stop),
            text: said.text,
            tool_calls: said.tool_calls,
            model: format!("{}/{model}", provider.name),
            spent,
        })
    }

    /// One request for a completion.
    async fn once(&self, at: usize, body: &Value, heard: Heard, was_heard: &AtomicBool) -> Result<Said, Missed> {
        let provider = &self.config.providers[at];
        let response = self.send(at, "chat/completions", body).await?;
        let Some(listener) = heard else {
            let body = read_within(response, COMPLETION_BYTES_MAX).await?;
            return Said::read(&body).map_err(|why| Missed::for_now(invalid(provider, &why)));
        };
        let piece = |text: &str| {
            was_heard.store(true, Ordering::Relaxed);
            listener(text);
        };
        hear(response, &piece).await.map_err(|missed| match missed {
            Unheard::Invalid(why) => Missed::for_now(invalid(provider, &why)),
            Unheard::Missed(missed) => missed,
        })
    }

    async fn embedded(
        &self,
        model: Option<String>,
        texts: Vec<String>,
        dimensions: Option<u32>,
    ) -> Result<(Vec<Vec<f32>>, Spent), Fault> {
        let (at, model) = self.config.find(model.as_deref(), Setting::Embedding)?;
        if texts.is_empty() {
            return Ok((Vec::new(), Spent::default()));
        }
        if texts.len() > TEXTS_MAX {
            let message = format!("{} texts are to be embedded; {TEXTS_MAX} are taken at once", texts.len());
            return Err(Fault::limit("EMBEDDING_LIMIT", message));
        }
        let provider = &self.config.providers[at];
        let body = wire::embedding_request(model, &texts, dimensions);
        let wanted = texts.len();
        let ask = || -> BoxFuture<'_, _> {
            Box::pin(async {
                let answer = read_within(self.send(at, "embeddings", &body).await?, BODY_BYTES_MAX).await?;
                wire::embeddings(&answer, wanted, dimensions).map_err(|why| Missed::for_now(invalid(provider, &why)))
            })
        };
        let (vectors, tokens) = self.insist(at, provider.timeout, &AtomicBool::new(false), ask).await?;
        let bytes: usize = texts.iter().map(String::len).sum();
        let input_tokens = tokens.unwrap_or(bytes.div_ceil(4) as u64);
        let cost_micros = provider.prices.get(model).map(|price| price.micros(input_tokens, 0));
        Ok((vectors, Spent { input_tokens, output_tokens: 0, cost_micros, model_calls: 1 }))
    }

    /// Asks, and asks again where that may help. Each time in a place of its own, so that who waits keeps nobody out.
    async fn insist<'a, T>(
        &self,
        at: usize,
        timeout: Duration,
        was_heard: &AtomicBool,
        ask: impl Fn() -> BoxFuture<'a, Result<T, Missed>>,
    ) -> Result<T, Fault> {
        let provider = &self.config.providers[at];
        let mut made = 0;
        loop {
            made += 1;
            let place = tokio::time::timeout(timeout, self.lines[at].places.acquire()).await;
            let Ok(Ok(place)) = place else { return Err(busy(provider)) };
            let missed = match tokio::time::timeout(timeout, ask()).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(missed)) => missed,
                Err(_) => Missed::for_now(too_slow(provider, timeout)),
            };
            drop(place);
            let next = missed.next(made, provider.retry_after).filter(|_| !was_heard.load(Ordering::Relaxed));
            let Some(wait) = next else { return Err(missed.into_fault()) };
            tracing::debug!(provider = provider.name, made, fault = %missed.fault, "a model is asked again");
            tokio::time::sleep(wait).await;
        }
    }

    /// One request; an answer whose status says that it is one.
    async fn send(&self, at: usize, path: &str, body: &Value) -> Result<Response, Missed> {
        let provider = &self.config.providers[at];
        let mut url = provider.base_url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/'));
        }
        let mut request = self.http.post(url).json(body);
        if let Some(authorization) = &self.lines[at].authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        // The error would name the URL, which is the operator's.
        let response = request.send().await.map_err(|error| {
            let what = if error.is_connect() { "cannot be reached" } else { "did not answer" };
            Missed::for_now(failed(provider, what))
        })?;
        if response.status() == StatusCode::OK {
            return Ok(response);
        }
        Err(complaint(provider, response).await)
    }
}

impl Models for Providers {
    fn complete(&self, request: Completion, heard: Heard) -> BoxFuture<'_, Result<Completed, Fault>> {
        Box::pin(self.completed(request, heard))
    }

    fn embed(
        &self,
        model: Option<String>,
        texts: Vec<String>,
        dimensions: Option<u32>,
    ) -> BoxFuture<'_, Result<(Vec<Vec<f32>>, Spent), Fault>> {
        Box::pin(self.embedded(model, texts, dimensions))
    }

    fn price(&self, model: Option<&str>) -> Option<Price> {
        let (at, model) = self.config.find(model, Setting::Default).ok()?;
        self.config.providers[at].prices.get(model).copied()
    }
}

fn line(provider: &Provider) -> Result<Line, ConfigError> {
    let header = |key: &Key| {
        let mut value = HeaderValue::try_from(format!("Bearer {}", key.reveal()))
            .map_err(|_| ConfigError::Key(provider.name.clone()))?;
        value.set_sensitive(true);
        Ok(value)
    };
    let places = Arc::new(Semaphore::new(provider.concurrency_max.clamp(1, Semaphore::MAX_PERMITS)));
    Ok(Line { places, authorization: provider.key.as_ref().map(header).transpose()? })
}

/// Reads a body to its end.
async fn read_within(response: Response, bytes_max: usize) -> Result<Vec<u8>, Missed> {
    let (mut body, mut pieces) = (Vec::new(), response.bytes_stream());
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Missed::for_now(answer_invalid("an answer of a model ended in the middle")))?;
        if body.len() + piece.len() > bytes_max {
            let message = format!("an answer of a model is longer than {bytes_max} bytes");
            return Err(Missed::for_good(answer_invalid(message)));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

enum Unheard {
    Invalid(String),
    Missed(Missed),
}

/// Listens to an answer to its end.
async fn hear(response: Response, piece: &(impl Fn(&str) + Sync)) -> Result<Said, Unheard> {
    let is_stream = response.headers().get("content-type").and_then(|v| v.to_str().ok());
    if !is_stream.is_some_and(|kind| kind.starts_with("text/event-stream")) {
        // Some answer as a whole whatever they are asked.
        let body = read_within(response, COMPLETION_BYTES_MAX).await.map_err(Unheard::Missed)?;
        let said = Said::read(&body).map_err(Unheard::Invalid)?;
        piece(&said.text);
        return Ok(said);
    }
    let (mut events, mut hearing, mut bytes) = (Events::default(), Hearing::default(), 0_usize);
    let mut pieces = response.bytes_stream();
    while let Some(next) = pieces.next().await {
        let next = next.map_err(|_| Unheard::Invalid("it ended in the middle".to_owned()))?;
        bytes += next.len();
        if bytes > BODY_BYTES_MAX {
            return Err(Unheard::Invalid(format!("it is longer than {BODY_BYTES_MAX} bytes")));
        }
        let mut wrong = Ok(());
        events
            .take(&next, |data| {
                if wrong.is_ok() {
                    wrong = hearing.take(data, piece);
                }
            })
            .map_err(|_| Unheard::Invalid("it has a line without end, or is no text".to_owned()))?;
        wrong.map_err(Unheard::Invalid)?;
        if hearing.is_done() {
            break;
        }
    }
    hearing.end().map_err(Unheard::Invalid)
}

/// What an answer that is none says.
async fn complaint(provider: &Provider, response: Response) -> Missed {
    let status = response.status();
    let after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = after.and_then(|text| retry_after(text, SystemTime::now()));
    let may_pass = status.is_server_error() || matches!(status.as_u16(), 408 | 409 | 425 | 429);
    let fault = match status.as_u16() {
        // Such an answer may repeat the key.
        401 | 403 => failed(provider, "refuses the key that it is sent; look at its key_env"),
        code => {
            let body = read_within(response, COMPLAINT_BYTES_MAX).await.unwrap_or_default();
            let said = wire::complaint(&body).map(|said| without_key(provider, said));
            let said = said.map_or_else(String::new, |said| format!(": {said}"));
            failed(provider, &format!("answered with status {code}{said}"))
        }
    };
    Missed { fault, may_pass, retry_after }
}

fn without_key(provider: &Provider, text: String) -> String {
    match &provider.key {
        Some(key) if !key.reveal().is_empty() => text.replace(key.reveal(), "[redacted]"),
        Some(_) | None => text,
    }
}

fn failed(provider: &Provider, what: &str) -> Fault {
    Fault::new(FaultKind::Upstream, "MODEL_FAILED", format!("the model provider {} {what}", provider.name))
}

fn invalid(provider: &Provider, why: &str) -> Fault {
    answer_invalid(format!("the answer of the model provider {} cannot be used: {why}", provider.name))
}

fn answer_invalid(message: impl Into<String>) -> Fault {
    Fault::new(FaultKind::Upstream, "MODEL_ANSWER_INVALID", message)
}

fn too_slow(provider: &Provider, timeout: Duration) -> Fault {
    let message = format!("the model provider {} did not answer within {} ms", provider.name, timeout.as_millis());
    Fault::new(FaultKind::Timeout, "MODEL_TIMEOUT", message)
}

fn busy(provider: &Provider) -> Fault {
    let message = format!("too many requests wait for the model provider {}; try again in a moment", provider.name);
    Fault::new(FaultKind::RateLimited, "MODEL_BUSY", message).with_details(&serde_json::json!({ "retryAfterMs": 1000 }))
}
