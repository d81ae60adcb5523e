//! `org.ai things diff`

use super::not_there;
use crate::address::{Address, Which, parse_ref};
use crate::checkouts;
use crate::client::{Client, rows};
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::paint::{Paint, Tint};
use reqwest::Method;
use serde_json::{Value, json};

/// Show what differs between two states of a thing
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai things diff Startup/acme\n  org.ai things diff Startup/acme --from v3 --to v7\n  org.ai things diff Startup/acme --from main --to experiment --json\n\nWith --json it is a JSON patch that makes the one to the other."
)]
pub(crate) struct Command {
    #[command(flatten)]
    which: Which,
    /// From this ref [default: the version before]
    #[arg(long, value_name = "REF")]
    from: Option<String>,
    /// To this ref [default: the newest version]
    #[arg(long, value_name = "REF")]
    to: Option<String>,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let thing = command.which.address()?;
    let to = command.to.as_deref().map(parse_ref).transpose()?.or_else(|| thing.at.clone());
    let from = match command.from.as_deref() {
        Some(from) => parse_ref(from)?,
        None => before(to.as_deref())?,
    };
    let to = to.unwrap_or_else(|| "~0".to_owned());
    let client = checkouts::client(context)?;
    let bare = Address { at: None, ..thing };
    let request = bare.query(&client, Method::GET, &["diff"], &[("from", &from), ("to", &to)])?;
    let answer = client.send(context, request).await.map_err(not_there(&bare))?;
    let ops = rows(answer.body, "diff");
    let old = if context.is_json() { Value::Null } else { state(&client, context, &bare, &from).await };
    let paint = context.paint();
    let head = format!("{bare}  {from} → {to}");
    context.result(&ops, |ops| human(&head, ops, &old, paint))
}

/// The state before a branch's newest, or before the newest at all.
fn before(to: Option<&str>) -> Result<String> {
    match to {
        None => Ok("~1".to_owned()),
        Some(to) => match types::Ref::parse(to).map_err(Failure::usage)? {
            types::Ref::Head | types::Ref::Back(None, 0) => Ok("~1".to_owned()),
            types::Ref::Branch(_) => Ok(format!("{to}~1")),
            types::Ref::Back(branch, back) => Ok(types::Ref::Back(branch, back.saturating_add(1)).to_string()),
            types::Ref::Version(_) | types::Ref::At(_) => {
                Err(Failure::usage(format!("from where to @{to}? Give the other state with --from")))
            }
        },
    }
}

/// Name and data there, for the values that went. Without them (it did not exist yet) the difference is still told.
async fn state(client: &Client, context: &mut Context, thing: &Address, at: &str) -> Value {
    let there = Address { at: Some(at.to_owned()), ..thing.clone() };
    let answer = match there.request(client, Method::GET, &[]) {
        Ok(request) => client.send(context, request).await,
        Err(failure) => Err(failure),
    };
    let body = answer.map(|answer| answer.body).unwrap_or_default();
    json!({"name": body["name"], "data": body["data"]})
}

fn human(head: &str, ops: &Value, old: &Value, paint: Paint) -> String {
    let ops: Vec<&Value> = ops.as_array().into_iter().flatten().collect();
    if ops.is_empty() {
        return "no difference".to_owned();
    }
    let mut text = paint.tint(Tint::Head, head) + "\n";
    for op in ops {
        let pointer = op["path"].as_str().unwrap_or_default();
        let path = field(pointer);
        let line = |sign: char, value: &Value| format!("{sign} {path}: {value}");
        if op["op"] != "add" {
            let gone = old.pointer(pointer).map_or_else(|| format!("- {path}"), |value| line('-', value));
            text.push_str(&(paint.tint(Tint::Gone, &gone) + "\n"));
        }
        if op["op"] != "remove" {
            text.push_str(&(paint.tint(Tint::New, &line('+', &op["value"])) + "\n"));
        }
    }
    text
}

/// `/data/address/city` as it is typed in `--set`.
fn field(pointer: &str) -> String {
    let inner = pointer.strip_prefix("/data/").or_else(|| pointer.strip_prefix('/')).unwrap_or(pointer);
    if inner.is_empty() {
        return "(all)".to_owned();
    }
    let keys = inner.split('/').map(|key| key.replace("~1", "/").replace("~0", "~").replace('.', "\\."));
    keys.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_is_red_and_what_came_is_green() {
        let ops = json!([
            {"op": "replace", "path": "/data/city", "value": "Oslo"},
            {"op": "add", "path": "/data/team/size", "value": 4},
            {"op": "remove", "path": "/data/a~1b.c"},
        ]);
        let old = json!({"data": {"city": "Bergen\u{9b}", "a/b.c": null}});
        assert_eq!(
            human("S/a  v1 → v2", &ops, &old, Paint::Plain),
            "S/a  v1 → v2\n- city: \"Bergen \"\n+ city: \"Oslo\"\n+ team.size: 4\n- a/b\\.c: null\n"
        );
        let coloured = human("S/a", &ops, &Value::Null, Paint::Ansi);
        assert!(
            coloured
                .starts_with("\u{1b}[1mS/a\u{1b}[0m\n\u{1b}[31m- city\u{1b}[0m\n\u{1b}[32m+ city: \"Oslo\"\u{1b}[0m\n"),
            "{coloured:?}"
        );
        assert_eq!(human("S/a", &json!([]), &old, Paint::Ansi), "no difference");
    }

    #[test]
    fn without_a_beginning_it_is_the_version_before() {
        for (to, from) in
            [(None, "~1"), (Some("experiment"), "experiment~1"), (Some("~2"), "~3"), (Some("main~0"), "main~1")]
        {
            assert_eq!(before(to).unwrap(), from, "{to:?}");
        }
        assert!(before(Some("v3")).is_err());
    }
}
