//! support: an agentic function that answers customers. Input: `{"question": "Where is order 7?", "approver":
//! "Human/ann@acme.example"}`. It has three tools, each called in a sandbox of its own: `find-order` and `policy` read,
//! `refund` pays back, once the approver has said yes; whether that is an agent or a person makes no difference here.

use org_ai::worlds::agentic::Guest;
use org_ai::{Fault, things, worker};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Input {
    question: String,
    #[serde(default)]
    approver: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct Order {
    total: f64,
    status: String,
}

#[derive(Deserialize)]
struct Refund {
    order: String,
    amount: f64,
    #[serde(default)]
    approver: Option<String>,
}

struct Support;

impl Guest for Support {
    fn goal(input: String) -> Result<String, Fault> {
        let input: Input = read(&input)?;
        Ok(json!({
            "description": input.question,
            "system": "You answer customers of a shop. Look things up before you say anything about them.",
            "constraints": ["Say what was refunded, if anything was."],
            "context": { "approver": input.approver },
            "maxIterations": 8,
        })
        .to_string())
    }

    fn tools() -> Result<String, Fault> {
        let object = |properties: Value, required: &[&str]| {
            json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
        };
        let order = json!({ "type": "string", "description": "The order's number" });
        Ok(json!([
            { "name": "find-order", "description": "What is known of an order", "sideEffect": false,
              "parameters": object(json!({ "order": order }), &["order"]) },
            { "name": "policy", "description": "What the shop promises its customers", "sideEffect": false,
              "parameters": object(json!({}), &[]) },
            { "name": "refund", "description": "Pays back; somebody has to approve it first",
              "parameters": object(json!({
                  "order": order,
                  "amount": { "type": "number", "exclusiveMinimum": 0 },
                  "approver": { "type": "string", "description": "As the context says" },
              }), &["order", "amount"]) },
        ])
        .to_string())
    }

    fn call_tool(name: String, args: String) -> Result<String, Fault> {
        let result = match name.as_str() {
            "find-order" => {
                let args: Value = read(&args)?;
                let order = find(args["order"].as_str().unwrap_or_default())?;
                json!(order)
            }
            "policy" => json!("Late orders are refunded in full; a refund needs an approval."),
            "refund" => refund(read(&args)?)?,
            other => return Err(Fault::failed("TOOL_UNKNOWN", &format!("there is no tool {other}"))),
        };
        Ok(result.to_string())
    }

    fn finish(_input: String, outcome: String) -> Result<String, Fault> {
        let outcome: Value = read(&outcome)?;
        Ok(json!({ "answer": outcome["output"], "steps": outcome["iterations"] }).to_string())
    }
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| Fault::invalid(error.to_string()))
}

fn find(order: &str) -> Result<Order, Fault> {
    let found = things::find::<Order>(&things::at("Order", order))?;
    found.map(|thing| thing.data).ok_or_else(|| Fault::failed("ORDER_UNKNOWN", &format!("there is no order {order}")))
}

fn refund(refund: Refund) -> Result<Value, Fault> {
    let order = find(&refund.order)?;
    if refund.amount > order.total {
        return Err(Fault::failed("TOO_MUCH", &format!("the order was {} in all", order.total)));
    }
    let request = json!({
        "type": "refund",
        "description": format!("Refund {} of order {}", refund.amount, refund.order),
        "requester": "Function/support",
        "amount": refund.amount,
    });
    let answer: Value = worker::approve(refund.approver.as_deref(), &request, None)?;
    if answer["approved"] != true {
        let reason = answer["reason"].as_str().unwrap_or("no reason was given");
        return Err(Fault::failed("NOT_APPROVED", &format!("the refund was not approved: {reason}")));
    }
    let refunded = Order { status: "refunded".to_owned(), ..order };
    things::put::<Order>(&things::at("Order", &refund.order), &refunded, None)?;
    Ok(json!({ "refunded": refund.amount, "approver": answer["approver"] }))
}

org_ai::worlds::agentic::export!(Support with_types_in org_ai::worlds::agentic);
