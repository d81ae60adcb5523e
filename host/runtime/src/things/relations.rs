//! Edges between a thing and any URL (spec 2.6). Each is a thing of noun `Relationship`, so it has versions, follows
//! branches, merges and is seen at refs like any other.

use super::append::{Doing, Next, Scene};
use super::fields_fault;
use super::references::Sight;
use super::verbs::{predicate_of, reverse_of};
use super::view::{View, line_of};
use super::writer::Writer;
use crate::Caller;
use crate::object::{Object, fault_of};
use model::verb::VerbForms;
use model::{Content, FieldError};
use serde_json::{Value, json};
use store::{Edge, Line, Page, Reader, Side};
use types::{Fault, Json, Namespace, Noun, ThingId, ThingKey, ThingRow, Timestamp};

/// Where an edge can lead to.
const TARGET_BYTES_MAX: usize = 2048;
/// Edges that are looked at for one page: those that were removed are among them.
const LOOKED_AT_MAX: usize = 10_000;

/// Which way edges are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Those that begin at the thing, by their predicate: `owns`.
    Outbound,
    /// Those that end at it, by the reverse of the predicate: `ownedBy`.
    Inbound,
}

/// One edge as it is told.
#[derive(Clone, PartialEq, Debug)]
pub struct EdgeShown {
    pub id: String,
    /// `owns`, or `ownedBy` from the other side.
    pub verb: String,
    /// URLs.
    pub from: String,
    pub to: String,
    pub data: Json,
    pub version: u64,
    pub created_at: Timestamp,
}

impl EdgeShown {
    /// `{id, verb, from, to, data, version, createdAt}`
    pub fn to_value(&self) -> Value {
        json!({
            "id": self.id, "verb": self.verb, "from": self.from, "to": self.to, "data": self.data,
            "version": self.version, "createdAt": self.created_at.to_string(),
        })
    }
}

impl Object {
    /// Makes an edge; when it is there already its data is replaced. True: it was not there.
    pub async fn relate(
        &self,
        caller: &Caller,
        view: &View,
        from: &ThingKey,
        verb: &str,
        to: &str,
        data: Value,
    ) -> Result<(EdgeShown, bool), Fault> {
        caller.may(from.noun.as_str(), "update")?;
        let ends = Ends::read(self.namespace(), from, verb, to, &self.registered_verbs().await?)?;
        let branch = view.writes_to()?;
        if !data.is_object() {
            return Err(fields_fault(&[FieldError::new("data", "type", "the data of an edge is an object")]));
        }
        let (caller, inner, from) = (caller.clone(), self.inner.clone(), from.clone());
        let namespace = self.namespace().clone();
        self.change(1024 + ends.target.len() * 2 + data.to_string().len(), move |turn| {
            let (row, created) = Writer::new(turn, caller, &inner, branch, None)?.relate(turn, &from, &ends, data)?;
            Ok((ends.shown(&namespace, &row), created))
        })
        .await
    }

    /// Removes an edge.
    pub async fn unrelate(
        &self,
        caller: &Caller,
        view: &View,
        from: &ThingKey,
        verb: &str,
        to: &str,
    ) -> Result<(), Fault> {
        caller.may(from.noun.as_str(), "update")?;
        let ends = Ends::read(self.namespace(), from, verb, to, &self.registered_verbs().await?)?;
        let branch = view.writes_to()?;
        let (caller, inner, from) = (caller.clone(), self.inner.clone(), from.clone());
        self.change(1024, move |turn| {
            let line = line_of(turn, branch.as_ref())?;
            let scene = Scene { caller, namespace: inner.namespace.clone(), branch, line };
            scene.refuse_outside_branch(turn, &from)?;
            scene.unrelate(turn, &ends)
        })
        .await
    }

