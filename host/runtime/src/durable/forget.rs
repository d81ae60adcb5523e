//! Runs that are over are kept for a while, and then leave the file with their steps (spec WFL-9). Their actions and
//! events stay, as any history, until somebody compacts.

use super::KEY_KEPT;
use crate::node::NodeInner;
use crate::object::{Object, fault_of};
use std::time::Duration;
use store::Reader;
use types::{Fault, Row, Timestamp};

/// Runs that are looked at in one turn, and those that leave in it: a turn is some milliseconds.
const LOOKED_AT: u32 = 1_000;
const FORGOTTEN_AT_ONCE: usize = 200;
/// Turns of one wake; an object that has more to forget is woken again, and others come in between.
const TURNS_AT_ONCE: usize = 16;

/// How long a run is kept after its end. Its key is remembered that long at least.
fn kept(node: &NodeInner) -> Duration {
    node.config.runs_kept.max(KEY_KEPT)
}

/// When an object is next to look for runs that are too old.
pub(crate) fn next_forget(node: &NodeInner, store: &Reader) -> Result<Option<Timestamp>, store::Error> {
    store.next_forget(kept(node))
}

impl Object {
    /// Has runs leave that ended too long ago, as many as one wake may.
    pub(super) async fn forget_runs(&self) -> Result<(), Fault> {
        for _ in 0..TURNS_AT_ONCE {
            let now = self.node.now();
            let kept = kept(&self.node.inner);
            let next = self.peek(|store| next_forget(&self.node.inner, store).map_err(|e| fault_of(&e))).await?;
            if next.is_none_or(|at| at > now) {
                return Ok(());
            }
            let kept_ms = u64::try_from(kept.as_millis()).unwrap_or(u64::MAX);
            let before = Timestamp::from_millis(now.as_millis().saturating_sub(kept_ms));
            self.change(FORGOTTEN_AT_ONCE * size_of::<types::Id>(), move |turn| {
                let found = turn.forgettable(before, LOOKED_AT, FORGOTTEN_AT_ONCE).map_err(|e| fault_of(&e))?;
                let store::Forgettable { runs, through } = found;
                turn.write(Row::RunsForgotten { runs, through, at: now }).map_err(|e| fault_of(&e))
            })
            .await?;
        }
        Ok(())
    }
}
