//! What an agent's loop asks for, done: models are asked, tools called, supervisors too, each by a call to the host.
//!
//! In a durable run each call is a step under a name of its own. A tool is a child there, in a sandbox of its own and with
//! a journal of its own, and those of one answer run side by side: what a stop of the host leaves unfinished goes on where
//! it stood and is joined, not called again. A run without a journal (`try`) calls one tool after the other.
//!
//! Rights: a tool is called in the name of whoever asked the agent, so an agent may do what both its own list of tools and
//! the rights of who asks it allow.

use super::Parts;
use super::remember;
use crate::durable::DurableRun;
use crate::guest::GuestHost;
use crate::workflow::Label;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use types::exec::{BoxFuture, Host, Part};
use types::{Call, CallOptions, Completion, Fault, FaultKind, Json, Mode, Reply, Retry, Timestamp, Worker, redact};
use workers::agent::{Did, Loop, Next, Origin, PARALLEL_MAX, Report, Side, Tool, Wanted};

/// Who an agent is to its hands.
#[derive(Clone, Default)]
pub(super) struct Whose {
    /// `Agent/support`, or the function.
    pub(super) who: String,
    pub(super) mode: Mode,
    pub(super) supervisor: Option<Worker>,
}

pub(super) struct Hands<'a> {
    host: GuestHost,
    run: Option<Arc<DurableRun>>,
    /// The function whose own tools it may call.
    own: Option<&'a Parts<'a>>,
    whose: Whose,
    begun: Timestamp,
    /// Time in which a person was waited for, by it or by one of its tools.
    waited_ms: u64,
}

/// A tool call that was begun.
enum Begun {
    Child(String),
    /// It is made when its turn comes.
    Here,
    Refused(Fault),
}

/// One tool call: its name among the steps, the tool, its arguments.
struct One {
    name: String,
    tool: Tool,
    args: Json,
    begun: Begun,
    at: Timestamp,
}

impl<'a> Hands<'a> {
    pub(super) fn new(host: GuestHost, own: Option<&'a Parts<'a>>, whose: Whose) -> Self {
        let mut host = host.of_platform();
        let (run, begun) = (host.running.durable.clone(), host.now());
        Self { host, run, own, whose, begun, waited_ms: 0 }
    }

    pub(super) fn now(&mut self) -> Timestamp {
        self.host.now()
    }

    pub(super) fn own_id(&self) -> String {
        self.host.running.id.to_string()
    }

    /// Milliseconds until now, waits for people not counted.
    fn used_ms(&mut self) -> u64 {
        self.host.now().millis_since(self.begun).saturating_sub(self.waited_ms)
    }

    /// Goes through a loop to its end.
    pub(super) async fn go(&mut self, mut agent: Loop) -> Report {
        loop {
            if self.host.is_cancelled() {
                agent.stop(Fault::new(FaultKind::Cancelled, "CANCELLED", "the run was cancelled"));
            }
            let used = self.used_ms();
            match agent.next(used) {
                Next::Done => return agent.report(),
                Next::Complete(request) => {
                    let name = format!("think:{}", agent.iterations() + 1);
                    let answer = self.complete(&name, *request).await;
                    let took = self.used_ms().saturating_sub(used);
                    agent.heard(answer, took);
                }
                Next::Call(wanted) => {
                    let did = self.call_all(&agent, wanted).await;
                    agent.observed(did);
                }
            }
        }
    }

    async fn complete(&mut self, name: &str, request: Completion) -> Result<types::Completed, Fault> {
        let answer = self.ask(name, Call::Complete { request: Box::new(request) }, None).await?;
        serde_json::from_str(answer.as_str()).map_err(|_| Fault::internal())
    }

    async fn call_all(&mut self, agent: &Loop, wanted: Vec<Wanted>) -> Vec<Did> {
        let mut did = Vec::with_capacity(wanted.len());
        let mut wanted = wanted.into_iter().enumerate().map(|(n, wanted)| {
            let tool = agent.tools().get(wanted.tool).cloned();
            (format!("tool:{}.{}", agent.iterations(), n + 1), tool, wanted.args)
        });
        loop {
            let some: Vec<_> = wanted.by_ref().take(PARALLEL_MAX).collect();
            if some.is_empty() {
                return did;
            }
            did.extend(self.call_some(some).await);
        }
    }

