//! sleeper: sleeps, for `{"ms": 1000}` or until `{"untilMs": 1767225600000}`, with nothing but the standard library. As a
//! `do` it holds no memory meanwhile.

use org_ai::{Fault, timers};
use serde::{Deserialize, Serialize};
use std::time::{Duration, UNIX_EPOCH};

#[derive(Deserialize)]
struct Input {
    ms: Option<u64>,
    #[serde(rename = "untilMs")]
    until_ms: Option<u64>,
}

#[derive(Serialize)]
struct Slept {
    slept: bool,
}

fn sleeper(input: Input) -> Result<Slept, Fault> {
    if let Some(ms) = input.ms {
        std::thread::sleep(Duration::from_millis(ms));
    }
    if let Some(until_ms) = input.until_ms {
        timers::sleep_until(UNIX_EPOCH + Duration::from_millis(until_ms))?;
    }
    Ok(Slept { slept: input.ms.is_some() || input.until_ms.is_some() })
}

org_ai::export_code!(sleeper);