    /// The edges of a thing, one way; go on after `cursor`.
    #[expect(clippy::too_many_arguments, reason = "a question has this many parts")]
    pub async fn edges(
        &self,
        caller: &Caller,
        view: &View,
        key: &ThingKey,
        direction: Direction,
        verb: Option<&str>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Page<EdgeShown, String>, Fault> {
        caller.may(key.noun.as_str(), "read")?;
        let namespace = self.namespace().clone();
        self.look(|store| {
            view.find(store, key)?;
            let line = view.line(store)?;
            let registered = self.inner.verbs.registered(store)?;
            edges_on(store, &line, &namespace, key, direction, verb, cursor, limit, &registered)
        })
        .await
    }
}

/// What makes an edge the one it is.
pub(crate) struct Ends {
    verb: String,
    source: String,
    /// `Noun/id` in this object, or a URL.
    target: String,
    key: ThingKey,
}

impl Ends {
    pub(crate) fn read(
        namespace: &Namespace,
        from: &ThingKey,
        verb: &str,
        to: &str,
        registered: &[VerbForms],
    ) -> Result<Self, Fault> {
        let well_formed = verb.len() <= 64
            && verb.starts_with(|c: char| c.is_ascii_lowercase())
            && verb.bytes().all(|b| b.is_ascii_alphanumeric());
        if !well_formed {
            let message = format!("{:?} is no verb; a verb is one word in lower case, like owns", cut(verb));
            return Err(fields_fault(&[FieldError::new("verb", "format", message)]));
        }
        let verb = predicate_of(verb, registered);
        let target = target_of(namespace, to)?;
        let source = from.to_string();
        let mut hasher = blake3::Hasher::new();
        for part in [&verb, &source, &target] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        let id: String = hasher.finalize().to_hex()[..32].to_owned();
        let noun = Noun::parse("Relationship").expect("it is PascalCase");
        let key = ThingKey::new(noun, ThingId::parse(&id).expect("hex digits are an id"));
        Ok(Self { verb, source, target, key })
    }

    /// As it is told from where it begins.
    pub(crate) fn shown(&self, namespace: &Namespace, row: &ThingRow) -> EdgeShown {
        shown(namespace, &self.edge(), row, Direction::Outbound, &[])
    }

