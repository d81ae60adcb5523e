//! The loop of an agent (spec 7.4, 11.3): it asks a model, calls the tools that the model wants, and asks again.
//!
//! [`Loop`] is a state machine. [`Loop::next`] says what is to be done; who does it says what came of it with
//! [`Loop::heard`] and [`Loop::observed`]. So the same loop is gone through by a run that is recorded, by a replay of it
//! and by a run without a journal.
//!
//! Only listed tools are called (`tools`), with arguments that their schema accepts. What tools and people say is data: it
//! stands in messages of tools and users, as JSON, and never in the instructions (`prompt`). What is said is remembered up
//! to a limit (`memory`); what came of the loop is its [`Report`].

mod answer;
mod goal;
mod memory;
mod prompt;
mod report;
#[cfg(test)]
mod tests;
mod tools;

pub use answer::{check as check_answer, fitting};
pub use goal::{Budget, Goal, ITERATIONS_MAX, STEP_TIMEOUT_MS, TIMEOUT_MS};
pub use memory::{ITEMS_MAX, TOKENS_MAX};
pub use prompt::{as_data, system, task_text};
pub use report::{Did, Reason, Report, Step};
pub use tools::{MemoryTool, Origin, Side, TOOLS_MAX, Tool, Toolbox, matches_pattern, memory_tools, name_for_models};

use memory::ShortTerm;
use serde_json::Value;
use types::{Completed, Completion, Fault, FaultKind, Finish, Json, Message, Role, Spent};

/// Tool calls that a model may want in one answer; the rest is refused.
pub const WANTED_MAX: usize = 32;
/// Tool calls that go on side by side.
pub const PARALLEL_MAX: usize = 8;
/// The same call so often in a row is a loop that leads nowhere.
const SAME_CALLS_MAX: u32 = 3;
/// So many failed calls in a row end the loop (spec AGT-3).
const TOOL_ERRORS_MAX: u32 = 3;
/// How often a model is told that its answer does not fit the schema.
const SCHEMA_RETRIES_MAX: u32 = 2;

/// What is to be done next.
#[derive(Clone, PartialEq, Debug)]
pub enum Next {
    /// Ask a model, then [`Loop::heard`].
    Complete(Box<Completion>),
    /// Call these tools, [`PARALLEL_MAX`] at a time, then [`Loop::observed`] with what came of each, in this order.
    Call(Vec<Wanted>),
    /// It is over.
    Done,
}

/// A tool that is to be called; its arguments fit its schema.
#[derive(Clone, PartialEq, Debug)]
pub struct Wanted {
    /// Its place among the agent's tools.
    pub tool: usize,
    pub args: Json,
}

/// One tool call of an answer of a model.
#[derive(Debug)]
struct Act {
    /// The model's own name for it.
    call: String,
    name: String,
    args: Value,
    /// The tool, or why it is not called.
    tool: Result<usize, Fault>,
}

#[derive(Debug)]
enum State {
    Think,
    Act(Vec<Act>),
    Over,
}

/// An agent at work on one goal.
#[derive(Debug)]
pub struct Loop {
    goal: Goal,
    tools: Toolbox,
    /// What it is told before anything else: instructions and goal.
    opening: Vec<Message>,
    memory: ShortTerm,
    state: State,
    iterations: u32,
    /// The last call and how often it was wanted in a row.
    same: (String, u32),
    errors_in_row: u32,
    schema_retries: u32,
    partial: Option<String>,
    steps: Vec<Step>,
    spent: Spent,
    tool_calls: u32,
    ended: Option<(Reason, Result<Option<Json>, Fault>)>,
}

impl Loop {
    pub fn new(goal: Goal, tools: Toolbox) -> Self {
        let opening = vec![
            Message::of(Role::System, prompt::system(&goal.instructions, !tools.is_empty())),
            Message::of(Role::User, prompt::goal_text(&goal)),
        ];
        Self {
            goal,
            tools,
            opening,
            memory: ShortTerm::default(),
            state: State::Think,
            iterations: 0,
            same: (String::new(), 0),
            errors_in_row: 0,
            schema_retries: 0,
            partial: None,
            steps: Vec::new(),
            spent: Spent::default(),
            tool_calls: 0,
            ended: None,
        }
    }

