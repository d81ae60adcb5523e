//! What an agent does when it is asked for something (spec 11.1, 11.3): the same answers as a person's, at once.
//!
//! It never approves by itself unless a rule of its own says so: it hands the request on to its supervisor.

use super::equip::Equipped;
use super::hands::{Hands, ONE_ANSWER_ITERATIONS, Whose};
use crate::durable::DurableRun;
use crate::guest::GuestHost;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use types::{AgentDef, Call, Fault, Json, Method, ThingId, Timestamp, Worker};
use workers::agent::{Goal, Loop, Reason, Report, Toolbox, task_text};
use workers::outcome::event_words;

/// Options of one decision.
const OPTIONS_MAX: usize = 100;

pub(super) async fn work(host: GuestHost, run: &Arc<DurableRun>, id: &ThingId, method: Method) -> Result<Json, Fault> {
    let worker = Worker::Agent(id.clone());
    let input = run.row.input.to_value();
    check(method, &input, run.row.accepted_at)?;
    let who = worker.to_string();
    let mut hands = Hands::new(host, None, Whose { who: who.clone(), ..Whose::default() });
    let Equipped { agent, tools } = hands.equip(Some(who.clone()), &[]).await?;
    let agent = agent.ok_or_else(Fault::internal)?;
    hands.is_of(Whose { who, mode: agent.mode, supervisor: agent.supervisor.clone() });
    let mut work = Work { hands, agent, input };
    work.begins(method).await?;
    let answer = match method {
        Method::Do if work.input.get("goal").is_some() => work.reach(Toolbox::new(tools)?).await,
        Method::Do => work.task(Toolbox::new(tools)?).await,
        Method::Ask => work.question().await,
        Method::Decide => work.decide().await,
        Method::Approve => work.approve().await,
        Method::Generate => work.generate().await,
        Method::Notify => work.notify().await,
        Method::Answer => work.fill_in().await,
    };
    answer.map(|value| Json::from_value(&value))
}

/// What can be said of a request before anybody is asked (spec WRK-3).
fn check(method: Method, input: &Value, now: Timestamp) -> Result<(), Fault> {
    let refuse = |code: &str, message: &str| Err(Fault::invalid(code, message));
    if matches!(method, Method::Ask | Method::Decide)
        && input["question"].as_str().unwrap_or_default().trim().is_empty()
    {
        return refuse("QUESTION_EMPTY", "the question is empty; say what is to be answered");
    }
    let deadline =
        ["task", "request", "goal", "context", "options"].iter().find_map(|of| input[*of]["deadline"].as_str());
    if let Some(deadline) = deadline {
        let at = Timestamp::parse(deadline);
        if at.is_none_or(|at| at <= now) {
            return refuse("DEADLINE_INVALID", "the deadline is in the past, or no time like 2026-01-31T09:00:00Z");
        }
    }
    if method == Method::Decide {
        let ids: Vec<_> = options(input).collect();
        let unique: BTreeSet<_> = ids.iter().collect();
        let are_named = ids.iter().all(|id| !id.is_empty());
        if !(2..=OPTIONS_MAX).contains(&ids.len()) || unique.len() != ids.len() || !are_named {
            return refuse(
                "OPTIONS_INVALID",
                "a decision has 2 to 100 options {id, label}, each with an id of its own",
            );
        }
    }
    Ok(())
}

fn options(input: &Value) -> impl Iterator<Item = String> + '_ {
    let listed = input["options"]["options"].as_array().into_iter().flatten();
    listed.map(|option| option["id"].as_str().unwrap_or_default().to_owned())
}

struct Work<'a> {
    hands: Hands<'a>,
    agent: AgentDef,
    input: Value,
}

