//! What an agent approves by itself (spec AGT-7): nothing, unless a rule of its own says so.

use serde_json::Value;
use types::ApprovalRule;

/// The first rule that a request fits in all that it says; None: its supervisor is to decide. A rule with a highest
/// amount is for requests that name an amount.
pub fn approves<'r>(rules: &'r [ApprovalRule], request: &Value) -> Option<&'r ApprovalRule> {
    let kind = request["type"].as_str()?;
    let (amount, requester) = (request["amount"].as_f64(), request["requester"].as_str());
    rules.iter().find(|rule| {
        let fits_amount =
            rule.max_amount.is_none_or(|most| amount.is_some_and(|amount| amount >= 0.0 && amount <= most));
        let fits_requester = rule.requester_in.is_empty()
            || requester.is_some_and(|requester| rule.requester_in.iter().any(|known| known == requester));
        rule.kind == kind && fits_amount && fits_requester
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(max_amount: Option<f64>, requester_in: &[&str]) -> ApprovalRule {
        let requester_in = requester_in.iter().map(|r| (*r).to_owned()).collect();
        ApprovalRule { kind: "expense".to_owned(), max_amount, requester_in }
    }

    #[test]
    fn without_a_rule_nothing_is_approved() {
        assert!(approves(&[], &json!({ "type": "expense" })).is_none());
        assert!(approves(&[rule(None, &[])], &json!({ "type": "travel" })).is_none());
        assert!(approves(&[rule(None, &[])], &json!({})).is_none());
    }

    #[test]
    fn a_request_must_fit_all_that_a_rule_says() {
        let rules = [rule(Some(100.0), &["Human/ann"])];
        let of = |amount: Value, who: &str| json!({ "type": "expense", "amount": amount, "requester": who });
        assert!(approves(&rules, &of(json!(100), "Human/ann")).is_some());
        for refused in [of(json!(100.01), "Human/ann"), of(json!(1), "Human/bob"), of(json!(-1), "Human/ann")] {
            assert!(approves(&rules, &refused).is_none(), "{refused}");
        }
        assert!(approves(&rules, &of(Value::Null, "Human/ann")).is_none(), "an amount that is not said is not small");
        assert!(approves(&rules, &of(json!("5"), "Human/ann")).is_none(), "a text is no amount");
    }
}
