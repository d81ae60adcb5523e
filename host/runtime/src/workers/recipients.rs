//! Who is told something, by which channels, and not before when.

use super::people::Person;
use crate::guest::GuestHost;
use crate::object::{Object, fault_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use store::Line;
use types::Channel;
use types::exec::ChannelKind;
use types::{AgentDef, Fault, HumanDef, Json, Noun, Reply, ThingId, ThingKey, Timestamp, Urgency, Worker};

/// Supervisors of supervisors: agents that are told nothing themselves.
const SUPERVISORS_MAX: usize = 8;
/// Channels that a message may name.
const CHANNELS_MAX: usize = 20;

/// Everybody, and every way.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The `$id` of each person.
    pub(super) people: Vec<String>,
    pub(super) ways: Vec<Way>,
}

/// One message on one channel.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Way {
    pub(super) channel: ChannelKind,
    pub(super) target: String,
    /// It is held until then: their quiet hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) held: Option<Timestamp>,
}

/// A channel that the caller asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Asked {
    /// What they have of that kind.
    Kind(ChannelKind),
    This {
        #[serde(rename = "type")]
        kind: ChannelKind,
        target: String,
    },
}

impl GuestHost {
    /// As of now.
    pub(crate) async fn recipients(
        &self,
        worker: &str,
        channels: Option<&Json>,
        urgency: &Json,
    ) -> Result<Reply, Fault> {
        let worker: Worker =
            worker.parse().map_err(|e: types::WorkerError| Fault::invalid("WORKER_INVALID", e.to_string()))?;
        let asked = channels.map(asked).transpose()?;
        let urgency = serde_json::from_value(urgency.to_value()).map_err(|_| {
            let message = format!("{urgency} is no priority; low, normal, high and urgent are accepted");
            Fault::invalid("PRIORITY_INVALID", message)
        })?;
        let people = people_of(&self.object, worker).await?;
        let plan = plan(&people, asked.as_deref(), urgency, self.object.node.now());
        Ok(Reply::Json(Json::of(&plan)))
    }
}

fn asked(channels: &Json) -> Result<Vec<Asked>, Fault> {
    let refuse = || {
        let message = format!(
            "channels: write a list of at most {CHANNELS_MAX} of email, slack, sms, webhook or {{\"type\": …, \"target\": …}}"
        );
        Fault::invalid("CHANNELS_INVALID", message)
    };
    let asked: Vec<Asked> = serde_json::from_str(channels.as_str()).map_err(|_| refuse())?;
    if asked.is_empty() || asked.len() > CHANNELS_MAX { Err(refuse()) } else { Ok(asked) }
}

/// No way is taken twice, whoever shares it.
fn plan(people: &[Person], asked: Option<&[Asked]>, urgency: Urgency, now: Timestamp) -> Plan {
    let mut seen = BTreeSet::new();
    let mut ways = Vec::new();
    for Person { def, .. } in people {
        let held = if urgency == Urgency::Urgent { None } else { quiet_until(def, now) };
        let mut add = |channel: ChannelKind, target: &str| {
            if seen.insert((channel.as_str(), target.to_owned())) {
                ways.push(Way { channel, target: target.to_owned(), held });
            }
        };
        let Some(asked) = asked else {
            def.channels.iter().filter(|own| urgency >= own.priority).for_each(|own| add(own.kind, &own.target));
            continue;
        };
        for one in asked {
            match one {
                Asked::Kind(kind) => def
                    .channels
                    .iter()
                    .filter(|own| own.kind == *kind)
                    .for_each(|Channel { target, .. }| add(*kind, target)),
                Asked::This { kind, target } => add(*kind, target),
            }
        }
    }
    Plan { people: people.iter().map(|person| person.id.clone()).collect(), ways }
}

/// Quiet hours that cannot be read hold nothing back.
pub(super) fn quiet_until(def: &HumanDef, now: Timestamp) -> Option<Timestamp> {
    let quiet = def.quiet_hours.as_ref()?;
    schedule::end_of_span(&quiet.from, &quiet.to, quiet.timezone.as_deref(), now).ok().flatten()
}

