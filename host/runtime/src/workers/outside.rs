//! What leaves the host for a worker: a question to a model, a message to a channel, a call of somebody else's tool.

use crate::guest::{GuestHost, end_turn};
use types::exec::Dispatch;
use types::{Completion, Fault, Json, Reply};

impl GuestHost {
    /// Asks a model.
    pub(crate) async fn complete(&self, request: Completion) -> Result<Reply, Fault> {
        let models = self.object.node.inner.models.clone().ok_or_else(no_model)?;
        end_turn(&self.object, &self.running).await?;
        let completed = models.complete(request, None).await?;
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
    pub(crate) async fn use_tool(&self, server: String, tool: String, args: Json) -> Result<Reply, Fault> {
        let tools = self.object.node.inner.tools.clone();
        let tools = tools.ok_or_else(|| Fault::unavailable("tools of servers outside"))?;
        end_turn(&self.object, &self.running).await?;
        Ok(Reply::Json(tools.call(server, tool, args).await?))
    }
}

fn no_model() -> Fault {
    Fault::new(types::FaultKind::Upstream, "MODEL_UNAVAILABLE", "no model is configured on this server")
}
