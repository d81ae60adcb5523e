//! `wasi:io/poll`: waiting.
//!
//! A run without a journal waits as the library does it. In a durable run the same wait must have the same end when the
//! run is replayed, so:
//! - a wait for nothing but timers is the call `timers.sleep`, through which the host may put the run away;
//! - a wait for one other thing has one possible end, and is no step;
//! - a wait for several, and a look whether something is ready, are steps: which were ready is written down.

use crate::state::RunState;
use crate::wasi::MS_NS;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use types::exec::{Begun, Steps};
use types::{Call, Fault, Reply};
use wasmtime::component::Resource;
use wasmtime::{Result, bail};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi_io::bindings::wasi::io::poll;

/// Pollables of one wait of a durable run: the list of those that were ready is kept in its journal.
const POLLED_MAX: usize = 10_000;

/// One pollable of a wait.
#[derive(Clone, Copy)]
struct Polled {
    position: u32,
    rep: u32,
    /// None: it is no timer.
    wait: Option<Duration>,
}

impl Polled {
    fn resource(self) -> Resource<DynPollable> {
        Resource::new_borrow(self.rep)
    }
}

impl poll::Host for RunState {
    async fn poll(&mut self, pollables: Vec<Resource<DynPollable>>) -> Result<Vec<u32>> {
        match self.steps.clone() {
            None => poll::Host::poll(self.table(), pollables).await,
            Some(steps) => self.poll_durably(&steps, &pollables).await,
        }
    }
}

impl poll::HostPollable for RunState {
    async fn ready(&mut self, pollable: Resource<DynPollable>) -> Result<bool> {
        let Some(steps) = self.steps.clone() else {
            return poll::HostPollable::ready(self.table(), pollable).await;
        };
        match self.polled(0, &pollable).wait {
            Some(wait) => Ok(wait.is_zero()),
            None => self.is_ready_durably(&steps, pollable).await,
        }
    }

    async fn block(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        if self.steps.is_some() && self.polled(0, &pollable).wait.is_some() {
            let timers = [self.polled(0, &pollable)];
            return self.sleep(&timers).await.map(|_| ());
        }
        poll::HostPollable::block(self.table(), pollable).await
    }

    fn drop(&mut self, pollable: Resource<DynPollable>) -> Result<()> {
        if self.steps.is_some() {
            self.timers().remove(&pollable.rep());
        }
        poll::HostPollable::drop(self.table(), pollable)
    }
}

impl RunState {
    /// How long it is to be waited for, by the guest's clock.
    fn polled(&mut self, position: u32, pollable: &Resource<DynPollable>) -> Polled {
        let (now_ns, rep) = (self.monotonic(), pollable.rep());
        let wait = self.timers().get(&rep).map(|deadline_ns| Duration::from_nanos(deadline_ns.saturating_sub(now_ns)));
        Polled { position, rep, wait }
    }

    /// It has rung: the guest's clock is not before its deadline any more, whatever the host's says and however it rounds.
    fn ring(&mut self, rep: u32) {
        if let Some(deadline_ns) = self.timers().get(&rep).copied() {
            self.advance_monotonic(deadline_ns);
        }
    }

    async fn poll_durably(&mut self, steps: &Arc<dyn Steps>, pollables: &[Resource<DynPollable>]) -> Result<Vec<u32>> {
        if pollables.is_empty() {
            bail!("the list of what to wait for is empty");
        }
        if pollables.len() > POLLED_MAX {
            let message = format!("a durable run can wait for {POLLED_MAX} things at once, not {}", pollables.len());
            return Err(Fault::limit("POLL_LIMIT", message).into());
        }
        let polled: Vec<_> = (0..).zip(pollables).map(|(position, one)| self.polled(position, one)).collect();
        if polled.iter().all(|one| one.wait.is_some()) {
            return self.sleep(&polled).await;
        }
        if let [one] = polled[..] {
            poll::HostPollable::block(self.table(), one.resource()).await?;
            return Ok(vec![0]);
        }
        let (ordinal, begun) = self.begin_poll(steps, polled.len()).await?;
        let ready = match begun {
            Some(ready) => {
                for one in polled.iter().filter(|one| one.wait.is_none() && ready.contains(&one.position)) {
                    poll::HostPollable::block(self.table(), one.resource()).await?;
                }
                ready
            }
            None => {
                let ready = self.wait_for_any(&polled).await?;
                steps.end(ordinal, Reply::Ready(ready.clone())).await?;
                ready
            }
        };
        for one in polled.iter().filter(|one| one.wait.is_some() && ready.contains(&one.position)) {
            self.ring(one.rep);
        }
        Ok(ready)
    }

