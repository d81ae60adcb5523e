//! What happens to a request while nobody answers: reminders, escalations, the end (spec HUM-5, HUM-6).
//!
//! The plan is made once, when it is asked; each of its moments happens once, in order, also when several were missed.

use crate::draft::{Draft, OnTimeout};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use types::exec::ChannelKind;
use types::{Escalation, EscalationRule, Method, NextMoment, OnExhausted, Timestamp, Worker};

/// How long before its time a request's people are warned.
pub const WARNED_BEFORE: Duration = Duration::from_secs(30 * 60);

/// All of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Who is asked one after the other.
    pub steps: Vec<Next>,
    /// In their order.
    pub moments: Vec<Moment>,
}

/// Somebody who is asked when those before have not answered.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Next {
    pub to: Worker,
    /// Empty: by their own.
    pub channels: Vec<ChannelKind>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Moment {
    pub at: Timestamp,
    pub what: What,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// Those who are asked are told again.
    Reminder,
    /// They are told that the time is nearly over.
    Warning,
    /// The step of this number is taken, unless it was.
    Escalation(usize),
    /// The time is over in which it should have been answered: the next step is taken.
    Breach,
    /// There is nobody left to ask.
    Exhausted(OnExhausted),
    /// Nobody is waited for any more.
    Expiry,
}

impl What {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reminder => "reminder",
            Self::Warning => "warning",
            Self::Escalation(_) => "escalation",
            Self::Breach => "breach",
            Self::Exhausted(_) => "exhausted",
            Self::Expiry => "expiry",
        }
    }
}

/// Who is asked one after the other, by this policy: in the order of their time, those of one time as they are listed.
pub fn steps(policy: Option<&Escalation>) -> Vec<Next> {
    let Some(policy) = policy else { return Vec::new() };
    let rules = ascending(policy).into_iter().map(|rule| (&rule.escalate_to, rule.notify_channels.clone()));
    let all = rules.chain(policy.final_escalation.as_ref().map(|to| (to, Vec::new())));
    all.map(|(to, channels)| Next { to: to.clone(), channels }).collect()
}

fn ascending(policy: &Escalation) -> Vec<&EscalationRule> {
    let mut rules: Vec<_> = policy.rules.iter().collect();
    rules.sort_by_key(|rule| rule.after_minutes);
    rules
}

impl Plan {
    /// What is to come of it, if it is asked now.
    pub fn of(draft: &Draft, method: Method, policy: Option<&Escalation>, now: Timestamp) -> Self {
        let after = |minutes: u64| now.plus(Duration::from_secs(minutes * 60));
        let empty = Escalation::default();
        let policy = policy.unwrap_or(&empty);
        let (rules, steps) = (ascending(policy), steps(Some(policy)));
        let of_rule = |(number, rule): (usize, &&EscalationRule)| Moment {
            at: after(u64::from(rule.after_minutes)),
            what: What::Escalation(number),
        };
        let mut moments: Vec<_> = rules.iter().enumerate().map(of_rule).collect();
        if let Some(first) = rules.first() {
            let at = now.plus(Duration::from_secs(u64::from(first.after_minutes) * 30));
            moments.push(Moment { at, what: What::Reminder });
        }
        let interval = rules.last().map(|rule| u64::from(rule.after_minutes));
        let mut last = interval;
        if let Some(interval) = interval.filter(|_| policy.final_escalation.is_some()) {
            last = Some(2 * interval);
            moments.push(Moment { at: after(2 * interval), what: What::Escalation(rules.len()) });
        }
        if let Some((last, interval)) = last.zip(interval).filter(|_| policy.on_exhausted != OnExhausted::Wait) {
            moments.push(Moment { at: after(last + interval), what: What::Exhausted(policy.on_exhausted) });
        }
        let mut expires_at = draft.expires_at(method, now);
        if draft.on_timeout == OnTimeout::Escalate {
            let each = Duration::from_millis(expires_at.millis_since(now));
            for number in 0..steps.len() {
                moments.push(Moment { at: expires_at, what: What::Escalation(number) });
                expires_at = expires_at.plus(each);
            }
        }
        let due_at = draft.due_at(method, now);
        moments.extend(due_at.map(|at| Moment { at, what: What::Breach }));
        let warned_for = due_at.unwrap_or(expires_at);
        let warned_at = Timestamp::from_millis(
            warned_for.as_millis().saturating_sub(u64::try_from(WARNED_BEFORE.as_millis()).unwrap_or(u64::MAX)),
        );
        if warned_at > now {
            moments.push(Moment { at: warned_at, what: What::Warning });
        }
        moments.retain(|moment| moment.at < expires_at);
        moments.sort_by_key(|moment| moment.at);
        moments.push(Moment { at: expires_at, what: What::Expiry });
        Self { steps, moments }
    }

    pub fn expires_at(&self) -> Timestamp {
        self.moments.last().map_or(Timestamp::from_millis(0), |moment| moment.at)
    }

    /// Which step this moment takes when so many have been taken; None: none.
    pub fn step_of(&self, what: What, level: u32) -> Option<usize> {
        let level = level as usize;
        let number = match what {
            What::Escalation(number) => Some(number).filter(|number| *number >= level),
            What::Breach => Some(level),
            What::Reminder | What::Warning | What::Exhausted(_) | What::Expiry => None,
        };
        number.filter(|number| *number < self.steps.len())
    }