impl Work<'_> {
    /// That it was asked for something; of goals and tasks their beginning is told.
    async fn begins(&mut self, method: Method) -> Result<(), Fault> {
        match method {
            Method::Ask | Method::Answer | Method::Decide | Method::Approve | Method::Generate => {
                let (noun, asked, _) = event_words(method);
                let data = json!({ "worker": self.hands.who(), "requestId": self.hands.own_id() });
                self.tell("asked", &format!("{noun}.{asked}"), data).await
            }
            Method::Do | Method::Notify => Ok(()),
        }
    }

    /// A goal of this agent, with what whoever asks tells beside it.
    fn goal(&self, description: &str, context: Value) -> Goal {
        Goal {
            context: (!context.is_null()).then(|| Json::from_value(&context)),
            model: self.agent.model.clone(),
            instructions: self.agent.instructions.clone(),
            ..Goal::of(description)
        }
    }

    /// One answer of the model, without tools; None of the schema: as text.
    async fn answer(&mut self, description: &str, context: Value, schema: Option<Json>) -> Result<Json, Fault> {
        if let Some(schema) = &schema {
            workers::agent::check_answer(schema)?;
        }
        let goal = Goal { schema, max_iterations: ONE_ANSWER_ITERATIONS, ..self.goal(description, context) };
        let report = self.hands.go(Loop::new(goal, Toolbox::default())).await;
        match report.output {
            Some(output) => Ok(output),
            None => Err(report.error.unwrap_or_else(Fault::internal)),
        }
    }

    /// `run(goal)` (spec AGT-2).
    async fn reach(&mut self, tools: Toolbox) -> Result<Value, Fault> {
        let goal = Goal::read(&Json::from_value(&self.input["goal"]))?;
        let own = self.goal(&goal.description, Value::Null);
        let goal = Goal {
            model: goal.model.or(own.model),
            // Only its author tells it who it is.
            instructions: own.instructions,
            context: goal.context.or_else(|| given(&self.input["context"])),
            ..goal
        };
        let data = json!({ "agent": self.hands.who(), "description": goal.description });
        self.tell("goal:started", "goal.started", data).await?;
        let report = self.hands.go(Loop::new(goal, tools)).await;
        self.ends(&report)?;
        let told = report.of_goal();
        let verb = if report.reason == Reason::Complete { "goal.completed" } else { "goal.failed" };
        let data =
            json!({ "agent": self.hands.who(), "stopReason": told["stopReason"], "iterations": told["iterations"] });
        self.tell("goal:ended", verb, data).await?;
        Ok(told)
    }

    /// `do(task)`
    async fn task(&mut self, tools: Toolbox) -> Result<Value, Fault> {
        let task = self.input["task"].clone();
        let description = task.as_str().or_else(|| task["description"].as_str()).unwrap_or_default().to_owned();
        if description.trim().is_empty() {
            return Err(Fault::invalid("TASK_EMPTY", "the task has no description; say what is to be done"));
        }
        let began = self.hands.now();
        let mut context = json!({});
        for (name, value) in [("input", &task["input"]), ("context", &self.input["context"])] {
            if !value.is_null() {
                context[name] = value.clone();
            }
        }
        let context = if context == json!({}) { Value::Null } else { context };
        let goal = self.goal(&task_text(&description, &[], None), context);
        let report = self.hands.go(Loop::new(goal, tools)).await;
        self.ends(&report)?;
        let done = report.reason == Reason::Complete;
        let mut told = json!({ "success": done });
        if let Some(output) = &report.output {
            told["output"] = output.to_value();
        }
        if let Some(fault) = &report.error {
            told["error"] = json!({ "code": fault.code, "message": fault.message });
        }
        told["duration"] = json!(self.hands.now().millis_since(began));
        told["actionId"] = json!(self.hands.own_id());
        let data = json!({ "worker": self.hands.who(), "success": done, "usage": report.usage() });
        self.tell("task:ended", if done { "task.completed" } else { "task.failed" }, data).await?;
        Ok(told)
    }

    /// Faults that are the host's to tell, not part of an answer: no model, or somebody cancelled it.
    fn ends(&self, report: &Report) -> Result<(), Fault> {
        match &report.error {
            Some(fault) if fault.code == "MODEL_UNAVAILABLE" || report.reason == Reason::Cancelled => {
                Err(fault.clone())
            }
            Some(_) | None => Ok(()),
        }
    }

    async fn question(&mut self) -> Result<Value, Fault> {
        let question = self.text("question");
        let schema = given(&self.input["options"]["schema"]);
        let is_text = schema.is_none();
        let answer = self.answer(&question, self.input["options"]["context"].clone(), schema).await?;
        let member = if is_text { "text" } else { "value" };
        let told = json!({ member: answer.to_value(), "answeredBy": self.hands.who(),
                           "answeredAt": self.hands.now().to_string() });
        self.tell("answered", "question.answered", json!({ "worker": self.hands.who() })).await?;
        Ok(told)
    }

    async fn decide(&mut self) -> Result<Value, Fault> {
        let (question, options_given) = (self.text("question"), self.input["options"].clone());
        let ids: Vec<_> = options(&self.input).collect();
        let schema = json!({
            "type": "object",
            "properties": {
                "choice": { "type": "string", "enum": ids },
                "reasoning": { "type": "string" },
                "confidence": { "type": "number", "minimum": 0, "maximum": 1 },
            },
            "required": ["choice"],
            "additionalProperties": false,
        });
        let description = format!("{question}\n\nChoose one of the options, by its id.");
        let context = json!({ "options": options_given["options"], "criteria": options_given["criteria"],
                              "context": options_given["context"] });
        let answer = self.answer(&description, context, Some(Json::from_value(&schema))).await?;
        let mut told = answer.to_value();
        told["decidedBy"] = json!(self.hands.who());
        told["decidedAt"] = json!(self.hands.now().to_string());
        let data = json!({ "worker": self.hands.who(), "choice": told["choice"] });
        self.tell("decided", "decision.made", data).await?;
        Ok(told)
    }

    async fn generate(&mut self) -> Result<Value, Fault> {
        let prompt = self.text("prompt");
        if prompt.trim().is_empty() {
            return Err(Fault::invalid("PROMPT_EMPTY", "the prompt is empty; say what is to be generated"));
        }
        let options = self.input["options"].clone();
        let made = self.answer(&prompt, options["context"].clone(), given(&options["schema"])).await?;
        self.tell("generated", "generation.completed", json!({ "worker": self.hands.who() })).await?;
        Ok(made.to_value())
    }

    /// A form: what a human function wants to know is answered as a person would.
    async fn fill_in(&mut self) -> Result<Value, Fault> {
        let request = self.input["request"].clone();
        let prompt = request["prompt"].as_str().unwrap_or_default().to_owned();
        let context = json!({ "options": request["options"], "data": request["data"] });
        let response = self.answer(&prompt, context, given(&request["schema"])).await?;
        Ok(json!({ "response": response.to_value(), "respondedBy": self.hands.who(),
                   "respondedAt": self.hands.now().to_string(), "channel": "agent" }))
    }

    async fn approve(&mut self) -> Result<Value, Fault> {
        let request = self.input["request"].clone();
        let who = self.hands.who().to_owned();
        let told = |approved: bool, reason: String, at: Timestamp| {
            json!({ "approved": approved, "status": if approved { "approved" } else { "rejected" }, "approver": who,
                    "reason": reason, "approvedAt": at.to_string() })
        };
        let is_own = request["requester"].as_str() == Some(&who);
        let rule = workers::approves(&self.agent.approves, &request).filter(|_| !is_own);
        let answer = match (rule, self.agent.supervisor.clone()) {
            (Some(rule), _) => {
                let reason = format!("its own rule for requests of type {:?}", rule.kind);
                told(true, reason, self.hands.now())
            }
            (None, Some(supervisor)) => {
                let options = given(&self.input["options"]);
                self.hands.approve("approve", &supervisor, &request, options).await?
            }
            (None, None) => {
                let reason = "NO_APPROVER: no rule of this agent allows it, and it has no supervisor".to_owned();
                told(false, reason, self.hands.now())
            }
        };
        let data = json!({ "worker": who, "approved": answer["approved"], "status": answer["status"] });
        self.tell("approved", "approval.processed", data).await?;
        Ok(answer)
    }

    /// An agent reads no messages: its supervisor does.
    async fn notify(&mut self) -> Result<Value, Fault> {
        if let Some(supervisor) = self.agent.supervisor.clone() {
            let message = Json::from_value(&self.input["message"]);
            let options = given(&self.input["options"]);
            let call = Call::Notify { worker: Some(supervisor.to_string()), message, options };
            return self.hands.ask("notify", call, None).await.map(|told| told.to_value());
        }
        Ok(json!({ "sent": false, "messageId": self.hands.own_id(), "via": [], "recipients": [], "delivery": [],
                   "sentAt": self.hands.now().to_string(), "warnings": ["NO_CHANNELS"] }))
    }

    fn text(&self, member: &str) -> String {
        self.input[member].as_str().unwrap_or_default().to_owned()
    }

    async fn tell(&mut self, name: &str, event: &str, data: Value) -> Result<(), Fault> {
        let noun = event.split('.').next().unwrap_or(event);
        let source = format!("{noun}/{}", self.hands.own_id());
        self.hands.tell(name, event, &source, data).await
    }
}

/// None where nothing was said.
fn given(value: &Value) -> Option<Json> {
    (!value.is_null()).then(|| Json::from_value(value))
}
