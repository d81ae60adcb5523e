//! One more version of a thing, with all that comes with it: its action, its event, what a search finds it by, the
//! values it holds that no other may.

use super::nouns::{NounEntry, Nouns};
use crate::Caller;
use crate::commit::{NewEvent, write_event};
use crate::object::fault_of;
use model::Content;
use store::{Line, Turn};
use types::{ActionRow, ActionStatus, BranchName, Durability, Fault, Id, Json, Namespace, Row, ThingKey, ThingRow};

/// A thing's data as text (spec THG-5).
pub(crate) const DATA_BYTES_MAX: usize = 1 << 20;
/// A thing's name.
const NAME_BYTES_MAX: usize = 1024;
/// Nouns that only the platform writes, and of which a search says nothing.
pub(crate) const PLATFORM_NOUNS: [&str; 10] = [
    "Noun",
    "Verb",
    "Function",
    "Relationship",
    "EventSubscription",
    "TimeSchedule",
    "WorkflowDefinition",
    "DeclaredFunction",
    "AppDeployment",
    super::settings::NOUN,
];

/// Who writes, and where.
pub(crate) struct Scene {
    pub(crate) caller: Caller,
    pub(crate) namespace: Namespace,
    /// None is main.
    pub(crate) branch: Option<BranchName>,
    pub(crate) line: Line,
}

/// What was done, for its action row and its event.
pub(crate) struct Doing<'a> {
    /// The action form: `create`.
    pub(crate) verb: &'a str,
    /// The event's name: `created`; None: an event of another action speaks for it.
    pub(crate) event: Option<&'a str>,
    /// What else the action row says.
    pub(crate) options: Json,
    pub(crate) idempotency_key: Option<String>,
    /// Several versions can come of one action.
    pub(crate) action: Option<Id>,
    /// The invocation that did it, when one did.
    pub(crate) parent: Option<Id>,
}

impl<'a> Doing<'a> {
    pub(crate) fn new(verb: &'a str, event: &'a str) -> Self {
        Self { verb, event: Some(event), options: empty(), idempotency_key: None, action: None, parent: None }
    }
}

pub(crate) fn empty() -> Json {
    Json::parse("{}").expect("it is JSON")
}

/// The next version of a thing.
pub(crate) struct Next<'a> {
    pub(crate) key: &'a ThingKey,
    /// The newest version on the line, deleted or not.
    pub(crate) before: Option<&'a ThingRow>,
    pub(crate) content: Content,
    pub(crate) deleted: bool,
    pub(crate) noun: Option<&'a NounEntry>,
}

impl Scene {
    /// Writes the version with its action and event; answers it and the action's id.
    pub(crate) fn append(
        &self,
        turn: &mut Turn<'_>,
        next: Next<'_>,
        doing: Doing<'_>,
    ) -> Result<(ThingRow, Id), Fault> {
        let data = serialize(next.key, &next.content)?;
        let action = doing.action.unwrap_or_else(|| Id::new(turn.at(), rand::random()));
        let row = ThingRow {
            version: turn.next_version(),
            key: next.key.clone(),
            branch: self.branch.clone(),
            name: next.content.name.clone(),
            data,
            deleted: next.deleted,
            created_at: turn.at(),
            action,
            actor: self.caller.identity.actor.to_string(),
            born: next.before.map(ThingRow::born),
        };
        self.hold_uniques(turn, &next)?;
        let write = |turn: &mut Turn<'_>| {
            turn.write(Row::Thing(row.clone()))?;
            if self.branch.is_none() && !next.deleted && !PLATFORM_NOUNS.contains(&next.key.noun.as_str()) {
                let text = search_text(&next);
                turn.write(Row::Search { version: row.version, text })?;
            }
            let input = next.before.map(|before| before.version);
            let changes = doing.event.map(|event| {
                let data = event_data(&row, next.before, &next.content);
                NewEvent { verb: event.to_owned(), source: next.key.to_string(), data }
            });
            if doing.action.is_none() {
                turn.write(Row::Action(self.action_row(turn, &row, input, doing)))?;
            }
            changes.map_or(Ok(()), |event| write_event(turn, event, action, turn.at()))
        };
        write(turn).map_err(|e| fault_of(&e))?;
        Ok((row, action))
    }

    fn action_row(&self, turn: &Turn<'_>, row: &ThingRow, input: Option<u64>, doing: Doing<'_>) -> ActionRow {
        let at = turn.at();
        ActionRow {
            id: row.action,
            verb: doing.verb.to_owned(),
            actor: row.actor.clone(),
            target: row.key.to_string(),
            input,
            output: Some(row.version),
            options: doing.options,
            durability: Durability::Try,
            status: ActionStatus::Completed,
            error: None,
            attempts: 1,
            idempotency_key: doing.idempotency_key,
            request_id: Some(self.caller.request_id.to_string()),
            parent: doing.parent,
            created_at: at,
            started_at: Some(at),
            completed_at: Some(at),
            duration_us: Some(0),
        }
    }

    /// An action that leaves the thing as it is (spec THG-4), or is about no single one.
    pub(crate) fn note_action(
        &self,
        turn: &mut Turn<'_>,
        target: String,
        versions: (Option<u64>, Option<u64>),
        doing: Doing<'_>,
    ) -> Result<Id, Fault> {
        let at = turn.at();
        let id = doing.action.unwrap_or_else(|| Id::new(at, rand::random()));
        let row = ActionRow {
            id,
            verb: doing.verb.to_owned(),
            actor: self.caller.identity.actor.to_string(),
            target: target.clone(),
            input: versions.0,
            output: versions.1,
            options: doing.options.clone(),
            durability: Durability::Try,
            status: ActionStatus::Completed,
            error: None,
            attempts: 1,
            idempotency_key: doing.idempotency_key,
            request_id: Some(self.caller.request_id.to_string()),
            parent: doing.parent,
            created_at: at,
            started_at: Some(at),
            completed_at: Some(at),
            duration_us: Some(0),
        };
        turn.write(Row::Action(row)).map_err(|e| fault_of(&e))?;
        if let Some(event) = doing.event {
            let event = NewEvent { verb: event.to_owned(), source: target, data: doing.options };
            write_event(turn, event, id, at).map_err(|e| fault_of(&e))?;
        }
        Ok(id)
    }
}

