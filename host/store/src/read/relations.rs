//! Edges: which relationships begin or end somewhere.

use super::{Page, Reader, column, limited};
use crate::Error;
use rusqlite::Row;
use types::{Noun, ThingId, ThingKey};

/// Which end of an edge is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// Edges that begin there.
    Source,
    /// Edges that end there.
    Target,
}

/// One edge that is or was. Whether it is there is what the newest version of its thing says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edge {
    /// The thing of noun Relationship that it is.
    pub key: ThingKey,
    /// The predicate form: `owns`.
    pub verb: String,
    /// `Noun/id`, or a URL.
    pub source: String,
    pub target: String,
}

impl Reader {
    /// Edges at one end, by verb; go on after the last one's `(verb, id)`.
    pub fn edges(
        &self,
        side: Side,
        end: &str,
        verb: Option<&str>,
        after: Option<(&str, &ThingId)>,
        limit: u32,
    ) -> Result<Page<Edge, (String, ThingId)>, Error> {
        let limit = limited(limit);
        let column = match side {
            Side::Source => "source",
            Side::Target => "target",
        };
        let sql = format!(
            "SELECT id, verb, source, target FROM edges WHERE {column} = ?1 AND (?2 IS NULL OR verb = ?2)
               AND (verb, id) > (?3, ?4) ORDER BY verb, id LIMIT ?5"
        );
        let (after_verb, after_id) = after.map_or(("", ""), |(verb, id)| (verb, id.as_str()));
        let found = self.list(&sql, &[&end, &verb, &after_verb, &after_id, &(limit + 1)], read)?;
        Ok(super::page(found, limit, |edge| (edge.verb.clone(), edge.key.id.clone())))
    }
}

fn read(row: &Row<'_>) -> Result<Edge, Error> {
    let id = column::parsed(row, 0, "id", |text: String| ThingId::parse(&text).ok())?;
    let noun = Noun::parse("Relationship").expect("it is PascalCase");
    Ok(Edge { key: ThingKey::new(noun, id), verb: row.get(1)?, source: row.get(2)?, target: row.get(3)? })
}
