//! hello: greets whom the input names, `{"name": "Ann"}`. It imports nothing of ours, so it shows what a call costs.

use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Input {
    name: Option<String>,
}

#[derive(Serialize)]
struct Greeting {
    message: String,
}

fn hello(input: Input) -> Result<Greeting, org_ai::Fault> {
    Ok(Greeting { message: format!("Hello, {}!", input.name.as_deref().unwrap_or("world")) })
}

org_ai::export_code!(hello);
