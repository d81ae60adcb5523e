//! What people are sent: that they are asked, again, instead of somebody, or nearly too late.

use super::people::Person;
use super::recipients::quiet_until;
use serde::{Deserialize, Serialize};
use types::exec::{ChannelKind, Dispatch};
use types::{RequestRow, Timestamp, Urgency};

/// One message that is to be handed over: to whom, by which way, why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tell {
    /// The `$id`.
    pub(crate) person: String,
    pub(crate) channel: ChannelKind,
    pub(crate) target: String,
    /// `asked`, `reminder`, `warning`, `escalated-2`, `delegated-1`: each is told once.
    pub(crate) why: String,
    /// It is held until then: their quiet hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held: Option<Timestamp>,
}

impl Tell {
    /// Whether it goes to somebody by the way by which this one goes.
    pub(super) fn goes_as(&self, other: &Self) -> bool {
        (&self.person, self.channel, &self.target) == (&other.person, other.channel, &other.target)
    }
}

/// Why and when somebody is told.
#[derive(Clone, Copy)]
pub(super) struct Telling<'a> {
    pub(super) urgency: Urgency,
    /// None, or none of them: by all that they have.
    pub(super) only: Option<&'a [ChannelKind]>,
    pub(super) why: &'a str,
    pub(super) now: Timestamp,
}

/// By which ways somebody is told: all of theirs that take messages as urgent as this one; in their quiet hours what is
/// not urgent is held.
pub(super) fn ways(person: &Person, telling: Telling<'_>) -> Vec<Tell> {
    let Telling { urgency, only, why, now } = telling;
    let takes = |channel: &&types::Channel| {
        channel.priority <= urgency && only.is_none_or(|only| only.is_empty() || only.contains(&channel.kind))
    };
    let held = if urgency == Urgency::Urgent { None } else { quiet_until(&person.def, now) };
    let tell = |channel: &types::Channel| Tell {
        person: person.id.clone(),
        channel: channel.kind,
        target: channel.target.clone(),
        why: why.to_owned(),
        held,
    };
    person.def.channels.iter().filter(takes).map(tell).collect()
}

/// The message itself. The same each time it is made: who gets it twice can tell by its id.
pub(super) fn message(row: &RequestRow, tell: &Tell) -> Dispatch {
    let mut hasher = blake3::Hasher::new();
    for part in [&tell.person, tell.channel.as_str(), &tell.target, &tell.why] {
        hasher.update(part.as_bytes()).update(&[0]);
    }
    let which = hasher.finalize().to_hex();
    let title: String = row.title.chars().take(120).collect();
    let head = match tell.why.split('-').next().unwrap_or_default() {
        "reminder" => "Still waiting",
        "warning" => "Nearly too late",
        "escalated" => "Nobody has answered yet",
        "delegated" => "Handed on to you",
        _ => "You are asked",
    };
    let mut text = format!("{head}: {}\n\nFrom: {}\n", row.title, row.requester);
    if let Some(amount) = row.amount {
        text.push_str(&format!("Amount: {amount}\n"));
    }
    for option in &row.options {
        text.push_str(&format!("- {}\n", option.label));
    }
    text.push_str(&format!("Until: {}\nRequest: {}\n", row.expires_at, row.id));
    Dispatch {
        id: format!("{}.{}", row.id, &which.as_str()[..16]),
        channel: tell.channel,
        target: tell.target.clone(),
        subject: format!("{head}: {title}"),
        text,
        choices: super::links::choices(row, &tell.person, tell.channel),
        payload: None,
    }
}
