//! What functions write: as pages, and as a stream of server-sent events.

use crate::app::{Scope, Shared};
use crate::caller::Who;
use crate::config::limits;
use crate::follow::{self, Batch, Source};
use crate::handlers::Segment;
use crate::problem::Problem;
use crate::query::Fields;
use crate::views::{LogLineView, Page, json};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::response::sse::Event;
use http::{HeaderMap, header};
use runtime::{Caller, LogEntry, LogFilter};
use types::{FunctionName, Id};

/// Lines read at a time for a stream: what one slow reader may hold in memory.
const BATCH: u32 = 100;

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
    who: Who,
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
        let after = follow::last_event_id(request.headers())?.unwrap_or(place.after);
        let signal = who.scope.object.follow_logs(&who.caller)?;
        return follow::stream(app, who, request.headers(), signal, Place { after, ..place }).await;
    }
    let page = who.scope.object.logs(&who.caller, &place.filter(limit)).await?;
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

impl Source for Place {
    type Item = LogEntry;

    async fn look(&mut self, scope: &Scope, caller: &Caller) -> Result<Batch<LogEntry>, Problem> {
        let page = scope.object.logs(caller, &self.filter(BATCH)).await?;
        self.after = page.next.or(page.items.last().map(|entry| entry.row)).unwrap_or(self.after);
        Ok(Batch { items: page.items.into(), has_more: page.next.is_some() })
    }

    fn event(&self, _: &Scope, entry: LogEntry) -> Event {
        let id = entry.row.to_string();
        let data = serde_json::to_string(&line_view(entry)).expect("our own types serialise to JSON");
        Event::default().event("log").id(id).data(data)
    }
}
