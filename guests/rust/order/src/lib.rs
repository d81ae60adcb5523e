//! order: prices each line with the function `price`, adds up, says `Order.placed`, and asks a worker for a thank-you
//! note where the host has workers. Input: `{"items": [{"sku": "tea", "quantity": 2}]}`.

use org_ai::{Fault, actions, context, events, worker};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const ITEMS_MAX: usize = 100;

#[derive(Deserialize)]
struct Input {
    items: Vec<Item>,
}

#[derive(Deserialize, Serialize)]
struct Item {
    sku: String,
    quantity: u32,
}

/// What the function `price` answers.
#[derive(Deserialize, Serialize)]
struct Price {
    sku: String,
    quantity: u32,
    total_cents: u64,
}

#[derive(Serialize)]
struct Order {
    id: String,
    ordered_by: String,
    lines: Vec<Price>,
    total_cents: u64,
    note: String,
}

fn order(input: Input) -> Result<Order, Fault> {
    if input.items.is_empty() || input.items.len() > ITEMS_MAX {
        return Err(Fault::invalid(format!("an order has 1 to {ITEMS_MAX} items, this one {}", input.items.len())));
    }
    let me = context::get();
    println!("pricing {} items", input.items.len());
    let lines = input.items.iter().map(|item| actions::try_("price", item)).collect::<Result<Vec<Price>, Fault>>()?;
    let total_cents = lines.iter().map(|line| line.total_cents).sum();

    let order = Order { note: note(total_cents)?, id: me.id, ordered_by: me.actor, lines, total_cents };
    events::emit("Order.placed", &order, Some(&format!("Order/{}", order.id)))?;
    context::info(format!("order {} comes to {} cents", order.id, order.total_cents));
    Ok(order)
}

/// A host without workers answers `unavailable`: the order goes on with a plain note.
fn note(total_cents: u64) -> Result<String, Fault> {
    let question = format!("A short thank-you note for an order of {total_cents} cents?");
    match worker::ask::<Value>(None, &question, Some(&json!({"timeout": "PT10S"}))) {
        Ok(answer) => Ok(answer["text"].as_str().unwrap_or_default().to_owned()),
        Err(fault) if fault.is_unavailable() => {
            context::warn(format!("no worker to ask: {}", fault.message));
            Ok("Thank you!".to_owned())
        }
        Err(fault) => Err(fault),
    }
}

org_ai::export_code!(order);
