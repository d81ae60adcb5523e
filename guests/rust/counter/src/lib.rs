//! counter: adds to a counter that is a thing, by reading it and writing it back. Input: `{"id": "visits", "by": 1}`.
//! No two calls count the same, however many there are at once: a turn is a transaction.

use org_ai::{Fault, events, things};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize)]
struct Input {
    id: String,
    #[serde(default = "one")]
    by: i64,
    /// Fails after writing: what was written is taken back.
    #[serde(default)]
    fail: bool,
}

fn one() -> i64 {
    1
}

#[derive(Deserialize, Serialize)]
struct Counter {
    count: i64,
}

#[derive(Serialize)]
struct Counted {
    count: i64,
    version: u64,
}

fn count(input: Input) -> Result<Counted, Fault> {
    let at = things::at("Counter", &input.id);
    let count = things::find::<Counter>(&at)?.map_or(0, |thing| thing.data.count) + input.by;
    let thing = things::put::<Counter>(&at, &Counter { count }, None)?;
    if count % 100 == 0 {
        events::emit("Counter.hundred", &json!({ "count": count }), Some(&format!("Counter/{}", input.id)))?;
    }
    if input.fail {
        return Err(Fault::failed("ASKED_TO_FAIL", "the input says fail"));
    }
    Ok(Counted { count: thing.data.count, version: thing.version })
}

org_ai::export_code!(count);
