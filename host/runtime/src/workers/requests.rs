//! What is asked from outside: that somebody does something, what became of it, and what waits for whom.

use super::ask::{Asking, key_of, may_ask, placeholder, same_work};
use super::request::unknown;
use crate::Caller;
use crate::commit::Note;
use crate::durable::Asker;
use crate::object::{Object, fault_of, retired};
use serde_json::json;
use std::time::Duration;
use store::{Page, RequestFilter};
use types::{Fault, Id, Json, Method, RequestRow, RequestStatus, Standing, Worker};

/// Which requests somebody wants to see. What is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct RequestsWanted {
    pub status: Option<RequestStatus>,
    /// `me`, a person (`Human/ann`), or a whole `$id`.
    pub assignee: Option<String>,
    pub kind: Option<String>,
    pub method: Option<Method>,
    /// Where the last page said to go on.
    pub before: Option<Id>,
    pub limit: u32,
}

/// What became of work within the time that somebody waited.
#[derive(Clone, Debug)]
pub enum Settled {
    Over(Result<Json, Fault>),
    /// A person is waited for.
    Pending(Box<RequestRow>),
    /// It goes on: an agent is at work.
    Running,
}

/// `{requestId, status, expiresAt}`: what who does not wait is told (spec WRK-1).
pub(super) fn handle(row: &RequestRow) -> Json {
    let mut handle = json!({
        "requestId": row.id.to_string(), "status": row.status.as_str(), "expiresAt": row.expires_at.to_string(),
    });
    if !row.warnings.is_empty() {
        handle["warnings"] = row.warnings.iter().map(|warning| warning.code.clone()).collect();
    }
    Json::from_value(&handle)
}

impl Settled {
    /// What who does not wait is told: `{requestId, status, expiresAt}`.
    pub fn handle(row: &RequestRow) -> Json {
        handle(row)
    }
}

impl Object {
    /// Asks a worker for something; answers with the work's id when it is durable that it will be done. `input` is as
    /// `workers::draft` reads it: `{task, context}`, `{question, options}`, `{request, options}`, `{prompt, options}`,
    /// `{message, options}`. Asking again under the id that the request has finds the same work.
    ///
    /// # Errors
    /// `FORBIDDEN`; `WORKER_NOT_FOUND`, `WORKER_INACTIVE`, `NO_ASSIGNEE`; what `workers::draft` refuses;
    /// `REQUEST_EXISTS`.
    pub async fn begin_work(&self, caller: &Caller, worker: Worker, method: Method, input: Json) -> Result<Id, Fault> {
        may_ask(caller, &worker)?;
        let asking = Asking { worker, method, input };
        let key = key_of(&asking, self.node.now())?;
        if let (Worker::Human(_) | Worker::Role(_), true) = (&asking.worker, method != Method::Notify) {
            let draft = workers::draft::draft(method, &asking.input, self.node.now())?;
            if let Some(form) = &draft.form {
                super::request::check_form(form)?;
            }
            self.whom(&asking.worker, &draft).await?;
        }
        let Some(key) = key else {
            let accepting = self.work(caller, asking, Asker::OUTSIDE);
            return self.begin_now(accepting).await;
        };
        let again = Asking { worker: asking.worker.clone(), method, input: asking.input.clone() };
        let accepting = self.work(caller, asking, Asker::OUTSIDE);
        let (id, held) = (accepting.row.id, (placeholder().to_string(), key));
        let holder = self.inner.durable.hold_key(&held, id);
        if holder != id {
            self.flush().await?;
            let known = self.peek(|store| store.invocation(holder).map_err(|e| fault_of(&e))).await?;
            return same_work(&known.ok_or_else(retired)?.row, &again);
        }
        // Nobody else can begin under this key now; somebody may have before.
        match self.known_work(&again).await {
            Ok(None) => self.begin_now(accepting).await,
            known => {
                self.inner.durable.free_key(&held, id);
                known?.ok_or_else(Fault::internal)
            }
        }
    }

    async fn begin_now(&self, accepting: crate::durable::Accepting) -> Result<Id, Fault> {
        let id = accepting.row.id;
        self.accept_quietly(accepting).await;
        // What was queued before this is durable when this is.
        self.commit_note(Note::of_rows(Vec::new())).await?;
        self.seen().await?;
        Ok(id)
    }

    /// What became of work, waiting so long for its end; None: until it is over.
    ///
    /// # Errors
    /// That there is no such work. How it failed is in the answer.
    pub async fn work_settled(&self, id: Id, within: Option<Duration>) -> Result<Settled, Fault> {
        let told = self.end_of(id);
        if let Some(ended) = self.outcome(id).await? {
            return Ok(Settled::Over(ended.map(|(output, _)| output)));
        }
        let ended = match within {
            None => Some(told.await),
            Some(within) => tokio::time::timeout(within, told).await.ok(),
        };
        if let Some(ended) = ended {
            return Ok(Settled::Over(ended.unwrap_or_else(|_| Err(retired())).map(|(output, _)| output)));
        }
        let row = self.peek(|store| store.request(id).map_err(|e| fault_of(&e))).await?;
        Ok(row.map_or(Settled::Running, |row| Settled::Pending(Box::new(row))))
    }