    pub fn tools(&self) -> &Toolbox {
        &self.tools
    }

    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// What is to be done now that it has used so many milliseconds, waits for people not counted.
    pub fn next(&mut self, used_ms: u64) -> Next {
        let left = self.goal.timeout_ms.saturating_sub(used_ms);
        if left == 0 && !matches!(self.state, State::Over) {
            self.end(Reason::Timeout, Err(timed_out(self.goal.timeout_ms)));
        }
        match &self.state {
            State::Over => Next::Done,
            State::Think if self.iterations >= self.goal.max_iterations => {
                let message = format!("the goal was not reached in {} iterations", self.goal.max_iterations);
                self.end(Reason::MaxIterations, Err(Fault::failed("MAX_ITERATIONS", message)));
                Next::Done
            }
            State::Think => Next::Complete(Box::new(self.completion(left))),
            State::Act(acts) => {
                let ready = acts.iter().filter_map(|act| {
                    let tool = *act.tool.as_ref().ok()?;
                    Some(Wanted { tool, args: Json::from_value(&act.args) })
                });
                Next::Call(ready.collect())
            }
        }
    }

    fn completion(&self, left_ms: u64) -> Completion {
        Completion {
            model: self.goal.model.clone(),
            messages: self.opening.iter().cloned().chain(self.memory.messages()).collect(),
            tools: self.tools.specs(),
            schema: self.goal.schema.clone(),
            temperature: self.goal.temperature,
            max_tokens: self.goal.max_tokens,
            timeout_ms: Some(self.goal.step_timeout_ms.min(left_ms)),
        }
    }

    /// What the model answered, after so many milliseconds.
    pub fn heard(&mut self, answer: Result<Completed, Fault>, took_ms: u64) {
        self.iterations += 1;
        let completed = match answer {
            Ok(completed) => completed,
            Err(fault) => {
                self.steps.push(Step::model(self.steps.len(), Err(&fault), took_ms));
                return self.end(reason_of(&fault), Err(fault));
            }
        };
        self.spent = self.spent.and(completed.spent);
        self.steps.push(Step::model(self.steps.len(), Ok(&completed), took_ms));
        if !completed.text.trim().is_empty() {
            self.partial = Some(completed.text.clone());
        }
        if !completed.tool_calls.is_empty() {
            return self.wants(completed);
        }
        match completed.finish {
            Finish::Stop | Finish::ToolCalls => self.answered(completed),
            Finish::Length => {
                let message = "the model's answer was cut off at its limit; a higher maxTokens gives it more room";
                self.end(Reason::Error, Err(Fault::new(FaultKind::Upstream, "MODEL_ANSWER_CUT", message)));
            }
            Finish::Refusal => {
                let message = "the model refused to answer";
                self.end(Reason::Error, Err(Fault::new(FaultKind::Upstream, "MODEL_REFUSED", message)));
            }
        }
    }

    /// It says that it is done.
    fn answered(&mut self, completed: Completed) {
        let Some(schema) = &self.goal.schema else {
            let output = Json::of(&completed.text);
            return self.end(Reason::Complete, Ok(Some(output)));
        };
        match answer::fitting(schema, &completed.text) {
            Ok(output) => self.end(Reason::Complete, Ok(Some(output))),
            Err(problem) if self.schema_retries >= SCHEMA_RETRIES_MAX => {
                let message = format!("the model's answer does not fit the schema: {problem}");
                self.end(Reason::Error, Err(Fault::new(FaultKind::Upstream, "OUTPUT_INVALID", message)));
            }
            Err(problem) => {
                self.schema_retries += 1;
                let said = Message::of(Role::Assistant, completed.text);
                self.memory.push(vec![said, Message::of(Role::User, prompt::does_not_fit(&problem))]);
                self.over_budget();
            }
        }
    }

    /// It wants tools to be called.
    fn wants(&mut self, completed: Completed) {
        let mut acts = Vec::new();
        for (n, call) in completed.tool_calls.iter().enumerate() {
            let looked_at = match n < WANTED_MAX {
                true => self.tools.look(&call.name, &call.arguments),
                false => {
                    Err(Fault::limit("TOOL_CALLS_LIMIT", format!("{WANTED_MAX} tools at once are called at most")))
                }
            };
            let (tool, args) = match looked_at {
                Ok((tool, args)) => (Ok(tool), args),
                Err(fault) => (Err(fault), Value::String(prompt::cut(&call.arguments))),
            };
            if self.is_same(&call.name, &args) {
                let message = format!("{:?} was to be called {SAME_CALLS_MAX} times in a row alike", call.name);
                return self.end(Reason::Loop, Err(Fault::failed("AGENT_LOOP", message)));
            }
            acts.push(Act { call: call.id.clone(), name: call.name.clone(), args, tool });
        }
        let said = Message { tool_calls: completed.tool_calls, ..Message::of(Role::Assistant, completed.text) };
        self.memory.push(vec![said]);
        if self.over_budget() {
            return;
        }
        let none = acts.iter().all(|act| act.tool.is_err());
        self.state = State::Act(acts);
        if none {
            self.observed(Vec::new());
        }
    }

