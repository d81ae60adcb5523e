//! Timers of a guest: an action that begins at a time, and can be taken back by its name.

use super::accept::{Accepting, Asker};
use crate::commit::lock;
use crate::guest::{GuestHost, end_turn, parse_action, room_in};
use crate::invoke::InvokeOptions;
use crate::object::fault_of;
use types::{ActionRef, Fault, Json, Reply, Timestamp, Trigger};

impl GuestHost {
    pub(super) async fn set_timer(
        &mut self,
        name: &str,
        until: Timestamp,
        action: &str,
        data: Json,
    ) -> Result<Reply, Fault> {
        const NAME_BYTES_MAX: usize = 256;
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            let message = format!("a timer's name is 1 to {NAME_BYTES_MAX} bytes without control characters");
            return Err(Fault::invalid("TIMER_INVALID", message));
        }
        let action: ActionRef = parse_action(action)?;
        let ready = self.object.ready(&self.running.caller, &action, data).await?;
        let asker =
            Asker { trigger: Trigger::Timer { name: name.to_owned() }, parent: Some(self.running.id), depth: 0 };
        let accepting = self.object.accepting(&self.running.caller, &ready, &InvokeOptions::default(), asker)?;
        let mut turn = lock(&self.running.turn);
        room_in(&turn)?;
        turn.accepts.push(Accepting { until: Some(until), ..accepting });
        Ok(Reply::Done)
    }

    pub(super) async fn cancel_timer(&mut self, name: &str) -> Result<Reply, Fault> {
        let is_named = |trigger: &Trigger| matches!(trigger, Trigger::Timer { name: n } if n == name);
        let was_set_now = {
            let mut turn = lock(&self.running.turn);
            let before = turn.accepts.len();
            turn.accepts.retain(|a| !is_named(&a.row.trigger));
            turn.accepts.len() < before
        };
        end_turn(&self.object, &self.running).await?;
        let wanted = name.to_owned();
        let found = self.object.peek(move |store| store.timer(&wanted).map_err(|e| fault_of(&e))).await?;
        let cancelled = match found {
            Some(timer) => self.object.cancel_waiting(timer.row.id).await?.is_some(),
            None => false,
        };
        Ok(Reply::Bool(was_set_now || cancelled))
    }
}
