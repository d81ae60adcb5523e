//! Work that people do: somebody is asked, waited for, and when nobody answers the next one is asked (spec 11.4, 11.5).
//!
//! Each thing that happens is a step, so what was sent is not sent again, and what was missed while the host was down
//! happens in order. While it waits there are rows only.

use super::message::{Tell, message};
use super::request_step::{Awaiting, Moved, Opened};
use crate::durable::DurableRun;
use crate::guest::GuestHost;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use types::{
    Call, Fault, FaultKind, Json, Method, OnExhausted, Reply, RequestCall, RequestRow, RequestWarning, Timestamp,
};
use workers::draft::OnTimeout;
use workers::outcome::outcome;
use workers::plan::What;

pub(super) async fn work(host: GuestHost, run: &Arc<DurableRun>, method: Method) -> Result<Json, Fault> {
    let on_timeout = workers::draft::draft(method, &run.row.input, run.row.accepted_at)?.on_timeout;
    let mut work = Work { host, run, on_timeout, held: Vec::new() };
    let Opened { mut row, plan, tells } = work.ask(RequestCall::Open).await?;
    work.tell(&row, tells).await?;
    let (mut number, mut delegations) = (0, 0);
    loop {
        let moment = plan.moments.get(number as usize).ok_or_else(Fault::internal)?;
        let until = work.held.iter().filter_map(|tell| tell.held).fold(moment.at, Timestamp::min);
        match work.ask(RequestCall::Wait { until, delegations }).await? {
            Awaiting::Settled { row } => return outcome(&row, &work.on_timeout),
            Awaiting::Handed { row: handed, tells } => {
                row = *handed;
                delegations = u32::try_from(row.delegations.len()).unwrap_or(u32::MAX);
                work.tell(&row, tells).await?;
            }
            Awaiting::Due if until < moment.at => work.tell_held(&row, until).await?,
            Awaiting::Due => match work.ask(RequestCall::Moment { number }).await? {
                Moved::Settled { row } => return work.end(&row, moment.what),
                Moved::Goes { row: moved, tells } => {
                    row = *moved;
                    work.tell(&row, tells).await?;
                    number += 1;
                }
            },
        }
    }
}

struct Work<'r> {
    host: GuestHost,
    run: &'r Arc<DurableRun>,
    on_timeout: OnTimeout,
    /// What somebody's quiet hours hold back: of each way the newest, which says all that those before it said.
    held: Vec<Tell>,
}

impl Work<'_> {
    async fn ask<T: DeserializeOwned>(&mut self, what: RequestCall) -> Result<T, Fault> {
        match self.host.step(self.run, Call::Request { what }).await {
            Reply::Json(json) => serde_json::from_str(json.as_str()).map_err(|_| Fault::internal()),
            Reply::Fault(fault) => Err(fault),
            Reply::Text(_) | Reply::Version(_) | Reply::Bool(_) | Reply::Done | Reply::Http(_) | Reply::Ready(_) => {
                Err(Fault::internal())
            }
        }
    }

    /// Hands over what is not held.
    async fn tell(&mut self, row: &RequestRow, tells: Vec<Tell>) -> Result<(), Fault> {
        self.held.retain(|before| !tells.iter().any(|tell| tell.goes_as(before)));
        let (later, now): (Vec<_>, Vec<_>) = tells.into_iter().partition(|tell| tell.held.is_some());
        self.held.extend(later);
        self.hand_over(row, &now).await
    }

    /// Hands over what was held until then.
    async fn tell_held(&mut self, row: &RequestRow, until: Timestamp) -> Result<(), Fault> {
        let is_due = |tell: &mut Tell| tell.held.is_some_and(|held| held <= until);
        let due: Vec<_> = self.held.extract_if(.., is_due).collect();
        self.hand_over(row, &due).await
    }

    /// Hands the messages over. One that does not arrive keeps nobody from the others, and is noted.
    async fn hand_over(&mut self, row: &RequestRow, tells: &[Tell]) -> Result<(), Fault> {
        let mut warnings = Vec::new();
        for tell in tells {
            let call = Call::Deliver { message: Box::new(message(row, tell)) };
            if let Reply::Fault(fault) = self.host.step(self.run, call).await {
                let message = format!("{} to {}: {}", tell.channel.as_str(), tell.person, fault.message);
                warnings.push(RequestWarning { code: "CHANNEL_FAILED".to_owned(), message });
            }
        }
        if warnings.is_empty() {
            return Ok(());
        }
        warnings.truncate(RequestRow::WARNINGS_MAX);
        self.ask::<serde_json::Value>(RequestCall::Warn { warnings }).await.map(|_| ())
    }

    fn end(&self, row: &RequestRow, what: What) -> Result<Json, Fault> {
        if what == What::Exhausted(OnExhausted::Fail) {
            let message = "everybody was asked, and nobody answered in time";
            return Err(Fault::new(FaultKind::Timeout, "HUMAN_TIMEOUT", message));
        }
        outcome(row, &self.on_timeout)
    }
}
