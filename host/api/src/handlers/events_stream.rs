//! Events as they happen: a stream of server-sent events.
//!
//! A stream reads the stored events from where its reader is; that something happened is only the signal to look. So a
//! slow reader holds nothing in memory but one batch, and what it missed it gets in order after a disconnection
//! (`Last-Event-ID`, spec EVT-4).

use crate::app::{Scope, Shared};
use crate::caller::{self, Who};
use crate::config::limits;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::EventView;
use auth::Credential;
use axum::extract::{Request, State};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use http::HeaderMap;
use runtime::{Caller, EventFilter, EventShown};
use std::collections::VecDeque;
use std::convert::Infallible;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::watch::Receiver;

/// Events read at a time for a stream: what one slow reader may hold in memory.
const BATCH: u32 = 20;
const LAST_EVENT_ID: &str = "last-event-id";

#[utoipa::path(
    get, path = "/api/events/stream", tag = "events",
    params(
        ("after" = Option<u64>, Query, description = "A sequence number; only later ones. Unless given: only what happens from now on"),
        ("verb" = Option<String>, Query, description = "In any of its forms"),
        ("source" = Option<String>, Query, description = "Like `Startup/acme`, or its URL"),
        ("Last-Event-ID" = Option<u64>, Header, description = "Where a stream goes on; before `after`"),
    ),
    responses((
        status = 200, content_type = "text/event-stream", body = String,
        description = "Endless, oldest first: `id` is the sequence, `data` an `Event`; a comment every 15 seconds. An event `error` ends it"
    ))
)]
pub(crate) async fn stream(
    State(app): State<Shared>,
    Who { scope, caller }: Who,
    request: Request,
) -> Result<Response, Problem> {
    let mut fields = Fields::read(request.uri(), &["after", "verb", "source"])?;
    let asked = fields.parsed("after", "a sequence number")?;
    let after = last_event_id(request.headers())?.or(asked);
    let (verb, source) = (fields.text("verb"), fields.text("source"));
    let permit = app.streams.clone().try_acquire_owned().map_err(|_| Problem::busy("too many streams are open"))?;
    // Before the first look, so that nothing falls between.
    let signal = scope.object.follow_events(&caller)?;
    let credential = caller::credential(request.headers())?;
    let filter = EventFilter { after: after.unwrap_or(u64::MAX), verb, source, limit: BATCH };
    let mut follower = Follower {
        app,
        scope,
        caller,
        credential,
        filter,
        ready: VecDeque::new(),
        has_more: false,
        signal,
        ended: false,
        _place: permit,
    };
    // What this caller may not read is refused with a status, not within the stream.
    follower.look().await?;
    let mut response = Sse::new(follow(follower)).into_response();
    response.headers_mut().insert("x-accel-buffering", http::HeaderValue::from_static("no"));
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    id.map(Some).ok_or_else(|| Problem::bad_request("Last-Event-ID must be the sequence number of an event"))
}

/// A stream's reader.
struct Follower {
    app: Shared,
    scope: Scope,
    caller: Caller,
    credential: Option<Credential>,
    filter: EventFilter,
    /// Read, not yet sent.
    ready: VecDeque<EventShown>,
    /// There were more than one batch takes.
    has_more: bool,
    signal: Receiver<u64>,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

fn follow(follower: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    futures::stream::unfold(follower, |mut follower| async move {
        if follower.ended {
            return None;
        }
        let event = follower.next().await?;
        Some((Ok(event), follower))
    })
}

impl Follower {
    /// None when the server stops or the object leaves memory.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(shown) = self.ready.pop_front() {
                let id = shown.row.sequence.to_string();
                let view = EventView::of(&self.scope, shown);
                let data = serde_json::to_string(&view).expect("our own types serialise to JSON");
                return Some(Event::default().id(id).data(data));
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

    /// A key that was revoked or has expired reads nothing more.
    async fn still_may(&mut self) -> Result<(), Problem> {
        self.caller.identity = self.app.node.authenticate(&self.scope.object, self.credential.as_ref()).await?;
        Ok(())
    }

    async fn look(&mut self) -> Result<(), Problem> {
        self.still_may().await?;
        let found = self.scope.object.events_shown(&self.caller, &self.filter).await?;
        self.filter.after = found.through;
        self.has_more = found.next.is_some();
        self.ready = found.items.into();
        Ok(())
    }
}

const _: () = assert!(BATCH <= limits::PAGE_MAX);
