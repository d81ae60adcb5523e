//! steps: so many durable steps, one after the other, and nothing else: each says `Step.taken`. Input: `{"steps": 3}`.
//! Invoked with durability `do` it is what the benchmarks measure, and what a stopped host goes on with.

use org_ai::{Fault, events};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Input {
    #[serde(default = "one")]
    steps: u32,
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
    }
    Ok(Done { steps: input.steps })
}

org_ai::export_code!(steps);
