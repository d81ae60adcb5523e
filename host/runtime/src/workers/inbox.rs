//! What the web console asks for: the plan of a request, the runs of agents and people, the moment to look again, and a
//! key that a browser keeps without being able to read it.

use super::request_step::Opened;
use crate::Caller;
use crate::object::{Object, fault_of};
use auth::{Slot, Vault};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use store::{Invocation, InvocationFilter, Page};
use types::exec::{Entry, Part};
use types::{ActionRef, ActionRow, At, Fault, Id, NextMoment, Reply, StepRow, Timestamp};

/// Where sealed keys belong. No secret can have this place: a name has 128 characters at most, and no such sealed value
/// is ever stored.
const SLOT: &str = "org-ai-console-session";
/// Looks at the list of invocations for one page of runs; each passes over a bounded number of rows.
const LOOKS_MAX: u32 = 10;

/// What a browser keeps, sealed.
#[derive(Serialize, Deserialize)]
struct Session {
    key: String,
    until: Timestamp,
}

impl Object {
    /// A key as a text that only this node opens, for this object, until then.
    ///
    /// # Errors
    /// That it is too long to be a key.
    pub fn seal_key(&self, key: &str, until: Timestamp) -> Result<String, Fault> {
        let session = Session { key: key.to_owned(), until };
        let text = serde_json::to_string(&session).map_err(|_| Fault::internal())?;
        let slot = Slot { object: self.inner.id, name: SLOT };
        Ok(URL_SAFE_NO_PAD.encode(Vault::new(self.node.inner.node_key).seal(slot, &text, rand::random())?))
    }

    /// The key in such a text; None when it was changed, is of another object or node, or its time is over.
    pub fn open_key(&self, sealed: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let slot = Slot { object: self.inner.id, name: SLOT };
        let text = Vault::new(self.node.inner.node_key).open(slot, &bytes).ok()?;
        let session: Session = serde_json::from_str(&text).ok()?;
        (self.node.now() < session.until).then_some(session.key)
    }

    /// Changes whenever a request or an invocation of this object has moved: the moment to look again. It says nothing
    /// else, so nobody needs a permission.
    pub fn follow_work(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inner.follow_work()
    }

    /// Who is asked when, as long as nobody answers: the whole plan of a request, from its beginning. Empty when its
    /// work left the file.
    ///
    /// # Errors
    /// As [`Object::request`].
    pub async fn request_plan(&self, caller: &Caller, id: Id) -> Result<Vec<NextMoment>, Fault> {
        self.request(caller, &id.to_string()).await?;
        let opened = self.look(|store| store.step(id, 0).map_err(|e| fault_of(&e))).await?;
        let Some(StepRow { reply: Some(Reply::Json(opened)), .. }) = opened else { return Ok(Vec::new()) };
        let opened: Opened = serde_json::from_str(opened.as_str()).map_err(|_| Fault::internal())?;
        Ok(opened.plan.told())
    }

    /// Runs of agents and people and of functions that ask some, newest first. One look is bounded: a page may be short,
    /// or empty, and have a `next`.
    ///
    /// # Errors
    /// `forbidden` without `invocations.read`.
    pub async fn worker_runs(
        &self,
        caller: &Caller,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<(Invocation, Option<ActionRow>), u64>, Fault> {
        let mut filter = InvocationFilter { before, limit: store::PAGE_MAX, ..InvocationFilter::default() };
        let mut kinds = std::collections::HashMap::new();
        let mut items = Vec::new();
        for _ in 0..LOOKS_MAX {
            let page = self.invocations(caller, &filter).await?;
            for (invocation, action) in page.items {
                let number = invocation.row.number;
                if !self.is_of_worker(&invocation, &mut kinds).await {
                    continue;
                }
                items.push((invocation, action));
                if items.len() == limit as usize {
                    return Ok(Page { items, next: Some(number).filter(|number| *number > 1) });
                }
            }
            filter.before = page.next;
            if page.next.is_none() {
                break;
            }
        }
        Ok(Page { items, next: filter.before })
    }

    /// By what it runs; what a function is now counts for all of its runs.
    async fn is_of_worker(
        &self,
        invocation: &Invocation,
        kinds: &mut std::collections::HashMap<types::FunctionName, bool>,
    ) -> bool {
        match &invocation.row.entry {
            Entry::Work { .. } => true,
            Entry::Part(Part::CallTool { .. }) | Entry::Elsewhere { .. } | Entry::Webhook { .. } => false,
            Entry::Run
            | Entry::Part(_)
            | Entry::Export(_)
            | Entry::Handle { .. }
            | Entry::Describe
            | Entry::Steps { .. } => {
                let function = &invocation.row.function;
                if let Some(known) = kinds.get(function) {
                    return *known;
                }
                let action = ActionRef { function: function.clone(), export: None, at: At::Head };
                let uses = self.uses_models(&action).await;
                kinds.insert(function.clone(), uses);
                uses
            }
        }
    }
}
