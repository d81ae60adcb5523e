//! Agents as they are asked from outside: to be listed, shown, written, and to be given a goal.

use super::ask::Asking;
use super::equip::read_agent;
use crate::Caller;
use crate::durable::Asker;
use crate::invoke::{InvokeFailed, Invoked};
use crate::object::{Object, retired};
use crate::things::{Expect, Op, ThingsWanted, View, Write, Wrote, fields_fault};
use model::flat::Input;
use serde_json::{Value, json};
use types::{AgentDef, Fault, Id, Json, Method, Noun, Ref, ThingId, ThingKey, Worker};

/// Agents on one page of the list.
const PAGE_MAX: u32 = 100;

/// An agent, as it is known here.
#[derive(Clone, PartialEq, Debug)]
pub struct AgentShown {
    pub id: ThingId,
    pub version: u64,
    pub def: AgentDef,
}

/// A goal that was accepted.
#[derive(Clone, Debug)]
pub enum AgentRun {
    /// It is over.
    Ended(Invoked),
    /// It goes on; this is its action.
    Accepted(Id),
}

/// Whether somebody waits for the end of what they asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waits {
    ForEnd,
    Not,
}

/// Which of what an agent keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum About {
    /// What fits a question best.
    Query(String),
    /// So many of the newest; a hundred at most.
    Newest(u32),
}

fn noun() -> Noun {
    Noun::parse(Worker::AGENT).expect("it is PascalCase")
}

impl Object {
    /// The agents of this object, by id.
    ///
    /// # Errors
    /// `forbidden` without `Agent.read`.
    pub async fn agents(&self, caller: &Caller) -> Result<Vec<AgentShown>, Fault> {
        let wanted = ThingsWanted {
            noun: noun(),
            filters: Vec::new(),
            sort: Vec::new(),
            with_deleted: false,
            cursor: None,
            offset: 0,
            limit: PAGE_MAX,
        };
        let listed = self.things(caller, wanted, &View::of(Ref::Head)).await?;
        // Whoever wrote one by another way may have written something that is none.
        let shown = listed.items.into_iter().filter_map(|shown| {
            let def = read_agent(&shown.row.data).ok()?;
            Some(AgentShown { id: shown.row.key.id.clone(), version: shown.row.version, def })
        });
        Ok(shown.collect())
    }

    /// One of them.
    ///
    /// # Errors
    /// `not-found`, `forbidden`.
    pub async fn agent(&self, caller: &Caller, id: &ThingId) -> Result<AgentShown, Fault> {
        let shown = self.thing(caller, &ThingKey::new(noun(), id.clone()), &View::of(Ref::Head)).await?;
        let def = read_agent(&shown.row.data)?;
        Ok(AgentShown { id: id.clone(), version: shown.row.version, def })
    }

    /// Writes one: `create` where there must be none, else the whole of it.
    ///
    /// # Errors
    /// `invalid` (`AGENT_INVALID`, `TOOL_INVALID`) for what could not be asked, `conflict` for one that is there.
    pub async fn put_agent(&self, caller: &Caller, id: &ThingId, data: &Json, create: Expect) -> Result<Wrote, Fault> {
        let def = read_agent(data)?;
        if def.supervisor.as_ref().is_some_and(|s| *s == Worker::Agent(id.clone())) {
            return Err(Fault::invalid("AGENT_INVALID", "an agent does not supervise itself; name somebody else"));
        }
        let mut data = Json::of(&def).to_value();
        data["id"] = json!(id.as_str());
        let input = Input::read(data).map_err(|errors| fields_fault(&errors))?;
        let write = match create {
            // One that is there is a conflict, not a condition that does not hold.
            Expect::Absent => Write::of(Op::Create { noun: noun(), input, revive: true }),
            Expect::Anything | Expect::Present | Expect::Versions(_) => {
                let op = Op::Put { key: ThingKey::new(noun(), id.clone()), input, upsert: true };
                Write { expect: create, ..Write::of(op) }
            }
        };
        self.write(caller, &View::of(Ref::Head), write).await
    }

