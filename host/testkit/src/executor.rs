//! Runs closures where a server runs components.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use types::exec::{
    BoxFuture, ComponentFile, Courier, Executor, Host, Inspection, Job, Letter, Outcome, Receipt, Usage,
};
use types::{ActionShape, Fault, FaultKind, FunctionKind, Json};

/// What one scripted component does.
pub type Behaviour = Arc<dyn Fn(Job, Box<dyn Host>) -> BoxFuture<'static, Outcome> + Send + Sync>;

/// A component is a file with the text `scripted:NAME …`; NAME says which closure it runs. What follows the name makes
/// versions differ. `scripted-app:NAME …` is an app, `scripted-agentic:NAME …` an agentic function: its closure finds in
/// the job's entry what is asked of it.
#[derive(Default, Clone)]
pub struct ScriptedExecutor(Arc<Mutex<HashMap<String, Behaviour>>>, Arc<Mutex<Option<Receiver>>>);

/// What answers to all that the host itself posts.
type Receiver = Arc<dyn Fn(Letter) -> Result<Receipt, Fault> + Send + Sync>;

impl ScriptedExecutor {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn on<F>(&self, name: &str, run: impl Fn(Job, Box<dyn Host>) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        let behaviour: Behaviour = Arc::new(move |job, host| Box::pin(run(job, host)));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), behaviour);
    }

    /// Whoever the host posts to answers so; until then nobody can be reached.
    pub fn on_post(&self, answer: impl Fn(Letter) -> Result<Receipt, Fault> + Send + Sync + 'static) {
        *self.1.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(answer));
    }

    fn find(&self, component: &ComponentFile) -> Result<Behaviour, Fault> {
        let refused = |why: &str| Fault::invalid("COMPONENT_INVALID", why);
        let text = std::fs::read_to_string(&component.path).map_err(|_| refused("not a scripted component"))?;
        let name = text
            .strip_prefix("scripted-app:")
            .or_else(|| text.strip_prefix("scripted-agentic:"))
            .or_else(|| text.strip_prefix("scripted:"))
            .and_then(|rest| rest.split_whitespace().next());
        let name = name.ok_or_else(|| refused("a scripted component begins with scripted:NAME"))?;
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        known.ok_or_else(|| refused("no closure of that name"))
    }
}

impl Executor for ScriptedExecutor {
    fn prepare(&self, component: &ComponentFile) -> Result<Inspection, Fault> {
        self.find(component)?;
        let is_app = std::fs::read_to_string(&component.path).is_ok_and(|text| text.starts_with("scripted-app:"));
        if is_app {
            return Ok(Inspection { kind: FunctionKind::App, actions: Vec::new(), imports: Vec::new() });
        }
        let is_agentic =
            std::fs::read_to_string(&component.path).is_ok_and(|text| text.starts_with("scripted-agentic:"));
        let kind = if is_agentic { FunctionKind::Agentic } else { FunctionKind::Code };
        let any = Json::parse("true").expect("true is JSON");
        let shape = ActionShape { export: None, description: None, input: any.clone(), output: any };
        Ok(Inspection { kind, actions: vec![shape], imports: Vec::new() })
    }

    fn run(&self, job: Job, host: Box<dyn Host>) -> BoxFuture<'_, Outcome> {
        match self.find(&job.component) {
            Ok(behaviour) => behaviour(job, host),
            Err(fault) => Box::pin(std::future::ready(failed(fault))),
        }
    }

    fn courier(&self) -> Option<&dyn Courier> {
        Some(self)
    }
}

impl Courier for ScriptedExecutor {
    fn post(&self, letter: Letter) -> BoxFuture<'_, Result<Receipt, Fault>> {
        let receiver = self.1.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let answered = match receiver {
            Some(answer) => answer(letter),
            None => Err(Fault::new(FaultKind::Upstream, "HTTP_CONNECTION_REFUSED", "nobody listens there")),
        };
        Box::pin(std::future::ready(answered))
    }
}

pub fn completed(result: &serde_json::Value) -> Outcome {
    Outcome { result: Ok(Json::from_value(result)), usage: Usage::default() }
}

pub fn failed(fault: Fault) -> Outcome {
    Outcome { result: Err(fault), usage: Usage::default() }
}