impl Scene {
    /// The only things that can be written on this branch; None: all.
    pub(crate) fn only_things(&self, turn: &Turn<'_>) -> Result<Option<Vec<ThingKey>>, Fault> {
        let Some(name) = &self.branch else { return Ok(None) };
        Ok(turn.branch(name).map_err(|e| fault_of(&e))?.and_then(|row| row.things))
    }

    /// A branch of listed things takes no others.
    pub(crate) fn refuse_outside_branch(&self, turn: &Turn<'_>, key: &ThingKey) -> Result<(), Fault> {
        if self.only_things(turn)?.is_none_or(|things| things.contains(key)) {
            return Ok(());
        }
        let name = self.branch.as_ref().map_or("main", BranchName::as_str);
        let message = format!("{key} is not on the branch {name}, which was made for a list of things");
        Err(Fault::conflict("NOT_ON_BRANCH", message))
    }
}

/// A version as another object has it becomes the next one here (fork, promote). What was done with it is told there:
/// no action and no event of this object speaks of it.
pub(crate) fn copy(turn: &mut Turn<'_>, nouns: &Nouns, row: &ThingRow, action: Id) -> Result<(), Fault> {
    let fault = |e: store::Error| fault_of(&e);
    let noun = nouns.entry(turn, &Line::main(), &row.key.noun)?;
    let before = turn.newest(&Line::main(), &row.key).map_err(fault)?;
    let born = before.as_ref().map_or_else(|| row.born(), ThingRow::born);
    let copied = ThingRow {
        version: turn.next_version(),
        branch: None,
        created_at: turn.at(),
        action,
        born: Some(born),
        ..row.clone()
    };
    let content = super::read::content_of(row);
    let next = Next { key: &row.key, before: before.as_ref(), content, deleted: row.deleted, noun: noun.as_deref() };
    super::uniques::hold_uniques(None, turn, &next)?;
    let version = copied.version;
    turn.write(Row::Thing(copied)).map_err(fault)?;
    if !row.deleted && !PLATFORM_NOUNS.contains(&row.key.noun.as_str()) {
        turn.write(Row::Search { version, text: search_text(&next) }).map_err(fault)?;
    }
    Ok(())
}

fn serialize(key: &ThingKey, content: &Content) -> Result<Json, Fault> {
    if content.name.as_ref().is_some_and(|name| name.len() > NAME_BYTES_MAX) {
        let error = model::FieldError::new("name", "size", format!("a name has at most {NAME_BYTES_MAX} bytes"));
        return Err(super::fields_fault(&[error]));
    }
    let text = content.data.to_string();
    if text.len() > DATA_BYTES_MAX {
        let message = format!("the data of {key} are {} bytes; at most {DATA_BYTES_MAX} are kept", text.len());
        return Err(Fault::limit("DATA_LIMIT", message));
    }
    Json::parse(text).map_err(|error| {
        super::fields_fault(&[model::FieldError::new("data", "size", format!("the data cannot be kept: {error}"))])
    })
}

fn search_text(next: &Next<'_>) -> String {
    let schema = next.noun.and_then(|noun| noun.schema.as_ref());
    let searchable = schema.and_then(|s| s.searchable_fields());
    let secret = schema.map_or(&[][..], |s| s.secret_fields());
    model::flat::search_text(next.content.name.as_deref(), &next.content.data, searchable, secret)
}

/// `{version, previousVersion, changes}`; the thing itself stands in its version, and is added when events are read.
fn event_data(row: &ThingRow, before: Option<&ThingRow>, content: &Content) -> Json {
    // Only what a change of a live thing touched; what is new or gone is so as a whole.
    let changes = match before.filter(|before| !before.deleted && !row.deleted) {
        Some(before) => model::diff::changes(Some(&super::read::content_of(before)), Some(content)),
        None => Vec::new(),
    };
    let previous = before.map_or("null".to_owned(), |row| row.version.to_string());
    let changes = serde_json::to_string(&changes).expect("texts are JSON");
    Json::parse(format!("{{\"version\":{},\"previousVersion\":{previous},\"changes\":{changes}}}", row.version))
        .unwrap_or_else(|_| empty())
}
