//! Requests to the providers that the server's own configuration names.

use crate::config::ConfigError;
use std::time::Duration;
use types::Fault;
use types::FaultKind;
use types::exec::ChannelKind;

/// Of one request, its connection included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// What is read of an answer.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A client that follows no redirect: credentials go where they are configured to go.
pub(crate) fn client(setting: &'static str) -> Result<reqwest::Client, ConfigError> {
    // What TLS is made with unless something else was chosen before.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(REQUEST_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent("org.ai")
        .build()
        .map_err(|_| ConfigError::new(setting, "no client can be made for it; are the system's certificates there?"))
}

/// A URL that credentials may be sent to: `https`, or this very machine.
pub(crate) fn endpoint(setting: &'static str, url: &str) -> Result<url::Url, ConfigError> {
    let refuse = |why: &str| Err(ConfigError::new(setting, format!("{why}; write one like https://api.example.com/")));
    let Ok(url) = url::Url::parse(url) else { return refuse("it is no URL") };
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        "http" => refuse("credentials are not sent in the clear"),
        _ => refuse("it is no https:// URL"),
    }
}

/// What a provider answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Sends, and reads the beginning of the answer.
pub(crate) async fn send(kind: ChannelKind, request: reqwest::RequestBuilder) -> Result<Answer, Fault> {
    let failed = |error: reqwest::Error| {
        // Its URL may hold an account's number.
        let error = error.without_url();
        tracing::debug!(%error, kind = kind.as_str(), "a provider cannot be reached");
        let kind = kind.as_str();
        if error.is_timeout() {
            let message = format!("the provider of the {kind} channel did not answer in time");
            return Fault::new(FaultKind::Timeout, "CHANNEL_TIMEOUT", message);
        }
        let message = format!("the provider of the {kind} channel cannot be reached, or broke the connection off");
        Fault::new(FaultKind::Upstream, "CHANNEL_FAILED", message)
    };
    let mut response = request.send().await.map_err(failed)?;
    let (status, wait) = (response.status().as_u16(), retry_after(&response));
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        let room = ANSWER_BYTES_MAX - body.len();
        body.extend_from_slice(&piece[..piece.len().min(room)]);
        if body.len() == ANSWER_BYTES_MAX {
            break;
        }
    }
    if status == 429 {
        let message = format!("the provider of the {} channel wants fewer messages for now", kind.as_str());
        let fault = Fault::new(FaultKind::RateLimited, "CHANNEL_RATE_LIMITED", message);
        return Err(match wait {
            Some(wait) => fault.with_details(&serde_json::json!({ "retryAfterMs": wait.saturating_mul(1_000) })),
            None => fault,
        });
    }
    Ok(Answer { status, body })
}

/// In seconds.
fn retry_after(response: &reqwest::Response) -> Option<u64> {
    response.headers().get("retry-after")?.to_str().ok()?.trim().parse().ok()
}
