//! What an agent remembers of the goal that it is at: what was said last, up to a limit (spec AGT-5).
//!
//! What a model said and what its tools answered stay together: a provider refuses an answer without its question.

use std::collections::VecDeque;
use types::Message;

/// Messages, beside the instructions and the goal.
pub const ITEMS_MAX: usize = 50;
/// What they weigh together, four characters counted as a token.
pub const TOKENS_MAX: usize = 16_000;
const CHARS_PER_TOKEN: usize = 4;

/// The last messages, in rounds that stay together.
#[derive(Debug, Default)]
pub(super) struct ShortTerm(VecDeque<Vec<Message>>);

impl ShortTerm {
    /// A round of its own; the oldest ones go when there is no room.
    pub(super) fn push(&mut self, round: Vec<Message>) {
        self.0.push_back(round);
        self.make_room();
    }

    /// To the newest round.
    pub(super) fn add(&mut self, messages: Vec<Message>) {
        match self.0.back_mut() {
            Some(round) => round.extend(messages),
            None => self.0.push_back(messages),
        }
        self.make_room();
    }

    pub(super) fn messages(&self) -> impl Iterator<Item = Message> + '_ {
        self.0.iter().flatten().cloned()
    }

    /// The newest round stays whatever it weighs: without it the model could not go on.
    fn make_room(&mut self) {
        while self.0.len() > 1 && (self.items() > ITEMS_MAX || self.chars() > TOKENS_MAX * CHARS_PER_TOKEN) {
            self.0.pop_front();
        }
    }

    fn items(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    fn chars(&self) -> usize {
        let of_calls = |m: &Message| m.tool_calls.iter().map(|c| c.name.len() + c.arguments.len()).sum::<usize>();
        self.0.iter().flatten().map(|m| m.text.len() + of_calls(m)).sum()
    }
}
