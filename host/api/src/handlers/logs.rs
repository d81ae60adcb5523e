//! What functions write: as pages, and as a stream of server-sent events.
//!
//! A stream reads the stored lines from where its reader is; a new line is only the signal to look. So a reader sets its
//! own pace, nothing queues for it in memory, and what it missed it gets, in order, also after a disconnection
//! (`Last-Event-ID`).

use crate::app::{Scope, Shared};
use crate::caller::Who;
use crate::config::limits;
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{LogLineView, Page, json};
use axum::extract::{Request, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use http::{HeaderMap, header};
use runtime::{Caller, LogEntry, LogFilter};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::watch::Receiver;
use tokio_util::sync::CancellationToken;
use types::{FunctionName, Id};

/// Lines read at a time for a stream.
const BATCH: u32 = 100;
/// Proxies close what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const LAST_EVENT_ID: &str = "last-event-id";

#[utoipa::path(
    get, path = "/api/functions/{name}/logs", tag = "functions",
    params(
        ("name" = String, Path),
        ("after" = Option<u64>, Query, description = "The id of a line; only later ones"),
        ("action" = Option<String>, Query, description = "Only lines of this invocation"),
        ("limit" = Option<u32>, Query, description = "1 to 1000; 20 unless given"),
        ("Last-Event-ID" = Option<u64>, Header, description = "Where a stream goes on"),
    ),
    responses((
        status = 200, body = Page<LogLineView>,
        description = "Oldest first; `next` is the `after` of the next page. With `Accept: text/event-stream` an endless stream of events `log`"
    ))
)]
pub(crate) async fn read(
    State(app): State<Shared>,
    Who { scope, caller }: Who,
    name: Segment,
    request: Request,
) -> Result<Response, Problem> {
    let name = name.bare_function()?;
    let mut fields = Fields::read(request.uri(), &["after", "action", "limit"])?;
    let limit = fields.limit(limits::LOG_PAGE_MAX)?;
    let place = Place {
        function: name,
        action: fields.parsed("action", "the id of an action")?,
        after: fields.parsed("after", "the id of a line")?.unwrap_or(0),
    };
    if wants_stream(request.headers()) {
        let after = last_event_id(request.headers())?.unwrap_or(place.after);
        return stream(&app, scope, caller, Place { after, ..place }).await;
    }
    let page = scope.object.logs(&caller, &place.filter(limit)).await?;
    Ok(json(&Page::of(page, line_view)))
}

/// Which lines, and where among them a reader is.
struct Place {
    function: FunctionName,
    action: Option<Id>,
    after: u64,
}

impl Place {
    fn filter(&self, limit: u32) -> LogFilter {
        LogFilter { target: Some(format!("Function/{}", self.function)), action: self.action, after: self.after, limit }
    }
}

fn line_view(entry: LogEntry) -> LogLineView {
    LogLineView {
        id: entry.row,
        action_id: entry.line.action.to_string(),
        at: entry.line.at.to_string(),
        stream: entry.line.stream.as_str(),
        text: entry.line.text,
    }
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let mut accepted =
        headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    accepted.any(|range| range.split(';').next().is_some_and(|r| r.trim().eq_ignore_ascii_case("text/event-stream")))
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let id = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    id.map(Some).ok_or_else(|| Problem::bad_request("Last-Event-ID must be the id of a line"))
}

/// A stream's reader.
struct Follower {
    scope: Scope,
    caller: Caller,
    place: Place,
    /// Read, not yet sent.
    ready: VecDeque<LogEntry>,
    signal: Receiver<u64>,
    stopping: CancellationToken,
    ended: bool,
    _place: OwnedSemaphorePermit,
}

async fn stream(app: &Shared, scope: Scope, caller: Caller, place: Place) -> Result<Response, Problem> {
    let permit = app.streams.clone().try_acquire_owned().map_err(|_| Problem::busy("too many log streams are open"))?;
    // Before the first look, so that no line falls between.
    let signal = scope.object.follow_logs(&caller)?;
    let stopping = app.stopping.clone();
    let mut follower =
        Follower { scope, caller, place, ready: VecDeque::new(), signal, stopping, ended: false, _place: permit };
    // What this caller may not read is refused with a status, not within the stream.
    follower.look().await?;
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    Ok(Sse::new(follow(follower)).keep_alive(keep_alive).into_response())
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
    /// None when the server stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                let id = entry.row.to_string();
                let data = serde_json::to_string(&line_view(entry)).expect("our own types serialise to JSON");
                return Some(Event::default().event("log").id(id).data(data));
            }
            match self.look().await {
                Ok(Looked::AtEnd) if self.ready.is_empty() => {}
                Ok(Looked::AtEnd | Looked::MoreBehind) => continue,
                Err(problem) => {
                    self.ended = true;
                    let data = problem.body(&self.scope.request_id);
                    return Some(Event::default().event("error").data(String::from_utf8_lossy(&data)));
                }
            }
            tokio::select! {
                () = self.stopping.cancelled() => return None,
                // One look answers all signals that gathered. An error says that the object left memory.
                changed = self.signal.changed() => changed.ok()?,
            }
        }
    }

    async fn look(&mut self) -> Result<Looked, Problem> {
        let page = self.scope.object.logs(&self.caller, &self.place.filter(BATCH)).await?;
        self.place.after = page.next.or(page.items.last().map(|entry| entry.row)).unwrap_or(self.place.after);
        self.ready = page.items.into();
        Ok(if page.next.is_some() { Looked::MoreBehind } else { Looked::AtEnd })
    }
}

/// Whether a page was the last one. One without lines need not be: a look is bounded in rows, too.
enum Looked {
    AtEnd,
    MoreBehind,
}