/// An agent is told nothing; who watches over it is.
async fn people_of(object: &Object, worker: Worker) -> Result<Vec<Person>, Fault> {
    let mut worker = worker;
    for _ in 0..SUPERVISORS_MAX {
        match worker {
            Worker::Human(id) => {
                let found = object.person(&id).await?;
                if found.def.inactive {
                    let message = format!("Human/{id} is not asked or told any more");
                    return Err(Fault::conflict("WORKER_INACTIVE", message));
                }
                return Ok(vec![found]);
            }
            Worker::Role(role) => {
                let found = object.holders(&role).await?;
                if found.is_empty() {
                    let message = format!("nobody who is there has the role {role}; add it to a Human's `roles`");
                    return Err(Fault::conflict("NO_ASSIGNEE", message));
                }
                return Ok(found);
            }
            Worker::Agent(id) => {
                worker = agent(object, &id).await?.supervisor.ok_or_else(|| {
                    let message = format!("Agent/{id} has no supervisor who could be told; set its `supervisor`");
                    Fault::conflict("NO_ASSIGNEE", message)
                })?;
            }
        }
    }
    let message = format!("these agents supervise each other, {SUPERVISORS_MAX} deep, and no person is among them");
    Err(Fault::conflict("NO_ASSIGNEE", message))
}

/// Of the nearest object that has it.
async fn agent(object: &Object, id: &ThingId) -> Result<AgentDef, Fault> {
    let key = ThingKey::new(Noun::parse(Worker::AGENT).map_err(|_| Fault::internal())?, id.clone());
    for object in object.upwards().await? {
        let row = object.look(|store| store.newest(&Line::main(), &key).map_err(|e| fault_of(&e))).await?;
        if let Some(row) = row.filter(|row| !row.deleted) {
            return serde_json::from_str(row.data.as_str()).map_err(|e| {
                Fault::conflict("WORKER_INVALID", format!("what is written of Agent/{id} cannot be used: {e}"))
            });
        }
    }
    Err(Fault::not_found("WORKER_NOT_FOUND", format!("there is no Agent/{id}, here or in an object above")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn person(name: &str, def: &serde_json::Value) -> Person {
        let def = serde_json::from_value(def.clone()).expect("it is a person");
        Person { id: format!("https://a.example/Human/{name}"), def }
    }

    fn ways(people: &[Person], channels: Option<&serde_json::Value>, urgency: Urgency) -> Vec<String> {
        let asked = channels.map(|c| asked(&Json::from_value(c)).expect("they are right"));
        let now = Timestamp::parse("2024-01-08T23:00:00Z").expect("it is a time");
        let plan = plan(people, asked.as_deref(), urgency, now);
        let held = |way: &Way| if way.held.is_some() { " later" } else { "" };
        plan.ways.iter().map(|way| format!("{}:{}{}", way.channel.as_str(), way.target, held(way))).collect()
    }

    #[test]
    fn a_channel_gets_what_is_as_urgent_as_it_asks_for_or_more() {
        let ann = [person(
            "ann",
            &json!({ "channels": [
            { "type": "email", "target": "ann@a.example" },
            { "type": "slack", "target": "U1", "priority": "high" },
            { "type": "sms", "target": "+15550100", "priority": "urgent" },
        ] }),
        )];
        assert_eq!(ways(&ann, None, Urgency::Low), ["email:ann@a.example"]);
        assert_eq!(ways(&ann, None, Urgency::High), ["email:ann@a.example", "slack:U1"]);
        assert_eq!(ways(&ann, None, Urgency::Urgent).len(), 3);
        let asked = json!(["sms", { "type": "webhook", "target": "https://a.example/in" }]);
        assert_eq!(ways(&ann, Some(&asked), Urgency::Low), ["sms:+15550100", "webhook:https://a.example/in"]);
        for wrong in
            [json!([]), json!("email"), json!(["pigeon"]), json!([{ "type": "email" }]), json!(vec!["sms"; 21])]
        {
            assert!(super::asked(&Json::from_value(&wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn quiet_hours_hold_back_all_but_what_is_urgent_and_nobody_is_told_twice_by_one_way() {
        let channels = json!([{ "type": "email", "target": "team@a.example" }]);
        let quiet = json!({ "channels": channels, "quietHours": { "from": "22:00", "to": "07:00" } });
        let awake = json!({ "channels": channels });
        assert_eq!(ways(&[person("a", &quiet)], None, Urgency::High), ["email:team@a.example later"]);
        assert_eq!(ways(&[person("a", &quiet)], None, Urgency::Urgent), ["email:team@a.example"]);
        let both = [person("a", &awake), person("b", &quiet)];
        assert_eq!(ways(&both, None, Urgency::Normal), ["email:team@a.example"]);
    }
}