    /// Whether this call is the same for the third time in a row.
    fn is_same(&mut self, name: &str, args: &Value) -> bool {
        let call = format!("{name} {}", sorted(args));
        if self.same.0 == call {
            self.same.1 += 1;
        } else {
            self.same = (call, 1);
        }
        self.same.1 >= SAME_CALLS_MAX
    }

    fn over_budget(&mut self) -> bool {
        let Some(over) = self.goal.budget.exceeded(&self.spent) else { return false };
        self.end(Reason::Budget, Err(Fault::limit("BUDGET_EXCEEDED", over)));
        true
    }

    /// What came of the tools that were to be called, in their order.
    pub fn observed(&mut self, results: Vec<Did>) {
        let State::Act(acts) = std::mem::replace(&mut self.state, State::Think) else { return };
        let mut results = results.into_iter();
        let mut told = Vec::new();
        for act in acts {
            let did = match act.tool {
                Ok(_) => {
                    self.tool_calls += 1;
                    results.next().unwrap_or_else(|| Did::refused(Fault::internal()))
                }
                Err(fault) => Did::refused(fault),
            };
            match &did.result {
                Ok(_) => self.errors_in_row = 0,
                Err(_) => self.errors_in_row += 1,
            }
            told.push(Message {
                answers: Some(act.call),
                ..Message::of(Role::Tool, prompt::observation(&act.name, &did.result))
            });
            if let Err(fault) = &did.result
                && fault.kind == FaultKind::Cancelled
                && fault.code == "CANCELLED"
            {
                self.end(Reason::Cancelled, Err(fault.clone()));
            }
            self.steps.push(Step::tool(self.steps.len(), act.name, &act.args, did));
        }
        self.memory.add(told);
        if self.errors_in_row >= TOOL_ERRORS_MAX && self.ended.is_none() {
            let message = format!("{} tool calls in a row failed", self.errors_in_row);
            self.end(Reason::Error, Err(Fault::failed("TOOLS_FAILED", message)));
        }
    }

    /// Ends it for a reason outside of the loop.
    pub fn stop(&mut self, fault: Fault) {
        self.end(reason_of(&fault), Err(fault));
    }

    fn end(&mut self, reason: Reason, output: Result<Option<Json>, Fault>) {
        self.state = State::Over;
        if self.ended.is_none() {
            self.ended = Some((reason, output));
        }
    }

    /// What came of it.
    pub fn report(self) -> Report {
        let (reason, ended) = self.ended.unwrap_or((Reason::Error, Err(Fault::internal())));
        let (output, error) = match ended {
            Ok(output) => (output, None),
            Err(fault) => (None, Some(fault)),
        };
        Report {
            reason,
            output,
            partial: self.partial,
            iterations: self.iterations,
            steps: self.steps,
            spent: self.spent,
            tool_calls: self.tool_calls,
            error,
        }
    }
}

fn reason_of(fault: &Fault) -> Reason {
    match fault.kind {
        FaultKind::Cancelled => Reason::Cancelled,
        _ if fault.code.starts_with("BUDGET") => Reason::Budget,
        FaultKind::Invalid
        | FaultKind::Unauthenticated
        | FaultKind::Forbidden
        | FaultKind::NotFound
        | FaultKind::Conflict
        | FaultKind::Gone
        | FaultKind::Limit
        | FaultKind::RateLimited
        | FaultKind::Timeout
        | FaultKind::Failed
        | FaultKind::Upstream
        | FaultKind::Unavailable
        | FaultKind::Internal => Reason::Error,
    }
}

fn timed_out(ms: u64) -> Fault {
    Fault::new(FaultKind::Timeout, "AGENT_TIMEOUT", format!("the goal was not reached in {ms} ms"))
}

/// The same text for equal values, whatever the order of their keys.
fn sorted(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut keys: Vec<_> = members.keys().collect();
            keys.sort();
            let members = keys.into_iter().map(|key| format!("{key:?}:{}", sorted(&members[key])));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(",")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}
