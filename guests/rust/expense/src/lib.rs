//! expense: one worker reads a receipt, another one decides. Input: `{"receipt": "Taxi to the airport, 42.50",
//! "preparer": "Agent/clerk", "approver": "Human/ann@acme.example"}`. Who is an agent and who a person makes no
//! difference here: a person is asked by a form with the same schema. Run as `do` it waits without memory.

use org_ai::{Fault, events, worker};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Input {
    receipt: String,
    preparer: String,
    approver: String,
}

/// What the preparer makes of a receipt.
#[derive(Deserialize, Serialize)]
struct Claim {
    summary: String,
    category: String,
    amount: f64,
}

#[derive(Serialize)]
struct Decided {
    claim: Claim,
    approved: bool,
    approver: Value,
    reason: Value,
}

fn decide(input: Input) -> Result<Decided, Fault> {
    let Input { receipt, preparer, approver } = input;
    if receipt.trim().is_empty() {
        return Err(Fault::invalid("the receipt is empty"));
    }
    let schema = json!({
        "type": "object",
        "properties": {
            "summary": { "type": "string", "minLength": 1 },
            "category": { "enum": ["travel", "meals", "equipment", "other"] },
            "amount": { "type": "number", "exclusiveMinimum": 0 },
        },
        "required": ["summary", "category", "amount"],
        "additionalProperties": false,
    });
    let prompt = format!("Read this receipt: {receipt}");
    let claim: Claim = worker::generate(Some(&preparer), &prompt, Some(&json!({ "schema": schema })))?;
    let request = json!({ "type": "expense", "description": claim.summary, "amount": claim.amount, "data": claim });
    let answer: Value = worker::approve(Some(&approver), &request, None)?;
    let approved = answer["approved"] == true;
    events::emit("Expense.decided", &json!({ "amount": claim.amount, "approved": approved }), None)?;
    Ok(Decided { claim, approved, approver: answer["approver"].clone(), reason: answer["reason"].clone() })
}

org_ai::export_code!(decide);