    /// Gives an agent a goal (spec AGT-2): a durable run, whether somebody waits for its end or not.
    ///
    /// # Errors
    /// `forbidden` without `Agent.run`, `not-found`, `conflict` (inactive), `invalid` for a goal that is none; nothing is
    /// recorded then.
    pub async fn run_agent(
        &self,
        caller: &Caller,
        id: &ThingId,
        goal: &Json,
        waits: Waits,
    ) -> Result<AgentRun, InvokeFailed> {
        caller.may(Worker::AGENT, "run")?;
        workers::agent::Goal::read(goal)?;
        self.active_agent(id).await?;
        let input = Json::from_value(&json!({ "goal": goal.to_value() }));
        let asking = Asking { worker: Worker::Agent(id.clone()), method: Method::Do, input };
        let accepting = self.work(caller, asking, Asker::OUTSIDE);
        let action = accepting.row.id;
        let end = self.end_of(action);
        self.accept_quietly(accepting).await;
        if waits == Waits::Not {
            self.commit_note(crate::commit::Note::of_rows(Vec::new())).await?;
            return Ok(AgentRun::Accepted(action));
        }
        match end.await.unwrap_or_else(|_| Err(retired())) {
            Ok((result, duration_us)) => {
                Ok(AgentRun::Ended(Invoked { action, result, duration_us, used: self.used_by(action).await? }))
            }
            Err(fault) => Err(InvokeFailed { action: Some(action), fault }),
        }
    }

    /// What an agent keeps for later goals.
    ///
    /// # Errors
    /// `forbidden` without `Memory.read`.
    pub async fn agent_memory(&self, caller: &Caller, id: &ThingId, about: &About) -> Result<Vec<Value>, Fault> {
        let wanted = ThingsWanted {
            noun: Noun::parse(super::remember::NOUN).expect("it is PascalCase"),
            filters: vec![store::ThingFilter {
                field: store::Field::parse("agent").ok_or_else(Fault::internal)?,
                comparison: store::Comparison::Is,
                value: Worker::Agent(id.clone()).to_string(),
            }],
            sort: vec![store::ThingSort {
                field: store::Field::parse("updatedAt").ok_or_else(Fault::internal)?,
                descending: true,
            }],
            with_deleted: false,
            cursor: None,
            offset: 0,
            limit: PAGE_MAX,
        };
        let listed = match self.things(caller, wanted, &View::of(Ref::Head)).await {
            Err(fault) if fault.kind == types::FaultKind::NotFound => return Ok(Vec::new()),
            other => other?,
        };
        let kept = listed
            .items
            .iter()
            .map(|shown| json!({ "id": shown.row.key.id.as_str(), "data": shown.row.data.to_value() }));
        Ok(match about {
            About::Query(query) => super::remember::recall(kept.collect(), query),
            About::Newest(count) => super::remember::newest(kept.collect(), *count),
        })
    }

    /// Keeps something for an agent.
    ///
    /// # Errors
    /// `forbidden` without `Memory.create`, `invalid` for an empty content.
    pub async fn tell_agent(&self, caller: &Caller, id: &ThingId, content: &str, kind: &str) -> Result<Wrote, Fault> {
        if content.trim().is_empty() || content.len() > 4096 || !matches!(kind, "long-term" | "episodic") {
            let message = "a memory has a content of 1 to 4096 bytes, and a type: long-term or episodic";
            return Err(Fault::invalid("MEMORY_INVALID", message));
        }
        let agent = Worker::Agent(id.clone()).to_string();
        let data = json!({ "agent": agent, "type": kind, "content": content });
        let noun = Noun::parse(super::remember::NOUN).expect("it is PascalCase");
        let input = Input::read(data).map_err(|errors| fields_fault(&errors))?;
        let op = Op::Create { noun, input, revive: false };
        self.write(caller, &View::of(Ref::Head), Write::of(op)).await
    }
}
