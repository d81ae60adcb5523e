//! `org.ai merge`

use super::branches::any_branch;
use crate::address::Address;
use crate::checkouts;
use crate::context::{Context, cell, table};
use crate::failure::{Failure, Result};
use crate::fields;
use crate::paint::brief;
use serde_json::{Map, Value, json};

/// Of a value in the table of conflicts.
const VALUE_CHARS_MAX: usize = 40;

/// Merge a branch into another, field by field: everything or, when something conflicts, nothing
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai merge experiment --dry-run\n  org.ai merge experiment --message 'New prices' --delete-branch\n  org.ai merge experiment --resolve Startup/acme=theirs --resolve Startup/beta=@beta.json\n\nOurs is the branch merged into, theirs the source. A file holds the value for each path in conflict: {\"address.city\": \"Oslo\"}.\nWith conflicts that nothing decides the exit code is 1 and nothing was written."
)]
pub(crate) struct Command {
    /// The branch whose changes are taken
    #[arg(value_parser = any_branch)]
    source: String,
    /// The branch that takes them [default: what is checked out, else main]
    #[arg(long, value_name = "BRANCH", value_parser = any_branch)]
    into: Option<String>,
    /// Who wins every conflict
    #[arg(long, value_parser = ["ours", "theirs"])]
    strategy: Option<String>,
    /// How the conflicts of one thing are decided; goes before --strategy
    #[arg(long = "resolve", value_name = "TYPE/ID=ours|theirs|delete|FILE")]
    resolutions: Vec<String>,
    /// Look what would happen, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// End the source once it is merged
    #[arg(long)]
    delete_branch: bool,
    /// Why, for the log
    #[arg(long, short)]
    message: Option<String>,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let body = body(&command, context)?;
    let client = checkouts::client(context)?;
    let merged = match client.post(context, client.url(&["merge"]), &body).await {
        Ok(merged) => merged,
        Err(failure) => return Err(told(failure, context)),
    };
    if command.delete_branch && !command.dry_run {
        checkouts::leave(&client, &command.source, context)?;
    }
    let into = command.into.unwrap_or_else(|| "the branch in effect".to_owned());
    context.result(&merged, |merged| human(merged, &command.source, &into, command.dry_run))
}

fn body(command: &Command, context: &mut Context) -> Result<Value> {
    let mut body = json!({"source": command.source});
    for (key, value) in [("into", &command.into), ("strategy", &command.strategy), ("message", &command.message)] {
        if let Some(value) = value {
            body[key] = value.as_str().into();
        }
    }
    for (key, is_set) in [("dryRun", command.dry_run), ("deleteBranch", command.delete_branch)] {
        if is_set {
            body[key] = true.into();
        }
    }
    let mut resolutions = Map::new();
    for text in &command.resolutions {
        let (thing, resolution) = resolution(text, context)?;
        if resolutions.insert(thing.clone(), resolution).is_some() {
            return Err(Failure::usage(format!("--resolve names {thing} twice")));
        }
    }
    if !resolutions.is_empty() {
        body["resolutions"] = resolutions.into();
    }
    Ok(body)
}

/// `Startup/acme=theirs`, or a file (with or without @) or object with a value for each path.
fn resolution(text: &str, context: &mut Context) -> Result<(String, Value)> {
    let (thing, decision) = text.split_once('=').ok_or_else(|| {
        Failure::usage(format!("--resolve {text:?} decides nothing: write Type/id=ours, theirs, delete or a file"))
    })?;
    let address = Address::parse(thing)?;
    if address.at.is_some() {
        return Err(Failure::usage(format!("--resolve {thing}: a thing is named without a ref here")));
    }
    let resolution = match decision {
        "ours" | "theirs" | "delete" => decision.into(),
        inline if inline.starts_with(['{', '@']) => fields::document(inline, "--resolve", context)?,
        file => fields::document(&format!("@{file}"), "--resolve", context)?,
    };
    if !resolution.is_string() && !resolution.is_object() {
        let message = format!("--resolve {thing}: write an object with a value for each path in conflict");
        return Err(Failure::new("BAD_JSON", message));
    }
    Ok((address.to_string(), resolution))
}

/// Conflicts as a table for a person; a program has them in the error's details.
fn told(mut failure: Failure, context: &mut Context) -> Failure {
    let conflicts = failure.details.as_ref().and_then(|details| details["conflicts"].as_array()).cloned();
    let Some(conflicts) = conflicts.filter(|conflicts| !conflicts.is_empty()) else {
        return failure;
    };
    if failure.hint.is_none() {
        failure.hint = Failure::new("MERGE_CONFLICT", "").hint;
    }
    if !context.is_json() {
        context.complain(conflict_table(&conflicts).trim_end());
        failure.details = None;
    }
    failure
}

fn conflict_table(conflicts: &[Value]) -> String {
    let row = |conflict: &Value| {
        let kind = conflict["kind"].as_str().unwrap_or("field");
        let path = match conflict["path"].as_str() {
            Some(path) if !path.is_empty() => path.to_owned(),
            Some(_) | None => "(all)".to_owned(),
        };
        let what = if kind == "field" { path } else { format!("{path} ({kind})") };
        let value = |key: &str| brief(conflict.get(key).filter(|value| !value.is_null()), VALUE_CHARS_MAX);
        let thing = format!("{}/{}", cell(conflict, "type"), cell(conflict, "id"));
        vec![thing, what, value("base"), value("ours"), value("theirs")]
    };
    table(&["thing", "path", "base", "ours", "theirs"], conflicts.iter().map(row), "")
}

fn human(merged: &Value, source: &str, into: &str, is_dry: bool) -> String {
    let versions: Vec<u64> = merged["versions"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
    let changes = merged["changes"].as_u64().unwrap_or(versions.len() as u64);
    let count = if changes == 1 { "1 thing changes".to_owned() } else { format!("{changes} things change") };
    let forward = if merged["fastForward"] == true { ", fast-forward" } else { "" };
    match (is_dry, changes, versions.as_slice()) {
        (_, 0, []) => format!("Nothing to merge: {into} has all of {source}"),
        (true, ..) => format!("Would merge {source} into {into}: {count}{forward}, no conflicts"),
        (false, _, []) => format!("Merged {source} into {into}: {count}{forward}"),
        (false, _, [only]) => format!("Merged {source} into {into}: {count}{forward} (v{only})"),
        (false, _, [first, .., last]) => format!("Merged {source} into {into}: {count}{forward} (v{first} to v{last})"),
    }
}
