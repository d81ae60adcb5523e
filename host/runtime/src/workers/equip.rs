//! What an agent is and what it may call, looked up once for a run: the answer is a step, so that a deploy or a change of
//! the agent in the middle of a run does not make its replay another one.

use crate::functions::ANCESTORS_MAX;
use crate::guest::{GuestHost, end_turn};
use crate::object::{Object, fault_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::Line;
use types::exec::{ServerTool, ToolServers};
use types::{
    ActionRef, ActionShape, AgentDef, AgentTool, Fault, FunctionKind, Json, Noun, Reply, ThingId, ThingKey, Worker,
};
use workers::agent::{Origin, STEP_TIMEOUT_MS, Side, TOOLS_MAX, Tool, matches_pattern, memory_tools};

/// Before the name of a server outside, in `uses`.
const SERVER_PREFIX: &str = "mcp:";
/// The longest that one call of a tool can be given.
const TOOL_TIMEOUT_MS_MAX: u64 = 3_600_000;

/// What is known of an agent when a run of it begins.
#[derive(Serialize, Deserialize)]
pub(super) struct Equipped {
    /// None: it is a function.
    pub(super) agent: Option<AgentDef>,
    pub(super) tools: Vec<Tool>,
}

impl GuestHost {
    /// Looks up a worker, if one is named, and what it and `uses` may call.
    pub(crate) async fn equip(&self, worker: Option<String>, uses: &Json) -> Result<Reply, Fault> {
        end_turn(&self.object, &self.running).await?;
        let mut uses: Vec<AgentTool> = serde_json::from_str(uses.as_str()).map_err(|_| Fault::internal())?;
        let agent = match worker.and_then(|worker| worker.parse::<Worker>().ok()) {
            Some(Worker::Agent(id)) => Some(self.object.active_agent(&id).await?),
            Some(Worker::Human(_) | Worker::Role(_)) | None => None,
        };
        uses.extend(agent.iter().flat_map(|agent| agent.tools.iter().cloned()));
        let mut tools = self.object.tools_of(&uses).await?;
        if agent.as_ref().is_some_and(|agent| agent.memory) {
            tools.extend(memory_tools());
        }
        Ok(Reply::Json(Json::of(&Equipped { agent, tools })))
    }
}

impl Object {
    /// An agent that can be asked.
    ///
    /// # Errors
    /// `not-found` (`WORKER_NOT_FOUND`); `conflict` (`WORKER_INACTIVE`).
    pub(super) async fn active_agent(&self, id: &ThingId) -> Result<AgentDef, Fault> {
        let unknown = || {
            let message = format!("there is no agent {id} here; create it with POST /api/agents");
            Fault::not_found("WORKER_NOT_FOUND", message)
        };
        let agent = self.find_agent(id).await?.ok_or_else(unknown)?;
        if agent.inactive {
            return Err(Fault::conflict(
                "WORKER_INACTIVE",
                format!("the agent {id} is inactive: it is not asked any more"),
            ));
        }
        Ok(agent)
    }

    /// The agent of that name of this object, else that of the nearest object above it.
    async fn find_agent(&self, id: &ThingId) -> Result<Option<AgentDef>, Fault> {
        let noun = Noun::parse(Worker::AGENT).expect("it is PascalCase");
        let key = ThingKey::new(noun, id.clone());
        let mut object = self.clone();
        for _ in 0..ANCESTORS_MAX {
            let found = object.peek(|store| store.newest(&Line::main(), &key).map_err(|e| fault_of(&e))).await?;
            if let Some(row) = found.filter(|row| !row.deleted) {
                return read_agent(&row.data).map(Some);
            }
            let Some(parent) = object.parent().await? else { return Ok(None) };
            let Some(above) = self.node.object(&parent).await? else { return Ok(None) };
            object = above;
        }
        Ok(None)
    }

    /// Each thing that may be called, with what a model must know of it.
    async fn tools_of(&self, uses: &[AgentTool]) -> Result<Vec<Tool>, Fault> {
        let mut tools = Vec::new();
        let mut servers: BTreeMap<String, Vec<ServerTool>> = BTreeMap::new();
        for used in uses {
            match used.uses.strip_prefix(SERVER_PREFIX) {
                Some(of_server) => {
                    let (server, pattern) = of_server.split_once('.').unwrap_or((of_server, "*"));
                    if !servers.contains_key(server) {
                        let listed = list(self.node.inner.tools.as_deref(), server).await?;
                        servers.insert(server.to_owned(), listed);
                    }
                    let listed = servers.get(server).into_iter().flatten();
                    let found = listed.filter(|tool| matches_pattern(pattern, &tool.spec.name));
                    let before = tools.len();
                    tools.extend(found.map(|tool| of_server_tool(used, server, tool)));
                    none_is_wrong(before, tools.len(), used)?;
                }
                None => tools.extend(self.actions_of(used).await?),
            }
            if tools.len() > TOOLS_MAX {
                let message = format!("an agent has {TOOLS_MAX} tools at most; name fewer, or fewer of a tool box");
                return Err(Fault::limit("TOOLS_LIMIT", message));
            }
        }
        // What is named twice is one tool.
        let mut known = std::collections::BTreeSet::new();
        tools.retain(|tool| known.insert(tool.title.clone()));
        Ok(tools)
    }

    async fn actions_of(&self, used: &AgentTool) -> Result<Vec<Tool>, Fault> {
        let (named, all) = match used.uses.strip_suffix(".*") {
            Some(function) => (function, true),
            None => (used.uses.as_str(), false),
        };
        let action: ActionRef = named.parse().map_err(|e: types::NameError| {
            Fault::invalid("TOOL_INVALID", format!("{:?} names no tool: {e}; or write mcp:SERVER.TOOL", used.uses))
        })?;
        let callable = self.find_callable(&action.function, action.at).await?;
        if let Some(declared) = &callable.declared {
            let (description, input) = (declared.spec.description.clone(), declared.spec.input.clone());
            return Ok(vec![of_action(used, named, description, input)]);
        }
        let (function, manifest) = (&callable.function, &callable.function.def.manifest);
        let of_shape = |title: String, shape: &ActionShape| {
            let description = shape.description.clone().or_else(|| manifest.description.clone());
            of_action(used, &title, description, manifest.input.clone().or_else(|| Some(shape.input.clone())))
        };
        if all {
            let titled = function.def.actions.iter().map(|shape| {
                let title = shape.export.as_ref().map_or_else(|| named.to_owned(), |e| format!("{named}.{e}"));
                of_shape(title, shape)
            });
            return Ok(titled.collect());
        }
        match function.def.kind {
            FunctionKind::Code | FunctionKind::ToolBox => {
                Ok(vec![of_shape(named.to_owned(), function.shape(action.export.as_deref())?)])
            }
            FunctionKind::Generative | FunctionKind::Agentic | FunctionKind::Human => {
                Ok(vec![of_action(used, named, manifest.description.clone(), manifest.input.clone())])
            }
            FunctionKind::App | FunctionKind::Site => {
                let message = format!("{named} cannot be a tool: it is of kind {}", function.def.kind.as_str());
                Err(Fault::invalid("TOOL_INVALID", message))
            }
        }
    }
}

/// The data of an `Agent`.
pub(super) fn read_agent(data: &Json) -> Result<AgentDef, Fault> {
    serde_json::from_str(data.as_str())
        .map_err(|e| Fault::invalid("AGENT_INVALID", format!("the agent's data are not those of an agent: {e}")))
}

async fn list(servers: Option<&dyn ToolServers>, server: &str) -> Result<Vec<ServerTool>, Fault> {
    let servers = servers.ok_or_else(|| Fault::unavailable("tools of servers outside"))?;
    super::outside::within(STEP_TIMEOUT_MS, "TOOL_TIMEOUT", server, servers.list(server.to_owned())).await
}

fn none_is_wrong(before: usize, after: usize, used: &AgentTool) -> Result<(), Fault> {
    if after > before {
        return Ok(());
    }
    Err(Fault::not_found("TOOL_NOT_FOUND", format!("{} names no tool that its server offers", used.uses)))
}

/// Whether it changes anything the agent's definition decides; where that says nothing, the tool does.
fn of_server_tool(used: &AgentTool, server: &str, listed: &ServerTool) -> Tool {
    let ServerTool { spec, only_reads } = listed;
    let origin = Origin::Server { server: server.to_owned(), tool: spec.name.clone() };
    let title = format!("{server}.{}", spec.name);
    let side_effect = used.side_effect.or(Some(!only_reads));
    let used = AgentTool { side_effect, ..used.clone() };
    tool(&used, origin, title, spec.description.clone(), spec.parameters.clone())
}

fn of_action(used: &AgentTool, title: &str, description: Option<String>, input: Option<Json>) -> Tool {
    let origin = Origin::Action(title.to_owned());
    tool(used, origin, title.to_owned(), description.unwrap_or_default(), parameters(input))
}

fn tool(used: &AgentTool, origin: Origin, title: String, description: String, parameters: Json) -> Tool {
    let side = if used.side_effect == Some(false) { Side::Reads } else { Side::Changes };
    let timeout_ms = used.timeout_ms.unwrap_or(STEP_TIMEOUT_MS).clamp(1, TOOL_TIMEOUT_MS_MAX);
    Tool { origin, title, description, parameters, side, timeout_ms }
}

/// Providers want an object: one that takes anything stands for a schema that does.
fn parameters(input: Option<Json>) -> Json {
    let is_object = |schema: &Json| schema.to_value()["type"] == "object";
    input.filter(is_object).unwrap_or_else(|| Json::from_value(&serde_json::json!({ "type": "object" })))
}
