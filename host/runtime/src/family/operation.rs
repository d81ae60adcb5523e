//! Changes of more than one file: noted as running before they begin, and finished after a stop of the host.

use crate::commit::{NewEvent, write_event};
use crate::node::Node;
use crate::object::{Object, fault_of};
use store::Turn;
use types::{ActionRow, ActionStatus, Durability, Fault, FaultKind, Id, Namespace, ObjectId, Row, Timestamp};

/// Whether an unfinished action is one of those that go on after a stop of the host.
pub(crate) fn is_operation(action: &ActionRow) -> bool {
    action.durability == Durability::Do
        && action.target.starts_with("Object/")
        && matches!(action.verb.as_str(), "create" | "update")
}

/// Finishes, beside whatever it is opened for, what a stop of the host interrupted in an object.
pub(crate) fn go_on(object: &Object) {
    if object.inner.family.initialized() || !object.inner.interrupted.iter().any(is_operation) {
        return;
    }
    let object = object.clone();
    tokio::spawn(async move {
        if let Err(fault) = object.finish_interrupted().await {
            tracing::warn!(namespace = %object.namespace(), %fault, "an interrupted operation is not finished yet");
        }
    });
}

impl Object {
    /// Finishes what a stop of the host interrupted; nobody sees the family before.
    pub(super) async fn finish_interrupted(&self) -> Result<(), Fault> {
        let finish = || async {
            for action in self.inner.interrupted.iter().filter(|action| is_operation(action)) {
                self.go_on_with(action).await?;
            }
            Ok(())
        };
        self.inner.family.get_or_try_init(finish).await.copied()
    }

    async fn go_on_with(&self, action: &ActionRow) -> Result<(), Fault> {
        let target = action.target.strip_prefix("Object/").and_then(|text| Namespace::parse(text).ok());
        let Some(namespace) = target else { return Err(Fault::internal()) };
        let registered = self.node.registered(&namespace).await?;
        let options = action.options.to_value();
        let option = |name: &str| options[name].as_str().and_then(|text| Namespace::parse(text).ok());
        let interrupted = || Fault::failed("INTERRUPTED", "the host stopped before this was done");
        match registered {
            Some(row) if action.verb == "create" && row.id == self.node.id_made_by(action.id) => {
                self.complete(action.id, Some(Row::Object(row))).await
            }
            Some(row) if action.verb == "update" && row.parent.is_some() && row.parent == option("parent") => {
                self.follow_registry(&row, option("previousParent").as_ref()).await?;
                self.complete(action.id, None).await
            }
            Some(_) | None => self.fail(action.id, interrupted()).await,
        }
    }

    /// Notes an action that goes on.
    pub(super) async fn note_running(&self, action: &ActionRow) -> Result<(), Fault> {
        let row = Row::Action(action.clone());
        self.change(1024, move |turn| turn.write(row).map_err(|e| fault_of(&e))).await
    }

    /// Ends it well, with its event; once.
    pub(super) async fn complete(&self, action: Id, with: Option<Row>) -> Result<(), Fault> {
        self.change(1024, move |turn| {
            let Some(mut action) = open_action(turn, action)? else { return Ok(()) };
            with.map_or(Ok(()), |row| turn.write(row)).map_err(|e| fault_of(&e))?;
            let at = turn.at();
            complete(&mut action, at);
            write_done(turn, action)
        })
        .await
    }

    async fn fail(&self, action: Id, fault: Fault) -> Result<(), Fault> {
        self.change(1024, move |turn| {
            let Some(mut action) = open_action(turn, action)? else { return Ok(()) };
            complete(&mut action, turn.at());
            action.status = ActionStatus::Failed;
            action.error = Some(fault);
            turn.write(Row::Action(action)).map_err(|e| fault_of(&e))
        })
        .await
    }

    /// The registry refused: the action has failed. When it is not known whether it did, the next opening will tell.
    pub(super) async fn give_up(&self, action: Id, fault: Fault) -> Fault {
        if matches!(fault.kind, FaultKind::Unavailable | FaultKind::Internal) {
            return fault;
        }
        if let Err(error) = self.fail(action, fault.clone()).await {
            tracing::warn!(namespace = %self.namespace(), fault = %error, "a refused operation could not be noted");
        }
        fault
    }
}

impl Node {
    /// The id of the object that an action makes. Whoever knows the action finds out whether it was this one that made
    /// it; nobody else can guess it.
    pub(super) fn id_made_by(&self, action: Id) -> ObjectId {
        let key = blake3::derive_key("org.ai 2026-11 object ids", &self.inner.node_key);
        let hash = blake3::keyed_hash(&key, &action.to_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&hash.as_bytes()[..16]);
        ObjectId::from_u128(u128::from_be_bytes(id))
    }
}

fn open_action(turn: &Turn<'_>, action: Id) -> Result<Option<ActionRow>, Fault> {
    let row = turn.action(action).map_err(|e| fault_of(&e))?;
    Ok(row.filter(|row| row.status == ActionStatus::Running))
}

pub(super) fn complete(action: &mut ActionRow, at: Timestamp) {
    action.status = ActionStatus::Completed;
    action.completed_at = Some(at);
    action.duration_us = Some(at.millis_since(action.created_at) * 1000);
}

pub(super) fn write_done(turn: &mut Turn<'_>, action: ActionRow) -> Result<(), Fault> {
    let event = model::verb::find(&action.verb, &[]).map_or_else(|| action.verb.clone(), |verb| verb.event.clone());
    let event = NewEvent { verb: event, source: action.target.clone(), data: action.options.clone() };
    let (id, at) = (action.id, turn.at());
    turn.write(Row::Action(action)).and_then(|()| write_event(turn, event, id, at)).map_err(|e| fault_of(&e))
}
