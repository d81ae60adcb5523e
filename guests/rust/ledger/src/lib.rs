//! ledger: books an amount in steps of every kind: it counts on an account, has another function count on a second one,
//! tries a third, waits, says that it booked. Input: `{"id": "b1", "account": "a", "wait_ms": 20}`. Run as `do` it books
//! exactly once whatever dies; the guest of the test that kills the server.

use org_ai::{Fault, actions, events, things, timers};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Deserialize)]
struct Input {
    /// Of this booking, unique.
    id: String,
    account: String,
    #[serde(default)]
    wait_ms: u64,
}

#[derive(Deserialize, Serialize)]
struct Account {
    count: i64,
}

#[derive(Serialize)]
struct Booked {
    id: String,
    local: i64,
    inner: Value,
    tried: Value,
}

fn book(input: Input) -> Result<Booked, Fault> {
    let Input { id, account, wait_ms } = input;
    let at = things::at("Account", &account);
    let local = things::find::<Account>(&at)?.map_or(0, |thing| thing.data.count) + 1;
    things::put::<Account>(&at, &Account { count: local }, None)?;
    let inner = actions::do_("counter", &json!({ "id": format!("inner-{account}") }))?;
    if wait_ms > 0 {
        timers::sleep(Duration::from_millis(wait_ms))?;
    }
    let tried = actions::try_("journal", &json!({ "text": id }))?;
    events::emit("Ledger.booked", &json!({ "id": id }), Some(&format!("Ledger/{id}")))?;
    Ok(Booked { id, local, inner, tried })
}

org_ai::export_code!(book);
