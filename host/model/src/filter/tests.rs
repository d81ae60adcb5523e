//! What filters accept, refuse and answer.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn event() -> Value {
    json!({
        "id": "e1", "noun": "Order", "verb": "created", "sequence": 7,
        "data": {
            "amount": 1500, "currency": "USD", "paid": true, "note": null, "tags": ["new", "big"],
            "customer": {"name": "Ada", "address": {"zip": "1010"}}, "price": 19.5, "big": 9007199254740993u64,
            "at": "2024-01-31T00:00:00.000Z", "odd key": 1, "in": 3, "lines": [{"sku": "a"}, {"sku": "b"}], "orderId": "o-7",
        },
    })
}

#[test]
fn a_filter_holds_or_does_not() {
    for (text, expected) in [
        ("data.amount > 1000 and data.currency == \"USD\"", true),
        ("data.amount > 1000 and data.currency == 'EUR'", false),
        ("event.data.amount >= 1500", true),
        ("data.amount < 1500", false),
        ("data.amount <= 1500.0", true),
        ("data.amount == 1500.0", true),
        ("data.amount == 1.5e3", true),
        ("data.amount == \"1500\"", false),
        ("data.amount != 1", true),
        ("data.big == 9007199254740993", true),
        ("data.big > 9007199254740992", true),
        ("data.price > 19 and data.price < 20", true),
        ("data.price > -1", true),
        ("data.currency in [\"USD\", \"EUR\"]", true),
        ("data.currency in []", false),
        ("data.amount in [1500.0, null]", true),
        ("\"big\" in data.tags", true),
        ("data.tags contains \"new\"", true),
        ("data.tags contains \"old\"", false),
        ("data.customer.name contains \"d\"", true),
        ("data.customer contains \"address\"", true),
        ("data.customer.address.zip startsWith \"10\"", true),
        ("data.customer.address.zip startsWith \"20\"", false),
        ("noun == \"Order\" and verb == \"created\"", true),
        ("data.at >= \"2024-01-01\"", true),
        ("data.paid", true),
        ("not data.paid", false),
        ("true", true),
        ("data.paid == false", false),
        ("exists data.note", true),
        ("data.note exists", true),
        ("exists(data.nothing)", false),
        ("not exists data.customer.phone", true),
        ("data.note == null", true),
        ("data.nothing == null", true),
        ("data.nothing != \"x\"", true),
        ("data.currency.length exists", false),
        ("data[\"odd key\"] == 1", true),
        ("data.in == 3", true),
        ("data.lines[1].sku == 'b'", true),
        ("data.lines[2] exists", false),
        ("data.customer == data.customer", true),
        ("data.tags == [\"new\", \"big\"]", true),
        // and binds more tightly than or, not more tightly than both.
        ("true or false and false", true),
        ("(true or false) and false", false),
        ("not false and false", false),
        ("not (false and false)", true),
        // What is not needed is not looked at.
        ("true or data.nothing > 1", true),
        ("false and data.nothing > 1", false),
    ] {
        let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(filter.matches(&event()), Ok(expected), "{text}");
        assert!(!filter.uses_input());
        assert_eq!(filter.as_str(), text);
    }
}

#[test]
fn what_cannot_be_compared_is_an_error() {
    for (text, message) in [
        ("data.currency > 5", "> is not for a string and a number"),
        ("data.nothing < 5", "< is not for null and a number"),
        ("data.amount in data.currency", "in is not for a number and a string"),
        ("data.amount contains 1", "contains is not for a number and a number"),
        ("data.amount startsWith \"1\"", "startsWith is not for a number and a string"),
        ("data.currency", "a string is neither true nor false"),
        ("not data.nothing", "null is neither true nor false"),
        ("data.amount > 1e999", "> is not for a number and a number"),
        ("data.orderId == input.orderId", "there is no input to compare with"),
    ] {
        let filter = Filter::parse(text).expect(text);
        assert_eq!(filter.matches(&event()), Err(EvalError(message.into())), "{text}");
    }
}

#[test]
fn an_endless_number_is_equal_to_itself_only() {
    let number = |digits: usize| serde_json::from_str::<Value>(&"7".repeat(digits)).expect("it is a number");
    let event = json!({"short": number(300), "long": number(2000), "same": number(2000), "longer": number(2001)});
    let matches = |text: &str| Filter::parse(text).expect(text).matches(&event);
    assert_eq!(matches("short > 1"), Ok(true));
    assert_eq!(matches("long == same"), Ok(true));
    assert_eq!(matches("long == longer or long in [1, 2, 3]"), Ok(false));
    assert!(matches("long > 1").is_err());
}

