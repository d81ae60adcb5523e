//! Events as they happen: a stream of server-sent events.

use crate::app::{Scope, Shared};
use crate::caller::Who;
use crate::config::limits;
use crate::follow::{self, Batch, Source};
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::EventView;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::response::sse::Event;
use runtime::{Caller, EventFilter, EventShown};

/// Events read at a time for a stream: what one slow reader may hold in memory.
const BATCH: u32 = 20;

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
pub(crate) async fn stream(State(app): State<Shared>, who: Who, request: Request) -> Result<Response, Problem> {
    let mut fields = Fields::read(request.uri(), &["after", "verb", "source"])?;
    let asked = fields.parsed("after", "a sequence number")?;
    let after = follow::last_event_id(request.headers())?.or(asked);
    let (verb, source) = (fields.text("verb"), fields.text("source"));
    let signal = who.scope.object.follow_events(&who.caller)?;
    let filter = EventFilter { after: after.unwrap_or(u64::MAX), verb, source, limit: BATCH };
    follow::stream(app, who, request.headers(), signal, Events(filter)).await
}

/// Those that a filter lets through, behind its `after`.
struct Events(EventFilter);

impl Source for Events {
    type Item = EventShown;

    async fn look(&mut self, scope: &Scope, caller: &Caller) -> Result<Batch<EventShown>, Problem> {
        let found = scope.object.events_written(caller, &self.0).await?;
        self.0.after = found.through;
        Ok(Batch { items: found.items.into(), has_more: found.next.is_some() })
    }

    fn event(&self, scope: &Scope, shown: EventShown) -> Event {
        let id = shown.row.sequence.to_string();
        let data = serde_json::to_string(&EventView::of(scope, shown)).expect("our own types serialise to JSON");
        Event::default().id(id).data(data)
    }
}

const _: () = assert!(BATCH <= limits::PAGE_MAX);
