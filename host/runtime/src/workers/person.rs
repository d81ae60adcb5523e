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
use types::{Call, Fault, FaultKind, Json, Method, OnExhausted, Reply, RequestCall, RequestRow, RequestWarning};
use workers::draft::OnTimeout;
use workers::outcome::outcome;
use workers::plan::What;

pub(super) async fn work(host: GuestHost, run: &Arc<DurableRun>, method: Method) -> Result<Json, Fault> {
    let on_timeout = workers::draft::draft(method, &run.row.input, run.row.accepted_at)?.on_timeout;
    let mut work = Work { host, run, on_timeout };
    let Opened { row, plan, tells } = work.ask(RequestCall::Open).await?;
    work.tell(&row, &tells).await?;
    let (mut number, mut delegations) = (0, 0);
    loop {
        let moment = plan.moments.get(number as usize).ok_or_else(Fault::internal)?;
        match work.ask(RequestCall::Wait { until: moment.at, delegations }).await? {
            Awaiting::Settled { row } => return outcome(&row, &work.on_timeout),
            Awaiting::Handed { row, tells } => {
                delegations = u32::try_from(row.delegations.len()).unwrap_or(u32::MAX);
                work.tell(&row, &tells).await?;
            }
            Awaiting::Due => match work.ask(RequestCall::Moment { number }).await? {
                Moved::Settled { row } => return work.end(&row, moment.what),
                Moved::Goes { row, tells } => {
                    work.tell(&row, &tells).await?;
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

    /// Hands the messages over. One that does not arrive keeps nobody from the others, and is noted.
    async fn tell(&mut self, row: &RequestRow, tells: &[Tell]) -> Result<(), Fault> {
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