    /// Calls these side by side; what came of each stands in their order.
    async fn call_some(&mut self, some: Vec<(String, Option<Tool>, Json)>) -> Vec<Did> {
        let mut may = Vec::with_capacity(some.len());
        for (name, tool, args) in some {
            let permit = match &tool {
                Some(tool) => self.approval(&name, tool, &args).await,
                None => Err(Fault::internal()),
            };
            may.push((name, tool, args, permit));
        }
        let mut all = Vec::with_capacity(may.len());
        for (name, tool, args, permit) in may {
            let at = self.host.now();
            let Some(tool) = tool else { continue };
            let begun = match permit {
                Ok(()) => self.begin(&name, &tool, &args).await.unwrap_or_else(Begun::Refused),
                Err(fault) => Begun::Refused(fault),
            };
            all.push(One { name, tool, args, begun, at });
        }
        let mut did = Vec::with_capacity(all.len());
        for one in all {
            let (name, title, at) = (one.name.clone(), one.tool.title.clone(), one.at);
            let result = self.end(one).await;
            let took_ms = self.host.now().millis_since(at);
            let data = json!({ "tool": title, "ok": result.is_ok(), "duration": took_ms, "agent": self.whose.who });
            let told = self.tell(&format!("{name}:event"), "tool.executed", &format!("tool/{title}"), data).await;
            did.push(Did { result: told.and(result), took_ms });
        }
        did
    }

    /// Whether its supervisor lets it call a tool, where it has to be asked (spec WRK-7).
    async fn approval(&mut self, name: &str, tool: &Tool, args: &Json) -> Result<(), Fault> {
        let is_asked = match self.whose.mode {
            Mode::Autonomous => false,
            Mode::Supervised => tool.side == Side::Changes,
            Mode::Manual => true,
        };
        if !is_asked {
            return Ok(());
        }
        let Some(supervisor) = self.whose.supervisor.clone() else {
            let message = format!("not approved: {} has no supervisor who could approve it", self.whose.who);
            return Err(Fault::new(FaultKind::Forbidden, "NO_APPROVER", message));
        };
        let request = json!({
            "type": "tool",
            "description": format!("{} wants to call {}", self.whose.who, tool.title),
            "requester": self.whose.who,
            "data": { "tool": tool.title, "args": redact(args).to_value() },
        });
        let answer = self.approve(&format!("{name}:approve"), &supervisor, &request, None).await?;
        if answer["approved"] == true {
            return Ok(());
        }
        let reason = answer["reason"].as_str().unwrap_or("no reason was given");
        Err(Fault::new(FaultKind::Forbidden, "NOT_APPROVED", format!("not approved: {reason}")))
    }

    /// Asks a worker for approval; how long that takes does not count.
    pub(super) async fn approve(
        &mut self,
        name: &str,
        worker: &Worker,
        request: &Value,
        options: Option<Json>,
    ) -> Result<Value, Fault> {
        let before = self.host.now();
        let request = Json::from_value(request);
        let call = Call::Approve { worker: Some(worker.to_string()), request, options };
        let answer = self.ask(name, call, None).await;
        self.waited_ms += self.host.now().millis_since(before);
        Ok(answer?.to_value())
    }

    async fn begin(&mut self, name: &str, tool: &Tool, args: &Json) -> Result<Begun, Fault> {
        if self.run.is_none() {
            return Ok(Begun::Here);
        }
        let (action, part) = match &tool.origin {
            Origin::Own(own) => (own.clone(), Some(Part::CallTool { name: own.clone() })),
            Origin::Action(action) => (action.clone(), None),
            Origin::Server { .. } | Origin::Memory(_) => return Ok(Begun::Here),
        };
        let options = CallOptions {
            timeout_ms: Some(tool.timeout_ms),
            // Run and step: whoever looks at the child knows which call it is.
            idempotency_key: Some(format!("{}/{name}", self.own_id())),
            retry: Some(Retry { max_attempts: 1, ..crate::STANDARD_RETRY }),
            ..CallOptions::default()
        };
        let started = self.ask(name, Call::Start { action, data: args.clone(), options }, part).await?;
        Ok(Begun::Child(started.to_value().as_str().unwrap_or_default().to_owned()))
    }