    fn edge(&self) -> Edge {
        let (verb, source, target) = (self.verb.clone(), self.source.clone(), self.target.clone());
        Edge { key: self.key.clone(), verb, source, target }
    }
}

/// `Noun/id`, this object's URL of it, or any other URL.
fn target_of(namespace: &Namespace, to: &str) -> Result<String, Fault> {
    let refuse = |message: String| Err(fields_fault(&[FieldError::new("to", "format", message)]));
    if to.len() > TARGET_BYTES_MAX {
        return refuse(format!("an edge's target has at most {TARGET_BYTES_MAX} bytes"));
    }
    let local = to.strip_prefix(namespace.as_str()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(to);
    if let Ok(key) = ThingKey::parse(local) {
        return Ok(key.to_string());
    }
    match url::Url::parse(to) {
        Ok(url) if url.host_str().is_some() && url.username().is_empty() && url.password().is_none() => Ok(url.into()),
        Ok(_) | Err(_) => refuse(format!("{:?} is no target; write Noun/id, or a URL", cut(to))),
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(80)]
}

impl Writer<'_> {
    /// The edge's newest version, and whether it was made by this.
    pub(crate) fn relate(
        &self,
        turn: &mut store::Turn<'_>,
        from: &ThingKey,
        ends: &Ends,
        data: Value,
    ) -> Result<(ThingRow, bool), Fault> {
        let source = self.newest(turn, from)?;
        self.scene.refuse_outside_branch(turn, from)?;
        if source.is_none_or(|row| row.deleted) {
            return Err(super::conditions::absent(from));
        }
        let errors = Sight::of(turn, &self.scene, self.inner).broken_edge(from, &ends.verb, &ends.target)?;
        if !errors.is_empty() {
            return Err(fields_fault(&errors));
        }
        let before = self.newest(turn, &ends.key)?;
        let live = before.as_ref().filter(|row| !row.deleted);
        let whole = json!({ "verb": ends.verb, "from": ends.source, "to": ends.target, "data": data });
        if let Some(row) = live.filter(|row| row.data.to_value() == whole) {
            return Ok((row.clone(), false));
        }
        let created = live.is_none();
        let content = Content { name: None, data: whole };
        let next = Next { key: &ends.key, before: before.as_ref(), content, deleted: false, noun: None };
        let (row, _) = self.scene.append(turn, next, Doing::new("link", "linked"))?;
        Ok((row, created))
    }
}

impl Scene {
    pub(crate) fn unrelate(&self, turn: &mut store::Turn<'_>, ends: &Ends) -> Result<(), Fault> {
        let before = turn.newest(&self.line, &ends.key).map_err(|e| fault_of(&e))?.filter(|row| !row.deleted);
        let Some(before) = before else {
            let message = format!("{} {} {} is no edge here", ends.source, ends.verb, ends.target);
            return Err(Fault::not_found("EDGE_NOT_FOUND", message));
        };
        let content = Content { name: None, data: before.data.to_value() };
        let next = Next { key: &ends.key, before: Some(&before), content, deleted: true, noun: None };
        self.append(turn, next, Doing::new("unlink", "unlinked"))?;
        Ok(())
    }
}

#[expect(clippy::too_many_arguments, reason = "a question has this many parts, and both askers have them apart")]
pub(crate) fn edges_on(
    reader: &Reader,
    line: &Line,
    namespace: &Namespace,
    key: &ThingKey,
    direction: Direction,
    verb: Option<&str>,
    cursor: Option<&str>,
    limit: u32,
    registered: &[VerbForms],
) -> Result<Page<EdgeShown, String>, Fault> {
    let fault = |e: store::Error| fault_of(&e);
    let (side, end) = match direction {
        Direction::Outbound => (Side::Source, key.to_string()),
        Direction::Inbound => (Side::Target, key.to_string()),
    };
    // A reverse form is not an index: inbound edges are compared one by one.
    let predicate = match direction {
        Direction::Outbound => verb.map(|verb| predicate_of(verb, registered)),
        Direction::Inbound => None,
    };
    let mut after = cursor.map(read_cursor).transpose()?;
    let mut items = Vec::new();
    let mut looked_at = 0;
    loop {
        let place = after.as_ref().map(|(verb, id)| (verb.as_str(), id));
        let page = reader.edges(side, &end, predicate.as_deref(), place, limit.max(32)).map_err(fault)?;
        for edge in page.items {
            if items.len() == limit as usize || looked_at == LOOKED_AT_MAX {
                return Ok(Page { items, next: after.map(|(verb, id)| format!("{verb} {id}")) });
            }
            looked_at += 1;
            after = Some((edge.verb.clone(), edge.key.id.clone()));
            let row = reader.newest(line, &edge.key).map_err(fault)?.filter(|row| !row.deleted);
            let Some(row) = row else { continue };
            if direction == Direction::Inbound {
                let is_it =
                    |verb| verb == reverse_of(&edge.verb, registered) || predicate_of(verb, registered) == edge.verb;
                let is_other = verb.is_some_and(|verb| !is_it(verb));
                if is_other || !begins_at_live(reader, line, &edge)? {
                    continue;
                }
            }
            items.push(shown(namespace, &edge, &row, direction, registered));
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(Page { items, next: None }),
        }
    }
}

/// A deleted thing's edges are hidden, not removed (spec REL-2).
fn begins_at_live(reader: &Reader, line: &Line, edge: &Edge) -> Result<bool, Fault> {
    let Ok(source) = ThingKey::parse(&edge.source) else { return Ok(true) };
    let row = reader.newest(line, &source).map_err(|e| fault_of(&e))?;
    Ok(row.is_some_and(|row| !row.deleted))
}

fn read_cursor(cursor: &str) -> Result<(String, ThingId), Fault> {
    let parts = cursor.split_once(' ').and_then(|(verb, id)| Some((verb.to_owned(), ThingId::parse(id).ok()?)));
    parts.ok_or_else(|| fields_fault(&[FieldError::new("cursor", "format", "this is no cursor of this list")]))
}

fn shown(
    namespace: &Namespace,
    edge: &Edge,
    row: &ThingRow,
    direction: Direction,
    registered: &[VerbForms],
) -> EdgeShown {
    let url = |end: &str| if ThingKey::parse(end).is_ok() { format!("{namespace}/{end}") } else { end.to_owned() };
    let data = row.data.to_value().get("data").map_or_else(super::append::empty, Json::from_value);
    EdgeShown {
        id: row.key.id.to_string(),
        verb: match direction {
            Direction::Outbound => edge.verb.clone(),
            Direction::Inbound => reverse_of(&edge.verb, registered),
        },
        from: url(&edge.source),
        to: url(&edge.target),
        data,
        version: row.version,
        created_at: row.born().at,
    }
}
