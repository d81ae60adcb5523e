//! `org.ai functions upgrade`

use super::{function_name, not_deployed};
use crate::client::Client;
use crate::context::{Context, cell, table};
use crate::failure::Result;
use reqwest::Method;
use serde_json::{Value, json};
use types::{At, FunctionName};

/// Take unfinished runs over to another version: each is replayed first, and moves only if its record fits
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai functions upgrade checkout --dry-run\n  org.ai functions upgrade checkout --to v3"
)]
pub(crate) struct Command {
    /// The function
    #[arg(value_parser = function_name)]
    name: FunctionName,
    /// Only tell what would move
    #[arg(long)]
    dry_run: bool,
    /// Which version: v3, or ~1 for the one before the newest [default: the newest]
    #[arg(long, value_parser = at)]
    to: Option<String>,
}

/// Invocations that are replayed for one request.
const BATCH: &str = "200";

fn at(text: &str) -> std::result::Result<String, String> {
    let text = text.strip_prefix('@').unwrap_or(text);
    At::parse(text).map(|_| text.to_owned()).map_err(|error| error.to_string())
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let client = Client::open(context)?;
    let mut all: Option<Value> = None;
    loop {
        let mut url = client.url(&["functions", command.name.as_str(), "upgrade"]);
        url.query_pairs_mut().append_pair("limit", BATCH);
        // What `~1` or the newest is may change meanwhile: the first answer says which version is meant.
        let to = all.as_ref().map(|all| format!("v{}", cell(all, "to"))).or(command.to.clone());
        if let Some(to) = to {
            url.query_pairs_mut().append_pair("to", &to);
        }
        if command.dry_run {
            url.query_pairs_mut().append_pair("dryRun", "true");
        }
        if let Some(next) = all.as_ref().and_then(|all| all["next"].as_str()) {
            url.query_pairs_mut().append_pair("cursor", next);
        }
        let request = client.request(Method::POST, url)?;
        let told = client.send(context, request).await.map_err(not_deployed)?.body;
        let is_last = told["next"].is_null();
        all = Some(match all {
            None => told,
            Some(all) => joined(all, told),
        });
        if is_last {
            break;
        }
    }
    let mut all = all.unwrap_or_else(|| json!({}));
    if let Some(all) = all.as_object_mut() {
        all.remove("next");
    }
    context.result(&all, picture)
}

fn joined(mut all: Value, mut more: Value) -> Value {
    for key in ["moves", "diverges", "busy"] {
        let found = more[key].take();
        if let (Some(all), Value::Array(found)) = (all[key].as_array_mut(), found) {
            all.extend(found);
        }
    }
    all["next"] = more["next"].take();
    all
}

/// One row an invocation, and what it comes to.
fn picture(all: &Value) -> String {
    let list = |key: &str| all[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let to = format!("v{}", cell(all, "to"));
    let (moves, diverges, busy) = (list("moves"), list("diverges"), list("busy"));
    let word = if all["dryRun"] == true { "would move" } else { "moved" };
    let moved = moves.iter().map(|m| vec![cell(m, "id"), format!("v{} → {to}", cell(m, "from")), word.to_owned()]);
    let stays = diverges.iter().map(|d| {
        let why =
            format!("diverges at step {}: was {}, now {}", cell(d, "ordinal"), cell(d, "recorded"), cell(d, "asked"));
        vec![cell(d, "id"), format!("stays v{}", cell(d, "from")), why]
    });
    let runs = busy.iter().map(|id| {
        vec![id.as_str().unwrap_or_default().to_owned(), "stays".to_owned(), "runs just now: ask again".to_owned()]
    });
    let rows = table(&["invocation", "version", "what"], moved.chain(stays).chain(runs), "");
    let sum = format!(
        "{} of {} unfinished {word} to {to}, {} diverge, {} busy",
        moves.len(),
        cell(all, "unfinished"),
        diverges.len(),
        busy.len()
    );
    if rows.is_empty() { sum } else { format!("{rows}\n{sum}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_and_what_stays_is_a_table() {
        let all = json!({ "name": "pay", "to": 9, "dryRun": true, "unfinished": 3,
            "moves": [{ "id": "a", "from": 4 }], "busy": ["c"],
            "diverges": [{ "id": "b", "from": 4, "ordinal": 2, "recorded": "things.get A/1", "asked": "things.get A/2" }] });
        let text = picture(&all);
        assert_eq!(
            text,
            "INVOCATION  VERSION   WHAT\n\
             a           v4 → v9   would move\n\
             b           stays v4  diverges at step 2: was things.get A/1, now things.get A/2\n\
             c           stays     runs just now: ask again\n\
             \n1 of 3 unfinished would move to v9, 1 diverge, 1 busy"
        );
        let none = json!({ "to": 9, "dryRun": false, "unfinished": 0, "moves": [], "busy": [], "diverges": [] });
        assert_eq!(picture(&none), "0 of 0 unfinished moved to v9, 0 diverge, 0 busy");
    }
}