    /// The request of work that was asked of people, as soon as it is written down.
    ///
    /// # Errors
    /// Why nobody could be asked.
    pub async fn request_opened(&self, id: Id) -> Result<RequestRow, Fault> {
        let mut commits = self.inner.follow_events();
        loop {
            commits.borrow_and_update();
            let (row, work) = self
                .peek(|store| {
                    let row = store.request(id).map_err(|e| fault_of(&e))?;
                    Ok((row, store.invocation(id).map_err(|e| fault_of(&e))?))
                })
                .await?;
            if let Some(row) = row {
                return Ok(row);
            }
            if work.is_some_and(|work| matches!(work.state.at, Standing::Done { .. })) {
                let ended = self.outcome(id).await?;
                return Err(ended.and_then(Result::err).unwrap_or_else(Fault::internal));
            }
            // Its beginning and its end both have events.
            if commits.changed().await.is_err() {
                return Err(retired());
            }
        }
    }

    /// The request that an action of this object asked for and waits for, as soon as there is one; None: there is none
    /// within that time, or the action is over.
    pub async fn request_of(&self, action: Id, within: Duration) -> Result<Option<RequestRow>, Fault> {
        let waiting = async {
            let mut commits = self.inner.follow_events();
            loop {
                commits.borrow_and_update();
                let (row, work) = self
                    .peek(|store| {
                        let row = store.request_of_action(action).map_err(|e| fault_of(&e))?;
                        Ok((row, store.invocation(action).map_err(|e| fault_of(&e))?))
                    })
                    .await?;
                let is_over = work.is_some_and(|work| matches!(work.state.at, Standing::Done { .. }));
                if row.is_some() || is_over {
                    return Ok(row);
                }
                if commits.changed().await.is_err() {
                    return Err(retired());
                }
            }
        };
        tokio::time::timeout(within, waiting).await.unwrap_or(Ok(None))
    }

    /// One request, by its id or by what who asked calls it. Who is asked, who asks and who may read `Approval` sees it.
    ///
    /// # Errors
    /// `REQUEST_NOT_FOUND`; `FORBIDDEN`.
    pub async fn request(&self, caller: &Caller, id: &str) -> Result<RequestRow, Fault> {
        let found = self
            .look(|store| {
                let by_id = id.parse::<Id>().ok().map(|id| store.request(id)).transpose();
                let by_id = by_id.map_err(|e| fault_of(&e))?.flatten();
                let by_key = || store.request_by_key(id).map_err(|e| fault_of(&e));
                by_id.map_or_else(by_key, |row| Ok(Some(row)))
            })
            .await?;
        let actor = &*caller.identity.actor;
        match found {
            Some(row) if row.asks(actor) || row.requester == actor => Ok(row),
            found => {
                caller.may("Approval", "read")?;
                found.ok_or_else(|| unknown(id))
            }
        }
    }

    /// Requests, newest first. One's own need no permission.
    pub async fn requests(&self, caller: &Caller, wanted: RequestsWanted) -> Result<Page<RequestRow, Id>, Fault> {
        let RequestsWanted { status, assignee, kind, method, before, limit } = wanted;
        let assignee = match assignee {
            None => None,
            Some(me) if me == "me" => Some(caller.identity.actor.to_string()),
            Some(whole) if whole.contains("://") => Some(whole),
            Some(name) => match name.parse() {
                Ok(Worker::Human(id)) => Some(self.person(&id).await?.id),
                Ok(Worker::Agent(_) | Worker::Role(_)) | Err(_) => {
                    let message = "assignee is `me`, or a person: Human/NAME";
                    return Err(Fault::invalid("ASSIGNEE_INVALID", message));
                }
            },
        };
        if assignee.as_deref() != Some(&*caller.identity.actor) {
            caller.may("Approval", "read")?;
        }
        let filter = RequestFilter { status, assignee, kind, method, before, limit };
        self.look(|store| store.requests(&filter).map_err(|e| fault_of(&e))).await
    }

    /// How many requests wait for the caller.
    pub async fn pending_for(&self, caller: &Caller) -> Result<u64, Fault> {
        let actor = caller.identity.actor.clone();
        self.look(|store| store.pending_requests(Some(&actor)).map_err(|e| fault_of(&e))).await
    }
}

impl Object {
    /// Who this object is, if it is somebody who can be asked (spec WRK-6): an `Agent` or a `Human`.
    ///
    /// # Errors
    /// `WORKER_NOT_FOUND`.
    pub async fn own_worker(&self, caller: &Caller) -> Result<Worker, Fault> {
        let about = self.about(caller).await?;
        let is = |class: &str| about.class == class || about.extends.iter().any(|above| above.as_str() == class);
        let itself = types::ThingId::parse("self").map_err(|_| Fault::internal())?;
        if is(Worker::AGENT) {
            return Ok(Worker::Agent(itself));
        }
        if is(Worker::HUMAN) {
            return Ok(Worker::Human(itself));
        }
        let message =
            format!("this object is a {}, not an Agent or a Human; ask POST /api/workers/Human%2FNAME/…", about.class);
        Err(Fault::not_found("WORKER_NOT_FOUND", message))
    }
}