    /// The ordinal, and the answer if it is recorded.
    async fn begin_poll(&mut self, steps: &Arc<dyn Steps>, pollables: usize) -> Result<(u32, Option<Vec<u32>>)> {
        let pollables = u32::try_from(pollables)?;
        let call = Call::Poll { pollables };
        self.admit(call.name())?;
        self.hand_over_log();
        let ordinal = steps.open();
        match steps.begin(ordinal, call).await? {
            Begun::Perform { .. } => Ok((ordinal, None)),
            Begun::Recorded(Reply::Ready(ready)) if ready.iter().all(|position| *position < pollables) => {
                Ok((ordinal, Some(ready)))
            }
            Begun::Recorded(Reply::Fault(fault)) => Err(fault.into()),
            Begun::Recorded(_) => {
                tracing::error!(ordinal, "the journal answers a wait with something else");
                Err(Fault::internal().into())
            }
        }
    }

    async fn is_ready_durably(&mut self, steps: &Arc<dyn Steps>, pollable: Resource<DynPollable>) -> Result<bool> {
        let (ordinal, begun) = self.begin_poll(steps, 1).await?;
        if let Some(ready) = begun {
            if !ready.is_empty() {
                poll::HostPollable::block(self.table(), pollable).await?;
            }
            return Ok(!ready.is_empty());
        }
        let is_ready = poll::HostPollable::ready(self.table(), pollable).await?;
        steps.end(ordinal, Reply::Ready(if is_ready { vec![0] } else { Vec::new() })).await?;
        Ok(is_ready)
    }

    /// Until the first of them; which have rung then.
    async fn sleep(&mut self, timers: &[Polled]) -> Result<Vec<u32>> {
        let wait = timers.iter().filter_map(|one| one.wait).min().unwrap_or_default();
        if !wait.is_zero() {
            // Not a moment too early: the guest would look at its clock and wait again.
            let duration_ms = u64::try_from(wait.as_nanos())?.div_ceil(MS_NS);
            let reply = self.ask(Call::Sleep { duration_ms }).await?;
            if let Reply::Fault(fault) = reply {
                return Err(fault.into());
            }
            if reply != Reply::Done {
                tracing::error!("a sleep was answered with something else");
                return Err(Fault::internal().into());
            }
        }
        let rung = timers.iter().filter(|one| one.wait.is_some_and(|own| own <= wait));
        Ok(rung
            .map(|one| {
                self.ring(one.rep);
                one.position
            })
            .collect())
    }

    /// Waits in real time for timers and others; which are ready, ascending.
    async fn wait_for_any(&mut self, polled: &[Polled]) -> Result<Vec<u32>> {
        let began = Instant::now();
        let others: Vec<_> = polled.iter().filter(|one| one.wait.is_none()).copied().collect();
        let first = polled.iter().filter_map(|one| one.wait).min();
        let rings = async {
            // A moment that no clock can name never comes.
            match first.and_then(|wait| began.checked_add(wait)) {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let resources = others.iter().map(|one| one.resource()).collect();
        let mut ready: Vec<u32> = tokio::select! {
            biased;
            found = poll::Host::poll(self.table(), resources) => {
                found?.into_iter().filter_map(|index| others.get(index as usize)).map(|one| one.position).collect()
            }
            () = rings => Vec::new(),
        };
        // When a timer has woken us, its time has come, however the clocks round.
        let passed = if ready.is_empty() { began.elapsed().max(first.unwrap_or_default()) } else { began.elapsed() };
        ready.extend(polled.iter().filter(|one| one.wait.is_some_and(|wait| wait <= passed)).map(|one| one.position));
        ready.sort_unstable();
        Ok(ready)
    }
}
