//! steps: so many durable steps, one after the other, and nothing else: each says `Step.taken`. Input: `{"steps": 3}`,
//! and `"untilMs": 1767225600000` to sleep after them. Every 500 steps it sleeps for a millisecond, which ends its turn:
//! a turn emits only so much.
//! Invoked with durability `do` it is what the benchmarks measure, and what a stopped host goes on with.

use org_ai::{Fault, events, timers};
use serde::{Deserialize, Serialize};
use std::time::{Duration, UNIX_EPOCH};

const STEPS_IN_TURN: u32 = 500;

#[derive(Deserialize)]
struct Input {
    #[serde(default = "one")]
    steps: u32,
    #[serde(rename = "untilMs")]
    until_ms: Option<u64>,
}

fn one() -> u32 {
    1
}

#[derive(Serialize)]
struct Taken {
    step: u32,
}

#[derive(Serialize)]
struct Done {
    steps: u32,
}

fn steps(input: Input) -> Result<Done, Fault> {
    for step in 1..=input.steps {
        events::emit("Step.taken", &Taken { step }, None)?;
        if step % STEPS_IN_TURN == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    if let Some(until_ms) = input.until_ms {
        timers::sleep_until(UNIX_EPOCH + Duration::from_millis(until_ms))?;
    }
    Ok(Done { steps: input.steps })
}

org_ai::export_code!(steps);
