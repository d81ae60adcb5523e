//! Answers that are told while they are made: `delta` for each piece that a model says, then `done`, or `error`.
//!
//! The run belongs to the answer: who goes away ends it. Pieces wait in one text until they are sent, so a slow reader
//! gets fewer and larger ones.

use crate::app::Shared;
use crate::handlers::actions::{completed_body, failed};
use crate::problem::Problem;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use http::{HeaderMap, HeaderValue, header};
use runtime::{InvokeFailed, Invoked, Listener};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio_util::task::AbortOnDropHandle;
use types::Fault;

/// What may wait to be sent, in bytes; beyond it pieces are left out, and `done` has the whole.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// Whether an answer is to be streamed: the caller says so, or the function does and the caller accepts anything.
pub(crate) fn wanted(headers: &HeaderMap, asked: Option<bool>, usual: bool) -> bool {
    if let Some(asked) = asked {
        return asked;
    }
    let accepts = |kind: &str| {
        let mut values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        values.any(|value| value.to_ascii_lowercase().contains(kind))
    };
    accepts("text/event-stream") || usual && !accepts("application/json")
}

#[derive(Default)]
struct Pieces {
    text: Mutex<String>,
    /// Something was said.
    said: Notify,
}

impl Pieces {
    fn take(&self) -> Option<String> {
        let text = std::mem::take(&mut *self.text.lock().unwrap_or_else(PoisonError::into_inner));
        Some(text).filter(|text| !text.is_empty())
    }

    fn add(&self, piece: &str) {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        if text.len() + piece.len() <= WAITING_BYTES_MAX {
            text.push_str(piece);
        }
        drop(text);
        self.said.notify_one();
    }
}

type Ended = Result<Invoked, InvokeFailed>;

struct Telling {
    pieces: Arc<Pieces>,
    /// None once it has ended and that was told.
    run: Option<AbortOnDropHandle<Ended>>,
    /// Its end, while pieces are still to be told.
    ended: Option<Ended>,
    request_id: String,
    _place: OwnedSemaphorePermit,
}

/// Runs something that a model speaks in.
///
/// # Errors
/// What ends before anything was said is answered with its status, not within the stream; 503 when too many are open.
pub(crate) async fn answer<F>(
    app: &Shared,
    request_id: &str,
    run: impl FnOnce(Listener) -> F,
) -> Result<Response, Problem>
where
    F: Future<Output = Ended> + Send + 'static,
{
    let place = app.streams.clone().try_acquire_owned().map_err(|_| Problem::busy("too many streams are open"))?;
    let pieces = Arc::new(Pieces::default());
    let heard = pieces.clone();
    let run = run(Listener(Some(Arc::new(move |piece: &str| heard.add(piece)))));
    let mut telling = Telling {
        pieces,
        run: Some(AbortOnDropHandle::new(tokio::spawn(run))),
        ended: None,
        request_id: request_id.to_owned(),
        _place: place,
    };
    telling.wait().await;
    if let Some(Err(_)) = &telling.ended
        && telling.pieces.text.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
        && let Some(Err(fault)) = telling.ended.take()
    {
        return Err(failed(fault));
    }
    let events = Sse::new(tell(telling)).keep_alive(KeepAlive::new().interval(app.config.heartbeat));
    let mut response = events.into_response();
    // Proxies must not gather what is sent.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

impl Telling {
    /// Waits until there is something to tell.
    async fn wait(&mut self) {
        let Some(run) = &mut self.run else { return };
        tokio::select! {
            biased;
            () = self.pieces.said.notified() => {}
            ended = run => {
                self.ended = Some(ended.unwrap_or_else(|_| Err(Fault::internal().into())));
                self.run = None;
            }
        }
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(text) = self.pieces.take() {
                let data = serde_json::json!({ "text": text });
                return Some(Event::default().event("delta").data(data.to_string()));
            }
            if let Some(ended) = self.ended.take() {
                return Some(self.last(ended));
            }
            self.run.as_ref()?;
            self.wait().await;
        }
    }

    fn last(&self, ended: Ended) -> Event {
        match ended.map_err(failed).and_then(|invoked| completed_body(&invoked)) {
            Ok(body) => Event::default().event("done").data(body),
            Err(problem) => {
                let body = problem.body(&self.request_id);
                Event::default().event("error").data(String::from_utf8_lossy(&body))
            }
        }
    }
}

fn tell(telling: Telling) -> impl Stream<Item = Result<Event, Infallible>> {
    futures::stream::unfold(telling, |mut telling| async move { Some((Ok(telling.next().await?), telling)) })
}
