//! my-function: greets whom the input names, `{"name": "Ann"}`.

use org_ai::{Fault, context, events};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Input {
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    message: String,
}

fn greet(input: Input) -> Result<Greeting, Fault> {
    if input.name.is_empty() {
        return Err(Fault::invalid("name is empty"));
    }
    println!("greeting {} for {}", input.name, context::get().actor);
    let greeting = Greeting { message: format!("Hello, {}!", input.name) };
    events::emit("Greeting.sent", &greeting, None)?;
    Ok(greeting)
}

org_ai::export_code!(greet);
