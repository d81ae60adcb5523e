//! What leaves the host for a worker: a question to a model, a message to a channel, a call of somebody else's tool.

use crate::commit::{Note, lock};
use crate::durable::{DurableRun, Made};
use crate::functions::ANCESTORS_MAX;
use crate::guest::{GuestHost, end_turn};
use crate::object::Object;
use std::sync::Arc;
use types::exec::Dispatch;
use types::{Call, Completion, Fault, Json, Reply, Row};

impl GuestHost {
    /// Asks a model: without the object's secrets, and within its budget. What it cost is written with the step.
    pub(crate) async fn complete(&self, request: Completion) -> Result<Reply, Fault> {
        let models = self.object.node.inner.models.clone().ok_or_else(no_model)?;
        end_turn(&self.object, &self.running).await?;
        let request = self.object.without_secrets(request).await?;
        let reserved = self.object.reserve(&request, models.price(request.model.as_deref())).await?;
        // An answer that may have to be given again is nothing to listen to.
        let heard = self.running.heard.clone().filter(|_| request.schema.is_none());
        let limit = request.timeout_ms;
        let completing = models.complete(request, heard);
        let completed = match limit {
            None => completing.await?,
            // Whoever says how long it may take is not kept waiting by a provider that hangs.
            Some(ms) => within(ms, "MODEL_TIMEOUT", "the model", completing).await?,
        };
        let paid = Row::ModelUsage(Box::new(reserved.settle(&completed)));
        if self.running.durable.is_some() {
            lock(&self.running.turn).rows.push(paid);
        } else {
            self.object.note(Note::of_rows(vec![paid])).await;
        }
        Ok(Reply::Json(Json::of(&completed)))
    }

    /// Hands a message over.
    pub(crate) async fn deliver(&self, message: Dispatch) -> Result<Reply, Fault> {
        let channels = self.object.node.inner.channels.clone();
        let channels = channels.ok_or_else(|| Fault::unavailable(&format!("channel {}", message.channel.as_str())))?;
        end_turn(&self.object, &self.running).await?;
        channels.deliver(self.object.sign(message)).await?;
        Ok(Reply::Done)
    }

    /// Calls a tool of a server outside.
    pub(crate) async fn use_tool(
        &self,
        server: String,
        tool: String,
        args: Json,
        timeout_ms: u64,
    ) -> Result<Reply, Fault> {
        let tools = self.object.node.inner.tools.clone();
        let tools = tools.ok_or_else(|| Fault::unavailable("tools of servers outside"))?;
        end_turn(&self.object, &self.running).await?;
        let what = format!("tool {tool} of {server}");
        let called = tools.call(server, tool, args);
        Ok(Reply::Json(within(timeout_ms, "TOOL_TIMEOUT", &what, called).await?))
    }
}

impl GuestHost {
    /// The same in a durable run: a tool that may change something is called at most once (spec AGT-6). What a stop of the
    /// host leaves uncertain is told to who asked, and not done again.
    pub(crate) async fn use_tool_once(
        &mut self,
        run: &Arc<DurableRun>,
        made: &mut Made,
        call: &Call,
    ) -> Result<Reply, Fault> {
        let Call::UseTool { server, tool, args, only_reads, timeout_ms } = call else { return Err(Fault::internal()) };
        if !only_reads {
            if made.is_written {
                let message = format!(
                    "uncertain: the host stopped while {tool} of {server} was called; it may have done what it does, and \
                     is not called again by itself"
                );
                return Err(Fault::new(types::FaultKind::Upstream, "TOOL_UNCERTAIN", message));
            }
            lock(&self.running.turn).rows.push(Row::Step(run.step_row(made, call, None, None)));
            made.is_written = true;
        }
        self.use_tool(server.clone(), tool.clone(), args.clone(), *timeout_ms).await
    }
}

impl Object {
    /// The request as a model may see it (spec AGT-5): without the values of secrets of this object and of those above it,
    /// whose functions run here, and without what looks like one.
    async fn without_secrets(&self, mut request: Completion) -> Result<Completion, Fault> {
        let mut secrets = self.secret_values().await?;
        let mut object = self.clone();
        for _ in 1..ANCESTORS_MAX {
            let Some(parent) = object.parent().await? else { break };
            let Some(above) = self.node.object(&parent).await? else { break };
            secrets.extend(above.secret_values().await?);
            object = above;
        }
        for message in &mut request.messages {
            message.text = ::workers::without_secrets(&message.text, &secrets);
            for call in &mut message.tool_calls {
                call.arguments = ::workers::without_secrets(&call.arguments, &secrets);
            }
        }
        Ok(request)
    }
}

pub(super) async fn within<T>(
    ms: u64,
    code: &str,
    what: &str,
    answer: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let late = || Fault::new(types::FaultKind::Timeout, code, format!("{what} did not answer within {ms} ms"));
    tokio::time::timeout(std::time::Duration::from_millis(ms), answer).await.unwrap_or_else(|_| Err(late()))
}

fn no_model() -> Fault {
    let message = "no model is configured on this server; set models.default and [models.providers.NAME] in its file";
    Fault::new(types::FaultKind::Upstream, "MODEL_UNAVAILABLE", message)
}
