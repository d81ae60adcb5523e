//! Values that no two things of a noun may share (spec NOU-5).

use super::append::{Next, Scene};
use super::nouns::NounEntry;
use super::read::content_of;
use crate::object::fault_of;
use model::Content;
use model::noun::{NounDef, Schema};
use serde_json::Value;
use std::collections::HashMap;
use store::{Deleted, ThingList, Turn};
use types::{BranchName, Fault, Noun, Row, ThingId, ThingKey, ThingRow, UniqueRow};

/// Things that are looked at when a field becomes unique.
const INDEXED_MAX: usize = 100_000;

/// A value as it is compared: its JSON text; none when it is not there. The name is a column, not in the data.
pub(super) fn value_at(content: &Content, field: &str) -> Option<String> {
    match (field, &content.name) {
        ("name", Some(name)) => Some(Value::from(name.as_str()).to_string()),
        _ => content.data.get(field).filter(|value| !value.is_null()).map(Value::to_string),
    }
}

fn fields(noun: Option<&NounEntry>) -> &[String] {
    noun.and_then(|noun| noun.schema.as_ref()).map_or(&[], Schema::unique_fields)
}

impl Scene {
    pub(super) fn hold_uniques(&self, turn: &mut Turn<'_>, next: &Next<'_>) -> Result<(), Fault> {
        hold_uniques(self.branch.as_ref(), turn, next)
    }

    /// # Errors
    /// `conflict` with code `UNIQUE`: another live thing has one of the values.
    pub(super) fn refuse_taken(
        &self,
        turn: &Turn<'_>,
        key: &ThingKey,
        content: &Content,
        noun: Option<&NounEntry>,
    ) -> Result<(), Fault> {
        for field in fields(noun) {
            let Some(value) = value_at(content, field) else { continue };
            if let Some(holder) = self.holder(turn, key, field, &value)? {
                return Err(taken(&key.noun, field, &value, &holder));
            }
        }
        Ok(())
    }

    /// Who else holds a value as this branch sees it.
    pub(super) fn holder(
        &self,
        turn: &Turn<'_>,
        key: &ThingKey,
        field: &str,
        value: &str,
    ) -> Result<Option<ThingId>, Fault> {
        let holders = turn.holders(&self.line, &key.noun, field, value).map_err(|e| fault_of(&e))?;
        for id in holders.into_iter().filter(|id| *id != key.id) {
            let row =
                turn.newest(&self.line, &ThingKey::new(key.noun.clone(), id.clone())).map_err(|e| fault_of(&e))?;
            let holds = |row: &ThingRow| !row.deleted && value_at(&content_of(row), field).as_deref() == Some(value);
            if row.as_ref().is_some_and(holds) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// A field that becomes unique is looked up in what is there.
    ///
    /// # Errors
    /// `conflict` when two things share a value already; `limit` when there are too many to look at.
    pub(super) fn index_uniques(&self, turn: &mut Turn<'_>, noun: &Noun, def: &NounDef) -> Result<(), Fault> {
        let Some(Ok(schema)) = def.schema.as_ref().map(Schema::compile) else { return Ok(()) };
        if schema.unique_fields().is_empty() {
            return Ok(());
        }
        let (filters, sort) = (Vec::new(), Vec::new());
        let limit = store::PAGE_MAX;
        let mut list =
            ThingList { noun: noun.clone(), deleted: Deleted::Hidden, filters, sort, after: None, offset: 0, limit };
        let mut seen: HashMap<(String, String), (ThingId, u64)> = HashMap::new();
        let mut looked_at = 0;
        loop {
            let page = turn.things(&self.line, &list).map_err(|e| fault_of(&e))?;
            looked_at += page.items.len();
            if looked_at > INDEXED_MAX {
                let message =
                    format!("{noun} has more than {INDEXED_MAX} things; a field of it cannot become unique any more");
                return Err(Fault::limit("NOUN_TOO_LARGE", message));
            }
            list.after = page.items.last().map(|row| row.key.id.clone());
            for row in page.items {
                let content = content_of(&row);
                for field in schema.unique_fields() {
                    let Some(value) = value_at(&content, field) else { continue };
                    let holder = (row.key.id.clone(), row.version);
                    if let Some((other, _)) = seen.insert((field.clone(), value.clone()), holder) {
                        return Err(taken(noun, field, &value, &other));
                    }
                }
            }
            if !page.is_more {
                break;
            }
        }
        for ((field, value), (id, version)) in seen {
            let row =
                UniqueRow { branch: self.branch.clone(), noun: noun.clone(), field, value, id, version, held: true };
            turn.write(Row::Unique(row)).map_err(|e| fault_of(&e))?;
        }
        Ok(())
    }
}

/// Gives back the values the thing held, takes those it holds now.
pub(super) fn hold_uniques(branch: Option<&BranchName>, turn: &mut Turn<'_>, next: &Next<'_>) -> Result<(), Fault> {
    if fields(next.noun).is_empty() {
        return Ok(());
    }
    // What it held where the branch began stays held there; on the branch it is looked at when somebody wants it.
    let before = next.before.filter(|row| !row.deleted && row.branch.as_ref() == branch);
    let old = before.map(content_of);
    let version = turn.next_version();
    for field in fields(next.noun) {
        let had = old.as_ref().and_then(|content| value_at(content, field));
        let wanted = if next.deleted { None } else { value_at(&next.content, field) };
        if had == wanted {
            continue;
        }
        for (value, held) in [(had, false), (wanted, true)] {
            let Some(value) = value else { continue };
            let (branch, noun, field) = (branch.cloned(), next.key.noun.clone(), field.clone());
            let row = UniqueRow { branch, noun, field, value, id: next.key.id.clone(), version, held };
            turn.write(Row::Unique(row)).map_err(|e| fault_of(&e))?;
        }
    }
    Ok(())
}

fn taken(noun: &Noun, field: &str, value: &str, holder: &ThingId) -> Fault {
    let shown = &value[..value.floor_char_boundary(80)];
    let message = format!("{field}: {shown} is taken by {noun}/{holder}; it is unique among things of noun {noun}");
    let details = serde_json::json!([{ "field": field, "rule": "unique", "message": message }]);
    Fault::conflict("UNIQUE", message).with_details(&details)
}
