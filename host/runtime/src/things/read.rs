//! Reading: one thing, a list, a history, what differs between two states. Nothing is written by it (spec VER-1).

use super::append::PLATFORM_NOUNS;
use super::nouns::{Nouns, is_known_on, written_nouns};
use super::view::{View, archived_fault};
use super::{Shown, fields_fault};
use crate::Caller;
use crate::object::{Object, fault_of};
use model::{Content, FieldError, diff};
use store::{Deleted, Page, Reader, ThingFilter, ThingList, ThingSort};
use types::{Fault, FaultKind, Id, Noun, ThingId, ThingKey, ThingRow};

/// How far a list that is not by id can be gone through.
const OFFSET_MAX: u32 = 100_000;

/// Which things of a noun.
#[derive(Clone, PartialEq, Debug)]
pub struct ThingsWanted {
    pub noun: Noun,
    pub filters: Vec<ThingFilter>,
    /// Empty: by id.
    pub sort: Vec<ThingSort>,
    pub with_deleted: bool,
    /// Where the last page said to go on.
    pub cursor: Option<String>,
    pub offset: u32,
    pub limit: u32,
}

/// A page of a list.
#[derive(Clone, PartialEq, Debug)]
pub struct Listed<T = Shown> {
    pub items: Vec<T>,
    /// None: too many to count.
    pub total: Option<u64>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

/// One entry of a history.
#[derive(Clone, PartialEq, Debug)]
pub struct VersionShown {
    pub row: ThingRow,
    /// The action that made it: id and verb; None when it was archived.
    pub action: Option<(Id, String)>,
    /// What differs from the version before, as paths.
    pub changes: Vec<String>,
}

impl Object {
    /// One version of a thing.
    pub async fn thing(&self, caller: &Caller, key: &ThingKey, view: &View) -> Result<Shown, Fault> {
        caller.may(key.noun.as_str(), "read")?;
        let row = self.look(|store| view.find(store, key)).await?;
        self.shown(row).await
    }

    /// Several things by id, in the order asked for; None where there is none.
    pub async fn things_by_id(
        &self,
        caller: &Caller,
        noun: &Noun,
        ids: &[ThingId],
        view: &View,
    ) -> Result<Vec<Option<Shown>>, Fault> {
        caller.may(noun.as_str(), "read")?;
        let rows = self
            .look(|store| {
                let line = view.line(store)?;
                let find = |id: &ThingId| {
                    let row =
                        store.newest(&line, &ThingKey::new(noun.clone(), id.clone())).map_err(|e| fault_of(&e))?;
                    Ok(row.filter(|row| !row.deleted))
                };
                ids.iter().map(find).collect::<Result<Vec<_>, Fault>>()
            })
            .await?;
        let mut shown = Vec::with_capacity(rows.len());
        for row in rows {
            shown.push(match row {
                Some(row) => Some(self.shown(row).await?),
                None => None,
            });
        }
        Ok(shown)
    }

    /// Things with this id, of whatever noun (spec ID-5: the short form).
    pub async fn things_named(&self, caller: &Caller, id: &ThingId, view: &View) -> Result<Vec<Shown>, Fault> {
        let rows = self
            .look(|store| {
                let (mut rows, mut gone) = (Vec::new(), None);
                for noun in written_nouns(store)? {
                    if PLATFORM_NOUNS.contains(&noun.as_str()) {
                        continue;
                    }
                    match view.find(store, &ThingKey::new(noun, id.clone())) {
                        Ok(row) => rows.push(row),
                        Err(fault) if fault.kind == FaultKind::NotFound => {}
                        Err(fault) if fault.kind == FaultKind::Gone => gone = Some(fault),
                        Err(fault) => return Err(fault),
                    }
                }
                match gone {
                    Some(gone) if rows.is_empty() => Err(gone),
                    Some(_) | None => Ok(rows),
                }
            })
            .await?;
        let visible = rows.into_iter().filter(|row| caller.may(row.key.noun.as_str(), "read").is_ok());
        let mut shown = Vec::new();
        for row in visible {
            shown.push(self.shown(row).await?);
        }
        Ok(shown)
    }

    /// A list of things.
    pub async fn things(&self, caller: &Caller, wanted: ThingsWanted, view: &View) -> Result<Listed, Fault> {
        caller.may(wanted.noun.as_str(), "read")?;
        let Listed { items: rows, total, next } =
            self.look(|store| list_on(store, &self.inner.nouns, &wanted, view)).await?;
        let mut items = Vec::with_capacity(rows.len());
        for row in rows {
            items.push(self.shown(row).await?);
        }
        Ok(Listed { items, total, next })
    }

