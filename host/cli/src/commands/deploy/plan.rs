//! What a deployment changes, for a person.

use super::Prepared;
use crate::context::{cell, table};
use crate::paint::brief;
use serde_json::{Value, json};

/// A value in a table, in characters.
const VALUE_CHARS_MAX: usize = 60;

/// Adds what this side knows to the server's plan: the components, and what the file warns of.
pub(super) fn add(plan: &mut Value, prepared: &[Prepared], warnings: Vec<String>) {
    if !plan.is_object() {
        *plan = json!({});
    }
    plan["functions"] = prepared.iter().map(|prepared| prepared.answer.clone()).collect();
    let servers = plan["warnings"].as_array().cloned().unwrap_or_default();
    plan["warnings"] = warnings.into_iter().map(Value::from).chain(servers).collect();
}

fn changes(plan: &Value) -> impl Iterator<Item = &Value> {
    plan["changes"].as_array().into_iter().flatten()
}

fn count(plan: &Value, change: &str) -> usize {
    changes(plan).filter(|c| c["change"] == change).count()
}

/// How many parts would go.
pub(super) fn removed(plan: &Value) -> usize {
    count(plan, "remove")
}

pub(super) fn counts(plan: &Value) -> String {
    let said = ["add", "change", "remove", "keep"].map(|change| count(plan, change));
    format!("{} added, {} changed, {} removed, {} unchanged", said[0], said[1], said[2], said[3])
}

/// A table of what is not kept, and what is counted below it. `what` is what happens to it.
pub(super) fn human(plan: &Value, what: &str) -> String {
    let rows = changes(plan).filter(|change| change["change"] != "keep").map(|change| {
        let side = |key: &str| change.get(key).filter(|side| !side.is_null());
        let detail = match (side("from"), side("to")) {
            (None, None) => String::new(),
            (from, to) => format!("{} → {}", brief(from, VALUE_CHARS_MAX), brief(to, VALUE_CHARS_MAX)),
        };
        vec![cell(change, "change"), cell(change, "kind"), cell(change, "name"), detail]
    });
    let table = table(&["change", "kind", "name", "detail"], rows, "nothing changes\n");
    // Those of the file were told when it was read.
    format!("{table}{what}: {}", counts(plan))
}

/// What was done: the server's answer, or where it leaves them out the changes that it planned.
pub(super) fn applied(answer: Value, plan: Value) -> Value {
    let Value::Object(mut document) = answer else { return plan };
    for member in ["changes", "functions"] {
        document.entry(member).or_insert_with(|| plan[member].clone());
    }
    document.insert("warnings".to_owned(), plan["warnings"].clone());
    Value::Object(document)
}