    async fn end(&mut self, one: One) -> Result<Json, Fault> {
        let One { name, tool, args, begun, at: _ } = one;
        match begun {
            Begun::Refused(fault) => Err(fault),
            Begun::Child(action_id) => {
                let before = self.host.now();
                let ended = self.ask(&format!("{name}:join"), Call::Join { action_id }, None).await;
                // It runs so long at most: beyond that it waited, for a person or for a time.
                self.waited_ms += self.host.now().millis_since(before).saturating_sub(tool.timeout_ms);
                ended
            }
            Begun::Here => match tool.origin {
                Origin::Own(own) => self.call_own(own, args, tool.timeout_ms).await,
                Origin::Action(action) => {
                    let options = CallOptions { timeout_ms: Some(tool.timeout_ms), ..CallOptions::default() };
                    self.ask(&name, Call::Try { action, data: args, options }, None).await
                }
                Origin::Server { server, tool: named } => {
                    let only_reads = tool.side == Side::Reads;
                    let call = Call::UseTool { server, tool: named, args, only_reads, timeout_ms: tool.timeout_ms };
                    self.ask(&name, call, None).await
                }
                Origin::Memory(kind) => remember::call(self, &name, kind, &args).await,
            },
        }
    }

    /// In a run without a journal.
    async fn call_own(&mut self, name: String, args: Json, timeout_ms: u64) -> Result<Json, Fault> {
        let own = self.own.ok_or_else(Fault::internal)?;
        let late =
            || Fault::new(FaultKind::Timeout, "TOOL_TIMEOUT", format!("{name} took longer than {timeout_ms} ms"));
        let called = own.call(Part::CallTool { name: name.clone() }, args);
        tokio::time::timeout(Duration::from_millis(timeout_ms), called).await.unwrap_or_else(|_| Err(late()))
    }

    /// That something happened, once.
    pub(super) async fn tell(&mut self, name: &str, event: &str, source: &str, data: Value) -> Result<(), Fault> {
        let source: String = source.chars().take(200).collect();
        let call = Call::Emit { event: event.to_owned(), data: Json::from_value(&data), source: Some(source) };
        self.ask(name, call, None).await.map(|_| ())
    }

    pub(super) fn who(&self) -> &str {
        &self.whose.who
    }

    pub(super) fn is_of(&mut self, whose: Whose) {
        self.whose = whose;
    }

    /// Makes one call, under a name of its own.
    pub(super) async fn ask(&mut self, name: &str, call: Call, export: Option<Part>) -> Result<Json, Fault> {
        let reply = match self.run.clone() {
            Some(run) => {
                let label = Label { export, ..Label::part(name.to_owned()) };
                let step: BoxFuture<'_, Reply> = Box::pin(self.host.step_as(&run, call, Some(&label)));
                step.await
            }
            None => self.host.call(call).await,
        };
        match reply {
            Reply::Json(json) => Ok(json),
            Reply::Text(text) => Ok(Json::of(&text)),
            Reply::Version(number) => Ok(Json::of(&number)),
            Reply::Bool(flag) => Ok(Json::of(&flag)),
            Reply::Done => Ok(Json::null()),
            Reply::Fault(fault) => Err(fault),
            Reply::Http(_) | Reply::Ready(_) => Err(Fault::internal()),
        }
    }

    /// Looks up what an agent is, or what `uses` means.
    pub(super) async fn equip(
        &mut self,
        worker: Option<String>,
        uses: &[types::AgentTool],
    ) -> Result<super::equip::Equipped, Fault> {
        let answer = self.ask("equip", Call::Equip { worker, uses: Json::of(&uses) }, None).await?;
        serde_json::from_str(answer.as_str()).map_err(|_| Fault::internal())
    }
}

/// For what is asked of a model beside a loop.
pub(super) const ONE_ANSWER_ITERATIONS: u32 = 3;
