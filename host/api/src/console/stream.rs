//! When to look again: an event whenever a request or a run of the object has moved. It says nothing else; the page
//! asks for what it shows, and is answered by what its reader may see then.

use super::session::Signed;
use crate::app::{Scope, Shared};
use crate::caller::Who;
use crate::follow::{self, Batch, Source};
use crate::problem::Problem;
use axum::extract::State;
use axum::response::Response;
use axum::response::sse::Event;
use runtime::Caller;
use std::time::Duration;
use tokio::time::Instant;

/// Between two events of one stream, at least: twice a second is live for a person, and bounds what a busy object costs.
const PAUSE: Duration = Duration::from_millis(500);

/// The first event comes at once: what happened while the page was on its way is not missed.
pub(super) async fn stream(State(app): State<Shared>, signed: Signed) -> Result<Response, Problem> {
    let Signed { scope, caller, credential, .. } = signed;
    let signal = scope.object.follow_work();
    follow::stream_by(app, Who { scope, caller }, Some(credential), signal, Changes { told: None }).await
}

struct Changes {
    told: Option<Instant>,
}

impl Source for Changes {
    type Item = ();

    async fn look(&mut self, _: &Scope, _: &Caller) -> Result<Batch<()>, Problem> {
        if let Some(told) = self.told {
            tokio::time::sleep_until(told + PAUSE).await;
        }
        self.told = Some(Instant::now());
        Ok(Batch { items: [()].into(), has_more: false })
    }

    fn event(&self, _: &Scope, (): ()) -> Event {
        // An event without data is none.
        Event::default().event("changed").data("1")
    }
}
