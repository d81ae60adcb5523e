//! Values that no two things of a noun may share (spec NOU-5).

use super::append::{Next, Scene};
use super::nouns::NounEntry;
use crate::object::fault_of;
use model::noun::{NounDef, Schema};
use serde_json::Value;
use std::collections::HashMap;
use store::{Deleted, ThingList, Turn};
use types::{BranchName, Fault, Noun, Row, ThingId, ThingKey, ThingRow, UniqueRow};

/// Things that are looked at when a field becomes unique.
const INDEXED_MAX: usize = 100_000;

/// A value as it is compared: its JSON text; none when it is not there.
fn value_at(data: &Value, field: &str) -> Option<String> {
    data.get(field).filter(|value| !value.is_null()).map(Value::to_string)
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
        data: &Value,
        noun: Option<&NounEntry>,
    ) -> Result<(), Fault> {
        for field in fields(noun) {
            let Some(value) = value_at(data, field) else { continue };
            if let Some(holder) = self.holder(turn, key, field, &value)? {
                return Err(taken(&key.noun, field, &value, &holder));
            }
        }
        Ok(())
    }

    /// Who else holds a value as this branch sees it: there, or on main where the branch has not changed it.
    fn holder(&self, turn: &Turn<'_>, key: &ThingKey, field: &str, value: &str) -> Result<Option<ThingId>, Fault> {
        let places = [self.branch.as_ref(), None];
        for place in &places[usize::from(self.branch.is_none())..] {
            let held_by = turn.unique(*place, &key.noun, field, value).map_err(|e| fault_of(&e))?;
            let Some(id) = held_by.filter(|id| *id != key.id) else { continue };
            let row =
                turn.newest(&self.line, &ThingKey::new(key.noun.clone(), id.clone())).map_err(|e| fault_of(&e))?;
            let holds =
                |row: &ThingRow| !row.deleted && value_at(&row.data.to_value(), field).as_deref() == Some(value);
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
        let mut seen: HashMap<(String, String), ThingId> = HashMap::new();
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
                let data = row.data.to_value();
                for field in schema.unique_fields() {
                    let Some(value) = value_at(&data, field) else { continue };
                    if let Some(other) = seen.insert((field.clone(), value.clone()), row.key.id.clone()) {
                        return Err(taken(noun, field, &value, &other));
                    }
                }
            }
            if !page.is_more {
                break;
            }
        }
        for ((field, value), id) in seen {
            let (branch, noun, id) = (self.branch.clone(), noun.clone(), Some(id));
            turn.write(Row::Unique(UniqueRow { branch, noun, field, value, id })).map_err(|e| fault_of(&e))?;
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
    let old = before.map(|row| row.data.to_value());
    for field in fields(next.noun) {
        let held = old.as_ref().and_then(|data| value_at(data, field));
        let wanted = if next.deleted { None } else { value_at(&next.content.data, field) };
        if held == wanted {
            continue;
        }
        for (value, id) in [(held, None), (wanted, Some(next.key.id.clone()))] {
            let Some(value) = value else { continue };
            let (branch, noun, field) = (branch.cloned(), next.key.noun.clone(), field.clone());
            turn.write(Row::Unique(UniqueRow { branch, noun, field, value, id })).map_err(|e| fault_of(&e))?;
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
