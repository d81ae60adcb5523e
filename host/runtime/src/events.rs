//! What happened in an object, as it is told: each event with the thing it happened to.
//!
//! A version stands in its own row and never changes, so an event keeps its number, and the thing is looked up when the
//! event is read; what its noun's schema calls secret is left out then (spec EVT-3).

use crate::Caller;
use crate::object::{Object, fault_of};
use crate::things::line_of;
use std::collections::HashMap;
use store::{EventFilter, Line, Page, Reader, Store};
use types::{EventOrigin, EventRow, Fault, Json, ThingKey, ThingRow};

/// A thing larger than this is not told with its event.
pub(crate) const THING_BYTES_MAX: usize = 64 << 10;

/// An event with what was looked up for it.
#[derive(Clone, PartialEq, Debug)]
pub struct EventShown {
    pub row: EventRow,
    /// The representation of the version that the event is about; None when it is about none, when the version was
    /// archived, or when the reader may not read the noun.
    pub thing: Option<Json>,
    /// The thing is too large to be told.
    pub truncated: bool,
    /// Where it happened, if it was taken in from another object. Its thing stands in its data then, unless the reader may
    /// not read the noun.
    pub origin: Option<EventOrigin>,
}

/// A part of the events.
#[derive(Clone, PartialEq, Debug)]
pub struct EventsShown {
    pub items: Vec<EventShown>,
    /// Where to go on; None: these were the last.
    pub next: Option<u64>,
    /// Every event through this sequence was looked at.
    pub through: u64,
}

impl Object {
    /// Events after a sequence number, oldest first; all of them are durable.
    pub async fn events(&self, caller: &Caller, filter: &EventFilter) -> Result<Page<EventRow, u64>, Fault> {
        caller.may("events", "read")?;
        let filter = self.local(filter).await?;
        self.flush().await?;
        self.look(|store| store.events(&filter).map_err(|e| fault_of(&e))).await
    }

    /// The same, each with its thing.
    pub async fn events_shown(&self, caller: &Caller, filter: &EventFilter) -> Result<EventsShown, Fault> {
        self.flush().await?;
        self.events_written(caller, filter).await
    }

    /// The same of what was written already, for who is told when more is: a reader who follows must not hurry writes
    /// that would have gathered.
    pub async fn events_written(&self, caller: &Caller, filter: &EventFilter) -> Result<EventsShown, Fault> {
        caller.may("events", "read")?;
        let filter = self.local(filter).await?;
        let (found, origins, next, through) = self
            .look(|store| {
                let page = store.events(&filter).map_err(|e| fault_of(&e))?;
                let ends = page.items.first().zip(page.items.last()).map(|(a, z)| (a.sequence, z.sequence));
                let origins = ends.map_or(Ok(Vec::new()), |(first, last)| store.event_origins(first, last));
                let origins = origins.map_err(|e| fault_of(&e))?;
                let through = page.next.unwrap_or(store.next_sequence() - 1);
                let found = page.items.into_iter().map(|row| Ok((self.version_of(store, caller, &row)?, row)));
                Ok((found.collect::<Result<Vec<_>, Fault>>()?, origins, page.next, through))
            })
            .await?;
        let mut origins: HashMap<u64, EventOrigin> = origins.into_iter().map(|o| (o.sequence, o)).collect();
        let mut items = Vec::with_capacity(found.len());
        for (version, mut row) in found {
            let origin = origins.remove(&row.sequence);
            if origin.is_some() && caller.may(crate::bus::noun_of(&row.source), "read").is_err() {
                row.data = without_thing(&row.data);
            }
            let thing = match version {
                Some(version) => Some(self.shown(version).await?.to_json(self.namespace())),
                None => None,
            };
            let truncated = thing.as_ref().is_some_and(|thing| thing.as_str().len() > THING_BYTES_MAX);
            items.push(EventShown { row, thing: thing.filter(|_| !truncated), truncated, origin });
        }
        Ok(EventsShown { items, next, through })
    }

    /// Changes whenever something happened in this object: the moment to ask [`Object::events_written`] again.
    pub fn follow_events(&self, caller: &Caller) -> Result<tokio::sync::watch::Receiver<u64>, Fault> {
        caller.may("events", "read")?;
        Ok(self.inner.follow_events())
    }

    /// With the forms that are stored: a verb in any form, a source as `Noun/id` or as its whole URL.
    async fn local(&self, filter: &EventFilter) -> Result<EventFilter, Fault> {
        let verb = match &filter.verb {
            Some(verb) => Some(self.event_form(verb).await?),
            None => None,
        };
        let own = self.namespace().as_str();
        let source = filter.source.as_ref().map(|source| {
            let local = source.strip_prefix(own).and_then(|rest| rest.strip_prefix('/'));
            local.unwrap_or(source).to_owned()
        });
        Ok(EventFilter { verb, source, ..filter.clone() })
    }

    /// The version that an event is about, without what its noun calls secret.
    pub(crate) fn version_of(
        &self,
        store: &Store,
        caller: &Caller,
        event: &EventRow,
    ) -> Result<Option<ThingRow>, Fault> {
        let version = event.data.to_value().get("version").and_then(serde_json::Value::as_u64);
        let (Some(version), Ok(key)) = (version, ThingKey::parse(&event.source)) else { return Ok(None) };
        // A deployed component is shown by its own routes.
        if key.noun.as_str() == crate::functions::NOUN || caller.may(key.noun.as_str(), "read").is_err() {
            return Ok(None);
        }
        let row = store.version(version).map_err(|e| fault_of(&e))?.filter(|row| row.key == key);
        let Some(mut row) = row else { return Ok(None) };
        // The number is one of another object, where it names another thing.
        if store.event_origin(event.sequence).map_err(|e| fault_of(&e))?.is_some() {
            return Ok(None);
        }
        let secret = self.secret_fields(store, &row)?;
        if !secret.is_empty() {
            row.data = Json::from_value(&model::flat::without_secrets(&row.data.to_value(), &secret));
        }
        Ok(Some(row))
    }

    /// What main or the version's own branch calls secret now.
    fn secret_fields(&self, reader: &Reader, row: &ThingRow) -> Result<Vec<String>, Fault> {
        let mut lines = vec![Line::main()];
        if row.branch.is_some() {
            // The branch may be gone.
            lines.extend(line_of(reader, row.branch.as_ref()).ok());
        }
        let mut secret = Vec::new();
        for line in lines {
            let entry = self.inner.nouns.entry(reader, &line, &row.key.noun)?;
            secret
                .extend(entry.iter().filter_map(|noun| noun.schema.as_ref()).flat_map(|s| s.secret_fields().to_vec()));
        }
        Ok(secret)
    }
}

fn without_thing(data: &Json) -> Json {
    let mut value = data.to_value();
    if let Some(members) = value.as_object_mut() {
        members.remove("thing");
    }
    Json::from_value(&value)
}
