//! Whether what is written down of an agent or a person can be used.

use serde_json::Value;
use types::{AgentDef, Escalation, HumanDef, Worker};

/// Rules of one escalation.
pub const RULES_MAX: usize = 50;
/// The longest until a rule is taken, in minutes: a year.
pub const AFTER_MINUTES_MAX: u32 = 365 * 24 * 60;
/// Ways to reach one person.
pub const CHANNELS_MAX: usize = 20;
pub const ROLES_MAX: usize = 50;
/// The longest target of a channel, in bytes.
const TARGET_BYTES_MAX: usize = 2048;

/// Looks at the data of a thing of noun `Human` or `Agent`. Other nouns have no rules here.
///
/// # Errors
/// Where, and what would be accepted.
pub fn check(noun: &str, data: &Value) -> Result<(), (String, String)> {
    match noun {
        Worker::HUMAN => human(data).map(|_| ()),
        Worker::AGENT => {
            let read = serde_json::from_value::<AgentDef>(data.clone());
            read.map(|_| ()).map_err(|e| ("data".to_owned(), e.to_string()))
        }
        _ => Ok(()),
    }
}

/// A person, as it is written down.
///
/// # Errors
/// As [`check`].
pub fn human(data: &Value) -> Result<HumanDef, (String, String)> {
    let def: HumanDef = serde_json::from_value(data.clone()).map_err(|e| ("data".to_owned(), e.to_string()))?;
    let refuse = |field: &str, message: String| Err((format!("data.{field}"), message));
    if def.channels.len() > CHANNELS_MAX {
        return refuse("channels", format!("at most {CHANNELS_MAX} are taken"));
    }
    for (at, channel) in def.channels.iter().enumerate() {
        let target = &channel.target;
        if target.trim().is_empty() || target.len() > TARGET_BYTES_MAX || target.chars().any(char::is_control) {
            let message = format!("1 to {TARGET_BYTES_MAX} bytes without control characters");
            return refuse(&format!("channels[{at}].target"), message);
        }
    }
    if def.roles.len() > ROLES_MAX {
        return refuse("roles", format!("at most {ROLES_MAX} are taken"));
    }
    for (at, role) in def.roles.iter().enumerate() {
        if !matches!(format!("role:{role}").parse(), Ok(Worker::Role(_))) {
            return refuse(&format!("roles[{at}]"), format!("{role:?} is no role; letters, digits and -_. are taken"));
        }
    }
    if let Some(escalation) = &def.escalation {
        check_escalation(escalation).map_err(|message| ("data.escalation".to_owned(), message))?;
    }
    if let Some(quiet) = &def.quiet_hours {
        for (name, time) in [("from", &quiet.from), ("to", &quiet.to)] {
            if minutes(time).is_none() {
                return refuse(&format!("quietHours.{name}"), format!("{time:?} is no time of day; write 22:00"));
            }
        }
    }
    Ok(def)
}

/// Minutes since midnight of `22:00`.
pub fn minutes(time: &str) -> Option<u32> {
    let (hours, minutes) = time.split_once(':')?;
    let part = |text: &str, below: u32| {
        (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse::<u32>().ok())??
            .checked_rem(100)
            .filter(|n| *n < below)
    };
    Some(part(hours, 24)? * 60 + part(minutes, 60)?)
}

/// Whether somebody can be escalated to: people, for an agent answers at once or not at all.
///
/// # Errors
/// What would be accepted.
pub fn check_escalation(escalation: &Escalation) -> Result<(), String> {
    if escalation.rules.len() > RULES_MAX {
        return Err(format!("at most {RULES_MAX} rules are taken"));
    }
    for (at, rule) in escalation.rules.iter().enumerate() {
        if !(1..=AFTER_MINUTES_MAX).contains(&rule.after_minutes) {
            return Err(format!("rules[{at}].afterMinutes: 1 to {AFTER_MINUTES_MAX} are accepted"));
        }
    }
    let to = escalation.rules.iter().map(|rule| &rule.escalate_to).chain(&escalation.final_escalation);
    for worker in to {
        if let Worker::Agent(_) = worker {
            return Err(format!("{worker} is an agent; escalate to Human/NAME or role:NAME"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_person_is_looked_at_before_anybody_is_asked() {
        let right = json!({
            "name": "Ann", "roles": ["finance"],
            "channels": [{ "type": "email", "target": "ann@acme.example", "priority": "normal" }],
            "escalation": { "rules": [{ "afterMinutes": 10, "escalateTo": "role:cfo" }], "onExhausted": "reject" },
            "quietHours": { "from": "22:00", "to": "07:00" },
        });
        assert_eq!(check("Human", &right), Ok(()));
        assert_eq!(check("Order", &json!({ "colour": 1 })), Ok(()), "other nouns are not looked at");
        for (wrong, field) in [
            (json!({ "colour": 1 }), "data"),
            (json!({ "channels": [{ "type": "pigeon", "target": "x" }] }), "data"),
            (json!({ "channels": [{ "type": "email", "target": " " }] }), "data.channels[0].target"),
            (json!({ "roles": ["a b"] }), "data.roles[0]"),
            (json!({ "quietHours": { "from": "24:00", "to": "07:00" } }), "data.quietHours.from"),
            (json!({ "quietHours": { "from": "9:00", "to": "07:00" } }), "data.quietHours.from"),
            (
                json!({ "escalation": { "rules": [{ "afterMinutes": 0, "escalateTo": "role:cfo" }] } }),
                "data.escalation",
            ),
            (json!({ "escalation": { "rules": [{ "afterMinutes": 1, "escalateTo": "Agent/a" }] } }), "data.escalation"),
        ] {
            assert_eq!(check("Human", &wrong).map_err(|(field, _)| field), Err(field.to_owned()), "{wrong}");
        }
        assert!(check("Agent", &json!({ "mode": "wild" })).is_err());
        assert_eq!((minutes("00:00"), minutes("23:59"), minutes("+1:00")), (Some(0), Some(1439), None));
    }
}
