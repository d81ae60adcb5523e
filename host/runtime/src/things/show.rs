//! What is told of a version: the representation of spec THG-6.

use std::fmt::Write as _;
use types::{Json, Namespace, ThingRow};

/// One version as it is shown.
#[derive(Clone, PartialEq, Debug)]
pub struct Shown {
    pub row: ThingRow,
    /// It points to an object of its own (spec ID-6).
    pub is_object: bool,
}

impl Shown {
    pub(crate) fn of(row: ThingRow) -> Self {
        Self { row, is_object: false }
    }

    /// `{ns}/Noun/id`.
    pub fn url(&self, namespace: &Namespace) -> String {
        format!("{namespace}/{}", self.row.key)
    }

    /// The same as a value that can stand inside another.
    pub fn to_json(&self, namespace: &Namespace) -> Json {
        Json::parse(self.to_text(namespace)).unwrap_or_else(|error| {
            let (thing, version) = (&self.row.key, self.row.version);
            tracing::error!(%thing, version, %error, "a version cannot be shown");
            Json::null()
        })
    }

    /// `{"$id","$type","id","type","name","data",…}`: JSON, in which the data stand as they are stored.
    pub fn to_text(&self, namespace: &Namespace) -> String {
        let row = &self.row;
        let noun = row.key.noun.as_str();
        let mut out = String::with_capacity(row.data.as_str().len() + 480);
        out.push_str("{\"$id\":");
        text(&mut out, &self.url(namespace));
        // Infallible: a String takes everything.
        let _ = write!(out, ",\"$type\":\"{namespace}/{noun}\",\"id\":");
        text(&mut out, row.key.id.as_str());
        let _ = write!(out, ",\"type\":\"{noun}\",\"name\":");
        match &row.name {
            Some(name) => text(&mut out, name),
            None => out.push_str("null"),
        }
        let branch = row.branch.as_ref().map_or("main", |b| b.as_str());
        let _ = write!(out, ",\"data\":{},\"version\":{},\"branch\":\"{branch}\"", row.data, row.version);
        if row.deleted {
            out.push_str(",\"deleted\":true");
        }
        let born = row.born();
        let _ = write!(out, ",\"createdAt\":\"{}\",\"updatedAt\":\"{}\",\"createdBy\":", born.at, row.created_at);
        text(&mut out, &born.by);
        out.push_str(",\"updatedBy\":");
        text(&mut out, &row.actor);
        if self.is_object {
            out.push_str(",\"isDO\":true");
        }
        out.push('}');
        out
    }
}

fn text(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).expect("a string is JSON"));
}