    /// The history of a thing, newest first.
    pub async fn versions(
        &self,
        caller: &Caller,
        key: &ThingKey,
        view: &View,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<VersionShown, u64>, Fault> {
        caller.may(key.noun.as_str(), "read")?;
        self.look(|store| versions_on(store, key, view, before, limit)).await
    }

    /// The version from which on the history of a thing is whole, for `DO-History-Floor`; None: nothing was archived.
    pub async fn history_floor(&self, caller: &Caller, key: &ThingKey, view: &View) -> Result<Option<u64>, Fault> {
        caller.may(key.noun.as_str(), "read")?;
        self.look(|store| store.history_floor(&view.line(store)?, key).map_err(|e| fault_of(&e))).await
    }

    /// The operations (RFC 6902) that make one state of a thing into another. A state in which it is absent is refused.
    pub async fn diff(&self, caller: &Caller, key: &ThingKey, from: &View, to: &View) -> Result<Vec<diff::Op>, Fault> {
        caller.may(key.noun.as_str(), "read")?;
        self.look(|store| {
            let state = |view: &View| {
                let row = view.find(store, key)?;
                Ok::<_, Fault>(serde_json::json!({ "name": row.name, "data": row.data.to_value() }))
            };
            Ok(diff::ops(&state(from)?, &state(to)?))
        })
        .await
    }
}

pub(crate) fn list_on(
    reader: &Reader,
    nouns: &Nouns,
    wanted: &ThingsWanted,
    view: &View,
) -> Result<Listed<ThingRow>, Fault> {
    let list = list_of(wanted)?;
    let line = view.line(reader)?;
    if !is_known_on(reader, &line, &wanted.noun)? && nouns.entry(reader, &line, &wanted.noun)?.is_none() {
        return Err(Fault::not_found("NOUN_NOT_FOUND", format!("there is no noun {}", wanted.noun)));
    }
    if !line.is_newest()
        && let Some(gone) = reader.lacks_some(&line, &wanted.noun).map_err(|e| fault_of(&e))?
    {
        return Err(archived_fault(&gone));
    }
    let page = reader.things(&line, &list).map_err(|e| fault_of(&e))?;
    let total = match reader.count_things(&line, &list) {
        Ok(total) => Some(total),
        Err(store::Error::TooMuch) => None,
        Err(error) => return Err(fault_of(&error)),
    };
    let next = match page.items.last().filter(|_| page.is_more) {
        Some(last) if wanted.sort.is_empty() => Some(format!("i{}", last.key.id)),
        Some(_) => Some(format!("o{}", list.offset.saturating_add(page.items.len() as u32))),
        None => None,
    };
    Ok(Listed { items: page.items, total, next })
}

pub(crate) fn versions_on(
    reader: &Reader,
    key: &ThingKey,
    view: &View,
    before: Option<u64>,
    limit: u32,
) -> Result<Page<VersionShown, u64>, Fault> {
    let fault = |e: store::Error| fault_of(&e);
    let limit = limit.clamp(1, store::PAGE_MAX - 1);
    let line = view.line(reader)?;
    // One more: what a version changed is told by the one before it.
    let page = reader.versions(&line, key, before, limit + 1).map_err(fault)?;
    if page.items.is_empty() && before.is_none() {
        return Err(super::conditions::absent(key));
    }
    let mut rows = page.items;
    let extra = if rows.len() > limit as usize { rows.pop() } else { None };
    let next = extra.as_ref().and(rows.last()).map(|row| row.version);
    let contents: Vec<Content> = rows.iter().chain(&extra).map(content_of).collect();
    let mut items = Vec::with_capacity(rows.len());
    for (at, row) in rows.into_iter().enumerate() {
        let action = reader.action(row.action).map_err(fault)?.map(|action| (action.id, action.verb));
        let changes =
            contents.get(at + 1).map_or_else(Vec::new, |before| diff::changes(Some(before), Some(&contents[at])));
        items.push(VersionShown { row, action, changes });
    }
    Ok(Page { items, next })
}

impl VersionShown {
    /// `{version, branch, name, deleted, action, createdAt, changes}`
    pub fn to_value(&self) -> serde_json::Value {
        let action = self
            .action
            .as_ref()
            .map(|(id, verb)| serde_json::json!({ "id": id.to_string(), "verb": verb, "actor": self.row.actor }));
        serde_json::json!({
            "version": self.row.version,
            "branch": self.row.branch.as_ref().map_or("main", |b| b.as_str()),
            "name": self.row.name,
            "deleted": self.row.deleted,
            "action": action,
            "createdAt": self.row.created_at.to_string(),
            "changes": self.changes,
        })
    }
}

pub(crate) fn content_of(row: &ThingRow) -> Content {
    Content { name: row.name.clone(), data: row.data.to_value() }
}

/// Cursors say how they go on: `i` after an id, `o` at an offset.
fn list_of(wanted: &ThingsWanted) -> Result<ThingList, Fault> {
    let refuse = |message: &str| Err(fields_fault(&[FieldError::new("cursor", "format", message)]));
    let (after, offset) = match wanted.cursor.as_deref().map(|cursor| cursor.split_at_checked(1)) {
        None => (None, wanted.offset),
        Some(Some(("i", id))) if wanted.sort.is_empty() => match ThingId::parse(id) {
            Ok(id) => (Some(id), 0),
            Err(_) => return refuse("this is no cursor of this list"),
        },
        Some(Some(("o", offset))) if !wanted.sort.is_empty() => match offset.parse() {
            Ok(offset) => (None, offset),
            Err(_) => return refuse("this is no cursor of this list"),
        },
        Some(_) => return refuse("this is no cursor of this list; a cursor goes with the sort it came from"),
    };
    if offset > OFFSET_MAX {
        let message = format!("a list can be gone through to place {OFFSET_MAX}; without a sort it can be to its end");
        return Err(fields_fault(&[FieldError::new("offset", "max", message)]));
    }
    Ok(ThingList {
        noun: wanted.noun.clone(),
        deleted: if wanted.with_deleted { Deleted::Shown } else { Deleted::Hidden },
        filters: wanted.filters.clone(),
        sort: wanted.sort.clone(),
        after,
        offset,
        limit: wanted.limit,
    })
}
