//! Pictures of invocations, as they stand on a screen.

use super::*;
use serde_json::json;

fn order() -> Value {
    json!({
        "id": "0198a6f2-7c1e-7000-8000-000000000001", "name": "checkout", "version": 3, "status": "completed",
        "trigger": { "type": "event", "name": "on-cart" }, "attempt": 2, "attemptsMax": 3, "duration": 10_000,
        "acceptedAt": "2026-01-01T00:00:00.000Z", "completedAt": "2026-01-01T00:00:10.000Z",
        "now": "2026-01-01T00:01:00.000Z",
        "input": { "cart": "c1" }, "output": "paid", "hasMoreChildren": false,
        "steps": [
            { "ordinal": 0, "name": "things.get", "call": "things.get Cart/c1", "attempt": 1, "state": "answered",
              "startedAt": "2026-01-01T00:00:00.000Z", "endedAt": "2026-01-01T00:00:00.002Z" },
            { "ordinal": 1, "name": "actions.try", "call": "actions.try tax {\"country\":\"AT\",\"net\":100}",
              "attempt": 2, "state": "failed",
              "startedAt": "2026-01-01T00:00:02.000Z", "endedAt": "2026-01-01T00:00:03.500Z" },
            { "ordinal": 2, "name": "actions.do", "stepId": "pay", "call": "actions.do charge {}", "attempt": 2,
              "state": "answered", "child": "c", "startedAt": "2026-01-01T00:00:04.000Z",
              "endedAt": "2026-01-01T00:00:08.000Z" },
            { "ordinal": 3, "name": "timers.sleep", "call": "timers.sleep 2000 ms", "attempt": 2, "state": "answered",
              "startedAt": "2026-01-01T00:00:08.000Z", "endedAt": "2026-01-01T00:00:10.000Z" }
        ],
        "children": [{
            "id": "c", "name": "charge", "version": 1, "status": "completed", "attempt": 1, "children": [],
            "acceptedAt": "2026-01-01T00:00:04.000Z", "completedAt": "2026-01-01T00:00:08.000Z",
            "steps": [{ "ordinal": 0, "name": "http.request", "call": "http.request POST https://bank.example/charges",
                "attempt": 1, "state": "answered", "startedAt": "2026-01-01T00:00:05.000Z",
                "endedAt": "2026-01-01T00:00:07.000Z" }]
        }],
        "logs": [{ "at": "2026-01-01T00:00:03.600Z", "stream": "warn", "text": "no tax\u{1b}[2J today\n" }]
    })
}

#[test]
fn a_run_is_drawn_in_eighty_columns() {
    let text = timeline(&order(), 80);
    assert_eq!(text, GOLDEN, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80));
}

const GOLDEN: &str = "\
checkout v3  completed in 10.00 s  attempt 2 of 3
0198a6f2-7c1e-7000-8000-000000000001
accepted 2026-01-01T00:00:00.000Z by event on-cart
input    {\"cart\":\"c1\"}
output   \"paid\"

  STEP                                 TOOK  0                          10.00 s
✓ things.get Cart/c1                   2 ms  █·································
✗ actions.try tax {\"country\":\"… ×2   1.50 s  ······█████·······················
✓ pay: actions.do charge {} ×2       4.00 s  ·············██████████████·······
✓ └ charge v1 completed              4.00 s  ·············▄▄▄▄▄▄▄▄▄▄▄▄▄▄·······
✓   http.request POST https://ban…   2.00 s  ·················██████···········
✓ timers.sleep 2000 ms ×2            2.00 s  ···························░░░░░░░

logs
  +3.60 s   warn   no tax [2J today
";

#[test]
fn what_is_not_over_reaches_to_now() {
    let mut shown = order();
    shown["status"] = "waiting".into();
    shown["waitsFor"] = "Order.paid".into();
    for key in ["completedAt", "duration", "output"] {
        shown.as_object_mut().unwrap().remove(key);
    }
    shown["steps"][3]["state"] = "pending".into();
    shown["steps"][3].as_object_mut().unwrap().remove("endedAt");
    let text = timeline(&shown, 80);
    assert!(text.starts_with("checkout v3  waiting for Order.paid  attempt 2 of 3\n"), "{text}");
    let last = text.lines().find(|line| line.contains("timers.sleep")).unwrap();
    assert!(last.starts_with('…') && last.ends_with('░'), "{last}");
    assert!(text.contains("1m 00s\n"), "the axis ends now: {text}");
}

#[test]
fn no_width_and_no_document_breaks_the_picture() {
    for width in [60, 61, 80, 133, 200] {
        let text = timeline(&order(), width);
        assert!(text.lines().all(|line| line.chars().count() <= width), "{width}\n{text}");
        assert!(!text.contains('\u{1b}'));
    }
    assert!(timeline(&json!({}), 60).contains("(no steps yet)"));
    let backwards = json!({ "acceptedAt": "2026-01-01T00:00:10Z", "steps": [
        { "call": "x", "startedAt": "2026-01-01T00:00:00Z", "endedAt": "1970-01-01T00:00:00Z" }] });
    assert!(timeline(&backwards, 60).contains("█") || timeline(&backwards, 60).contains("░"));
}

#[test]
fn durations_are_short() {
    let check = |ms: u64, text: &str| assert_eq!(duration(ms), text);
    check(0, "0 ms");
    check(999, "999 ms");
    check(3_420, "3.42 s");
    check(125_000, "2m 05s");
    check(11_220_000, "3h 07m");
    check(349_200_000, "4d 01h");
}
