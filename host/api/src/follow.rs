//! Streams of server-sent events: what was stored, from where a reader is, and what is stored from then on.
//!
//! A stream reads stored rows; that there are new ones is only the signal to look. So a slow reader holds nothing in
//! memory but one batch, it sets its own pace, and what it missed it gets in order after a disconnection
//! (`Last-Event-ID`, spec EVT-4). Each look asks anew whether the reader still may: a key that was revoked or has expired
//! reads nothing more.

use crate::app::{Scope, Shared};
use crate::caller::{self, Who};
use crate::problem::Problem;
use auth::Credential;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use http::{HeaderMap, HeaderValue};
use runtime::Caller;
use std::collections::VecDeque;
use std::convert::Infallible;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::watch::Receiver;

const LAST_EVENT_ID: &str = "last-event-id";

/// What can be followed, with the place where its reader is.
pub(crate) trait Source: Send + 'static {
    type Item: Send;

    /// The next rows, as many as one reader may hold in memory; the place moves behind them.
    fn look(
        &mut self,
        scope: &Scope,
        caller: &Caller,
    ) -> impl Future<Output = Result<Batch<Self::Item>, Problem>> + Send;

    /// A row as it is sent; its `id` is where a stream goes on behind it.
    fn event(&self, scope: &Scope, item: Self::Item) -> Event;
}

/// What one look found.
pub(crate) struct Batch<T> {
    pub(crate) items: VecDeque<T>,
    /// There is more behind. A look is bounded in rows that it passes over, too, so this can be true of an empty one.
    pub(crate) has_more: bool,
}

/// Where a reader says that it was.
///
/// # Errors
/// 400 for what is no number.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    id.map(Some).ok_or_else(|| Problem::bad_request("Last-Event-ID must be the id of an event of this stream"))
}

/// Answers with an endless stream. `signal` was taken before, so that nothing falls between.
///
/// # Errors
/// What this caller may not read is refused with a status, not within the stream; 503 when too many are open.
pub(crate) async fn stream<S: Source>(
    app: Shared,
    who: Who,
    headers: &HeaderMap,
    signal: Receiver<u64>,
    source: S,
) -> Result<Response, Problem> {
    let credential = caller::credential(headers)?;
    stream_by(app, who, credential, signal, source).await
}

/// The same for a caller whose credential is in no header.
///
/// # Errors
/// As [`stream`].
pub(crate) async fn stream_by<S: Source>(
    app: Shared,
    Who { scope, caller }: Who,
    credential: Option<Credential>,
    signal: Receiver<u64>,
    source: S,
) -> Result<Response, Problem> {
    let permit = app.streams.clone().try_acquire_owned().map_err(|_| Problem::busy("too many streams are open"))?;
    let mut follower = Follower {
        app,
        scope,
        caller,
        credential,
        source,
        ready: VecDeque::new(),
        has_more: false,
        signal,
        ended: false,
        _place: permit,
    };
    follower.look().await?;
    let mut response = Sse::new(follow(follower)).into_response();
    // Proxies must not gather what is sent.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// A stream's reader.
struct Follower<S: Source> {
    app: Shared,
    scope: Scope,
    caller: Caller,
    credential: Option<Credential>,
    source: S,
    /// Read, not yet sent.
    ready: VecDeque<S::Item>,
    has_more: bool,
    signal: Receiver<u64>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

fn follow<S: Source>(follower: Follower<S>) -> impl Stream<Item = Result<Event, Infallible>> {
    futures::stream::unfold(follower, |mut follower| async move {
        if follower.ended {
            return None;
        }
        let event = follower.next().await?;
        Some((Ok(event), follower))
    })
}

impl<S: Source> Follower<S> {
    /// None when the server stops or the object leaves memory.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.app.stopping.is_cancelled() {
                return None;
            }
            if let Some(item) = self.ready.pop_front() {
                return Some(self.source.event(&self.scope, item));
            }
            if !self.has_more {
                tokio::select! {
                    () = self.app.stopping.cancelled() => return None,
                    // One look answers all signals that gathered.
                    changed = self.signal.changed() => changed.ok()?,
                    () = tokio::time::sleep(self.app.config.heartbeat) => {
                        return match self.still_may().await {
                            Ok(()) => Some(Event::default().comment("")),
                            Err(problem) => Some(self.end(&problem)),
                        };
                    }
                }
            }
            if let Err(problem) = self.look().await {
                return Some(self.end(&problem));
            }
        }
    }

    fn end(&mut self, problem: &Problem) -> Event {
        self.ended = true;
        let data = problem.body(&self.scope.request_id);
        Event::default().event("error").data(String::from_utf8_lossy(&data))
    }

    async fn still_may(&mut self) -> Result<(), Problem> {
        self.caller.identity = self.app.node.authenticate(&self.scope.object, self.credential.as_ref()).await?;
        Ok(())
    }

    async fn look(&mut self) -> Result<(), Problem> {
        self.still_may().await?;
        let batch = self.source.look(&self.scope, &self.caller).await?;
        (self.ready, self.has_more) = (batch.items, batch.has_more);
        Ok(())
    }
}