#[test]
fn what_waits_compares_with_its_input() {
    let filter = Filter::parse("data.orderId == input.orderId").expect("it is a filter");
    assert!(filter.uses_input());
    assert_eq!(filter.matches_with(&event(), &json!({"orderId": "o-7"})), Ok(true));
    assert_eq!(filter.matches_with(&event(), &json!({"orderId": "o-8"})), Ok(false));
    assert_eq!(filter.matches_with(&event(), &json!("o-7")), Ok(false));
}

#[track_caller]
fn refused(text: &str, at: usize, message: &str) {
    let error = Filter::parse(text).expect_err(text);
    assert_eq!((error.at, error.message.as_str()), (at, message), "{text}");
}

#[test]
fn a_refusal_says_where_and_what_would_be_accepted() {
    refused("", 0, "found the end, expected a path like data.amount, or a value");
    refused("data.amount > ", 14, "found the end, expected a path like data.amount, or a value");
    refused("data.amount = 5", 12, "a comparison is written ==");
    refused("a == 1 && b == 2", 7, "write and, or, not");
    refused("1 < data.amount < 5", 16, "found \"<\", expected and, or, or the end: two values are compared at a time");
    refused("(data.paid", 10, "found the end, expected and, or, or a closing )");
    refused("data.paid data.paid", 10, "found \"data\", expected and, or, or the end");
    refused("data.name == \"é\" ; 1", 17, "';' means nothing here; use paths, comparisons, and, or, not, parentheses");
    refused("data. == 1", 6, "found \"==\", expected the name of a field; others are written [\"like this\"] or [0]");
    refused("data.a in 5", 10, "found the number \"5\", expected a list like [\"USD\", \"EUR\"], or the path of one");
    refused("data.a in [data.b]", 11, "found \"data\", expected a text, a number, true, false or null");
    refused("data.a in [1 2]", 13, "found the number \"2\", expected a comma or a closing ]");
    refused("data.a == 'x", 10, "this text has no closing '");
    refused("data.a == '\\x'", 10, "a \\ in a text is followed by \", ', \\, n or t");
    refused("data.a == 12abc", 10, "\"12abc\" is no number; use 1000, -5, 0.25 or 1e6");
    refused("data.a == 007", 10, "\"007\" is no number; use 1000, -5, 0.25 or 1e6");
    refused("5", 1, "found the end, expected a comparison like == or in");
    refused("event == 1", 6, "found \"==\", expected a field of it, like .data");
    refused("data[-1] == 1", 5, "found the number \"-1\", expected a name in quotes or a position from 0");
    refused("exists 5", 7, "found the number \"5\", expected a path like data.amount, or a value");
    let error = Filter::parse("a = 1").expect_err("it has a single =");
    assert_eq!(error.to_string(), "filter, character 3: a comparison is written ==");
}

#[test]
fn a_filter_is_neither_long_nor_deep() {
    let fits = format!("data.a == '{}'", "x".repeat(TEXT_BYTES_MAX - 12));
    assert_eq!(fits.len(), TEXT_BYTES_MAX);
    assert!(Filter::parse(&fits).is_ok());
    assert!(Filter::parse(&format!("{fits} ")).is_err());
    let nested = |depth: usize| format!("{}true{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Filter::parse(&nested(DEPTH_MAX - 1)).is_ok());
    assert!(Filter::parse(&nested(DEPTH_MAX)).is_err());
    assert!(Filter::parse(&format!("{}true", "not ".repeat(DEPTH_MAX))).is_err());
    // Side by side is not deep.
    let wide = vec!["(not a)"; 300].join(" or ");
    assert!(Filter::parse(&wide).is_ok());
}

proptest! {
    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,40}") {
        let _ = Filter::parse(&text);
    }

    #[test]
    fn no_sequence_of_known_words_is_too_strange(
        words in proptest::collection::vec(proptest::sample::select(&[
            "data", "data.amount", ".", "[", "]", "(", ")", "not", "and", "or", "==", "!=", "<", "in", "contains", "startsWith",
            "exists", "true", "null", "1", "-1.5e3", "\"x\"", "'", ",", "input.a", "event", "é", "1e999",
        ][..]), 0..12),
        data in crate::testing::value(),
    ) {
        if let Ok(filter) = Filter::parse(&words.join(" ")) {
            let _ = filter.matches(&json!({"data": data.clone(), "amount": 1}));
            let _ = filter.matches_with(&json!({"data": data.clone()}), &data);
        }
    }

    #[test]
    fn a_value_is_found_by_its_literal(amount in any::<i64>(), name in "[a-z\"'\\\\]{0,8}") {
        let literal = name.replace('\\', "\\\\").replace('"', "\\\"");
        let filter = Filter::parse(&format!("data.amount == {amount} and data.name == \"{literal}\"")).expect("it is a filter");
        prop_assert_eq!(filter.matches(&json!({"data": {"amount": amount, "name": name}})), Ok(true));
        prop_assert_eq!(filter.matches(&json!({"data": {"amount": amount ^ 1, "name": name}})), Ok(false));
    }
}
