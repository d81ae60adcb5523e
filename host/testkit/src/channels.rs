//! Channels that hand messages to a list, and fail when a test says so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use types::Fault;
use types::exec::{BoxFuture, ChannelKind, Channels, Dispatch};

/// What becomes of a message.
type Answer = Arc<dyn Fn(&Dispatch) -> Result<(), Fault> + Send + Sync>;

/// Keeps every message that was handed over, and how often each was tried. Clones share what they keep; so one outlives
/// the node that was stopped, as the people outside do.
#[derive(Default, Clone)]
pub struct ScriptedChannels(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    sent: Vec<Dispatch>,
    tried: HashMap<String, usize>,
    answer: Option<Answer>,
}

impl ScriptedChannels {
    pub fn new() -> Self {
        Self::default()
    }

    /// Each message is answered so; until then all of them arrive.
    pub fn on_deliver(&self, answer: impl Fn(&Dispatch) -> Result<(), Fault> + Send + Sync + 'static) {
        self.kept().answer = Some(Arc::new(answer));
    }

    /// Every message on a channel of this kind fails from now on, as if its server was down.
    pub fn break_down(&self, kind: ChannelKind) {
        self.on_deliver(move |message| {
            if message.channel == kind {
                return Err(Fault::new(types::FaultKind::Upstream, "CHANNEL_DOWN", "nobody listens there"));
            }
            Ok(())
        });
    }

    /// What arrived, in order; the same message twice if it was handed over twice.
    pub fn sent(&self) -> Vec<Dispatch> {
        self.kept().sent.clone()
    }

    /// What arrived at one target, in order.
    pub fn sent_to(&self, target: &str) -> Vec<Dispatch> {
        self.kept().sent.iter().filter(|message| message.target == target).cloned().collect()
    }

    /// How often each message arrived, by its id.
    pub fn counts(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for message in &self.kept().sent {
            *counts.entry(message.id.clone()).or_default() += 1;
        }
        counts
    }

    /// How often each was tried, those that failed too, by its id.
    pub fn tried(&self) -> HashMap<String, usize> {
        self.kept().tried.clone()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Channels for ScriptedChannels {
    fn deliver(&self, message: Dispatch) -> BoxFuture<'_, Result<(), Fault>> {
        let answer = {
            let mut kept = self.kept();
            *kept.tried.entry(message.id.clone()).or_default() += 1;
            kept.answer.clone()
        };
        // Asked without the lock: the closure may look at what arrived.
        let answered = answer.map_or(Ok(()), |answer| answer(&message));
        if answered.is_ok() {
            self.kept().sent.push(message);
        }
        Box::pin(std::future::ready(answered))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_arrives_is_counted_by_its_id_and_what_fails_is_tried() {
        let channels = ScriptedChannels::new();
        let message = |channel| Dispatch {
            id: "m-1".to_owned(),
            channel,
            target: "ann".to_owned(),
            subject: String::new(),
            text: "hello".to_owned(),
            choices: Vec::new(),
            payload: None,
        };
        channels.break_down(ChannelKind::Sms);
        assert!(channels.deliver(message(ChannelKind::Email)).await.is_ok());
        assert!(channels.deliver(message(ChannelKind::Sms)).await.is_err());
        assert_eq!((channels.counts()["m-1"], channels.tried()["m-1"]), (1, 2));
        assert_eq!(channels.sent_to("ann").len(), 1);
    }
}
