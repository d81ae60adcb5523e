//! A node with a scripted model, functions that count how often they are called, and agents.

use org_ai_runtime::{AgentRun, Caller, Expect, InvokeFailed, InvokeOptions, Object, Waits};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex};
use testkit::{ScriptedExecutor, ScriptedModels, TestNode, completed, failed, said, wants};
use types::exec::{Entry, Part};
use types::{Call, Completed, Completion, Durability, Fault, Json, Reply, Retry, ThingId};

/// What was called, in the order in which it was.
#[derive(Clone, Default)]
pub struct Called(Arc<Mutex<Vec<String>>>);

impl Called {
    pub fn note(&self, what: String) {
        self.0.lock().expect("no test panics with it").push(what);
    }

    pub fn all(&self) -> Vec<String> {
        self.0.lock().expect("no test panics with it").clone()
    }

    pub fn times(&self, what: &str) -> usize {
        self.all().iter().filter(|called| called.starts_with(what)).count()
    }
}

/// Functions: `search` and `charge` note that they were called, `broken` fails. The agentic function `finder` has the own
/// tool `look`, and may call `search` besides.
pub fn functions(called: &Called) -> ScriptedExecutor {
    let executor = ScriptedExecutor::new();
    for name in ["search", "charge", "admin"] {
        let called = called.clone();
        executor.on(name, move |job, _| {
            called.note(format!("{name} {}", job.input));
            async move { completed(&json!({ "by": name, "of": job.input.to_value() })) }
        });
    }
    executor.on("broken", |_, _| async { failed(Fault::failed("BROKEN", "it is broken")) });
    let calls = called.clone();
    executor.on("finder", move |job, _| {
        let calls = calls.clone();
        async move {
            match &job.entry {
                Entry::Part(Part::Goal) => {
                    let goal = job.input.to_value();
                    match goal.as_str() {
                        Some(text) => completed(&json!({ "description": text, "maxIterations": 5 })),
                        None => completed(&goal),
                    }
                }
                Entry::Part(Part::Tools) => completed(&json!([
                    { "name": "look", "description": "looks", "parameters": { "type": "object",
                      "properties": { "at": { "type": "string" } }, "required": ["at"] } },
                    "search",
                ])),
                Entry::Part(Part::CallTool { name }) => {
                    calls.note(format!("own {name} {}", job.input));
                    completed(&json!({ "saw": job.input.to_value()["at"] }))
                }
                Entry::Part(Part::Finish { answer }) => {
                    completed(&json!({ "told": answer.to_value()["output"], "for": job.input.to_value() }))
                }
                _ => failed(Fault::internal()),
            }
        }
    });
    // Answers once another one runs beside it.
    let both = Arc::new(tokio::sync::Barrier::new(2));
    executor.on("together", move |_, _| {
        let both = both.clone();
        async move {
            both.wait().await;
            completed(&json!("both"))
        }
    });
    executor
}

/// The clock of these tests stands still: no second attempt would ever begin.
const ONCE: Retry = Retry { max_attempts: 1, ..org_ai_runtime::STANDARD_RETRY };

pub struct Scene {
    pub test: TestNode,
    pub root: Object,
    pub caller: Caller,
    pub models: ScriptedModels,
    pub called: Called,
}

impl Scene {
    pub async fn open(dir: &Path) -> anyhow::Result<Self> {
        let (called, models) = (Called::default(), ScriptedModels::new());
        let reach = models.clone();
        let test = TestNode::open_reaching(dir, functions(&called), |out| out.models = Some(Arc::new(reach))).await?;
        let scene = Self::of(test, models, called).await?;
        scene.deploy().await?;
        Ok(scene)
    }

    pub async fn of(test: TestNode, models: ScriptedModels, called: Called) -> anyhow::Result<Self> {
        let root = test.root().await?;
        let caller = test.caller(&["*.*"])?;
        Ok(Self { test, root, caller, models, called })
    }

    pub async fn deploy(&self) -> anyhow::Result<()> {
        for name in ["search", "charge", "admin", "broken", "together"] {
            self.test.deploy(&self.root, name, &format!("scripted:{name}")).await?;
        }
        self.test.deploy(&self.root, "finder", "scripted-agentic:finder").await?;
        Ok(())
    }

    pub async fn agent(&self, id: &str, def: &Value) -> anyhow::Result<()> {
        let id = ThingId::parse(id)?;
        self.root.put_agent(&self.caller, &id, &Json::from_value(def), Expect::Anything).await?;
        Ok(())
    }

    /// Gives an agent a goal and waits for its end.
    pub async fn run(&self, id: &str, goal: &Value) -> Result<Value, InvokeFailed> {
        let id = ThingId::parse(id).expect("tests name agents right");
        let goal = Json::from_value(goal);
        let running = self.root.run_agent(&self.caller, &id, &goal, Waits::ForEnd);
        match tokio::time::timeout(std::time::Duration::from_secs(20), running).await.expect("it ends")? {
            AgentRun::Ended(ended) => Ok(ended.result.to_value()),
            AgentRun::Accepted(_) => panic!("its end was waited for"),
        }
    }

    /// Runs a function.
    pub async fn invoke(&self, name: &str, input: &Value, durability: Durability) -> Result<Value, Fault> {
        let options = InvokeOptions { durability, retry: Some(ONCE), ..InvokeOptions::default() };
        let action = name.parse().expect("tests name functions right");
        let running = self.root.invoke(&self.caller, &action, Json::from_value(input), options);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(20), running).await.expect("it ends");
        ended.map(|invoked| invoked.result.to_value()).map_err(|failed| failed.fault)
    }

    /// A function that makes one call to its host, durably, and gives what came of it.
    pub async fn guest(&self, call: Call) -> Result<Value, Fault> {
        self.test.executor.on("guest", move |_, mut host| {
            let call = call.clone();
            async move {
                match host.call(call).await {
                    Reply::Json(json) => completed(&json.to_value()),
                    Reply::Fault(fault) => failed(fault),
                    other => failed(Fault::failed("ODD", format!("{other:?}"))),
                }
            }
        });
        self.test.deploy(&self.root, "guest", "scripted:guest").await.expect("it is one");
        self.invoke("guest", &json!(null), Durability::Do).await
    }

    pub async fn events(&self, source: &str) -> anyhow::Result<Vec<Value>> {
        let filter = org_ai_runtime::EventFilter { limit: 1000, ..Default::default() };
        let page = self.root.events(&self.caller, &filter).await?;
        let of_source = page.items.into_iter().filter(|event| event.source.starts_with(source));
        Ok(of_source.map(|event| json!({ "verb": event.verb, "data": event.data.to_value() })).collect())
    }
}

/// The same answers each time they are asked for: an answer for each number of messages of assistants so far.
pub fn by_turn(answers: Vec<Completed>) -> impl Fn(Completion) -> Result<Completed, Fault> + Send + Sync + 'static {
    move |request| {
        let turn = request.messages.iter().filter(|m| m.role == types::Role::Assistant).count();
        answers.get(turn).cloned().ok_or_else(|| Fault::failed("SCRIPT_OVER", "the script has no more answers"))
    }
}

pub fn call(name: &str, args: &Value) -> Completed {
    wants(&[(name, &args.to_string())])
}

pub fn text(text: &str) -> Completed {
    said(text)
}