    /// All of it as a person is told, as it was when nothing of it had happened.
    pub fn told(&self) -> Vec<NextMoment> {
        let (mut level, mut told) = (0, Vec::with_capacity(self.moments.len()));
        for moment in &self.moments {
            let step = self.step_of(moment.what, level);
            if let Some(number) = step {
                level = u32::try_from(number + 1).unwrap_or(u32::MAX);
            } else if matches!(moment.what, What::Escalation(_)) {
                continue;
            }
            let who = step.and_then(|number| self.steps.get(number)).map(|step| step.to.clone());
            told.push(NextMoment { at: moment.at, what: moment.what.as_str().to_owned(), who });
        }
        told
    }

    /// What a person is told of what comes next, behind the moment before `from`.
    pub fn next(&self, from: usize, level: u32) -> Option<NextMoment> {
        let comes = |moment: &&Moment| match moment.what {
            What::Escalation(_) => self.step_of(moment.what, level).is_some(),
            What::Reminder | What::Warning | What::Breach | What::Exhausted(_) | What::Expiry => true,
        };
        let moment = self.moments.get(from..)?.iter().find(comes)?;
        let step = self.step_of(moment.what, level).and_then(|number| self.steps.get(number));
        let what = moment.what.as_str().to_owned();
        Some(NextMoment { at: moment.at, what, who: step.map(|step| step.to.clone()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::draft;
    use serde_json::json;
    use types::Json;

    const NOW: Timestamp = Timestamp::from_millis(1_704_715_200_000);

    fn plan(options: &serde_json::Value, policy: &serde_json::Value) -> Vec<(u64, What)> {
        let input = Json::from_value(&json!({ "request": { "description": "d" }, "options": options }));
        let draft = draft(Method::Approve, &input, NOW).expect("it is right");
        let policy: Escalation = serde_json::from_value(policy.clone()).expect("it is a policy");
        let plan = Plan::of(&draft, Method::Approve, Some(&policy), NOW);
        plan.moments.iter().map(|moment| (moment.at.millis_since(NOW) / 60_000, moment.what)).collect()
    }

    fn rule(after: u32) -> serde_json::Value {
        json!({ "afterMinutes": after, "escalateTo": "role:cfo" })
    }

    #[test]
    fn each_rule_has_its_moment_in_ascending_order() {
        let policy = json!({ "rules": [rule(60), rule(10), rule(30)], "finalEscalation": "Human/ceo",
                             "onExhausted": "reject" });
        assert_eq!(
            plan(&json!({ "timeout": "10h" }), &policy),
            [
                (5, What::Reminder),
                (10, What::Escalation(0)),
                (30, What::Escalation(1)),
                (60, What::Escalation(2)),
                (120, What::Escalation(3)),
                (180, What::Exhausted(OnExhausted::Reject)),
                (570, What::Warning),
                (600, What::Expiry),
            ]
        );
    }

    #[test]
    fn a_request_without_a_time_is_due_and_expires_much_later() {
        let days = 30 * 24 * 60;
        assert_eq!(plan(&json!({}), &json!({})), [(210, What::Warning), (240, What::Breach), (days, What::Expiry)]);
    }

    #[test]
    fn nothing_comes_after_the_end() {
        let policy = json!({ "rules": [rule(10), rule(30)] });
        assert_eq!(
            plan(&json!({ "timeout": "20m" }), &policy),
            [(5, What::Reminder), (10, What::Escalation(0)), (20, What::Expiry)]
        );
    }

    #[test]
    fn a_step_that_a_breach_took_is_not_taken_again() {
        let policy = json!({ "rules": [rule(300)] });
        let draft = draft(Method::Approve, &Json::from_value(&json!({ "request": { "description": "d" } })), NOW);
        let policy: Escalation = serde_json::from_value(policy).expect("it is a policy");
        let plan = Plan::of(&draft.expect("right"), Method::Approve, Some(&policy), NOW);
        assert_eq!(plan.step_of(What::Breach, 0), Some(0));
        assert_eq!((plan.step_of(What::Escalation(0), 1), plan.step_of(What::Breach, 1)), (None, None));
        assert_eq!(plan.next(0, 0).map(|next| next.what).as_deref(), Some("reminder"));
    }

    #[test]
    fn a_form_that_escalates_gives_each_as_much_time() {
        let input = json!({ "request": { "prompt": "p", "timeout": "1h", "onTimeout": "escalate" } });
        let draft = draft(Method::Answer, &Json::from_value(&input), NOW).expect("right");
        let policy: Escalation = serde_json::from_value(json!({ "finalEscalation": "Human/b" })).expect("a policy");
        let plan = Plan::of(&draft, Method::Answer, Some(&policy), NOW);
        let found: Vec<_> = plan.moments.iter().map(|m| (m.at.millis_since(NOW) / 60_000, m.what)).collect();
        assert_eq!(found, [(60, What::Escalation(0)), (90, What::Warning), (120, What::Expiry)]);
    }
}
