//! Runs for a person: one line a step, with a bar where it lies in the time of the run.

use crate::context::{cell, one_line};
use crate::paint::{Paint, Tint, brief};
use serde_json::Value;
use types::Timestamp;

const BAR_CELLS: u64 = 24;

/// A run with its steps.
pub(super) fn run(run: &Value, paint: Paint) -> String {
    let head = format!("{} of {} (version {})", cell(run, "runId"), cell(run, "workflow"), cell(run, "version"));
    let mut text = format!("{}: {}\n", one_line(&head), status(&cell(run, "status"), paint));
    let steps: Vec<&Value> = run["steps"].as_array().into_iter().flatten().collect();
    let width = steps.iter().map(|step| cell(step, "name").chars().count()).max().unwrap_or(0);
    let span = Span::of(run, &steps);
    for step in steps {
        text.push_str(&line(step, width, &span, paint));
        text.push('\n');
    }
    if let Some(error) = run.get("error").filter(|error| error.is_object()) {
        text.push_str(&format!("error: {} {}\n", cell(error, "code"), one_line(&cell(error, "message"))));
    } else if run["status"] == "completed" {
        text.push_str(&format!("output: {}\n", brief(run.get("output"), 200)));
    }
    text
}

/// One step.
pub(super) fn line(step: &Value, width: usize, span: &Span, paint: Paint) -> String {
    let name = one_line(&cell(step, "name"));
    let took = step["duration"].as_u64().map(|ms| format!("  {}", duration(ms))).unwrap_or_default();
    let attempts = step["attempts"].as_u64().filter(|n| *n > 1).map(|n| format!("  {n} attempts")).unwrap_or_default();
    let error = step["error"]["code"].as_str().map(|code| format!("  {}", one_line(code))).unwrap_or_default();
    let state = status(&cell(step, "status"), paint);
    format!("  {name:<width$}  {}  {state}{took}{attempts}{error}", span.bar(step))
}

fn status(status: &str, paint: Paint) -> String {
    match status {
        "completed" => paint.tint(Tint::New, status),
        "failed" | "cancelled" => paint.tint(Tint::Gone, status),
        other => paint.tint(Tint::Head, other),
    }
}

/// The time of a run, in milliseconds since the epoch.
pub(super) struct Span {
    from: u64,
    to: u64,
}

impl Span {
    pub(super) fn of(run: &Value, steps: &[&Value]) -> Self {
        let from = at(run, "startedAt").unwrap_or(0);
        let of_steps = steps.iter().flat_map(|step| [at(step, "startedAt"), at(step, "completedAt")]).flatten();
        let to = of_steps.chain(at(run, "completedAt")).max().unwrap_or(from);
        Self { from, to: to.max(from + 1) }
    }

    fn bar(&self, step: &Value) -> String {
        let Some(began) = at(step, "startedAt") else { return "·".repeat(BAR_CELLS as usize) };
        let place = |ms: u64| (ms.saturating_sub(self.from) * BAR_CELLS / (self.to - self.from)).min(BAR_CELLS);
        let first = place(began).min(BAR_CELLS - 1);
        let end = at(step, "completedAt").map_or(BAR_CELLS, place).max(first + 1);
        let fill = if step.get("completedAt").is_some() { '█' } else { '▒' };
        (0..BAR_CELLS).map(|cell| if (first..end).contains(&cell) { fill } else { '·' }).collect()
    }
}

fn at(value: &Value, key: &str) -> Option<u64> {
    value[key].as_str().and_then(Timestamp::parse).map(Timestamp::as_millis)
}

fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
        3_600_000..86_400_000 => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
        _ => format!("{} d {} h", ms / 86_400_000, ms % 86_400_000 / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_run_is_drawn_with_a_bar_for_each_step() {
        let shown = json!({
            "runId": "r1", "workflow": "order", "version": 3, "status": "failed",
            "startedAt": "2024-01-08T12:00:00Z", "completedAt": "2024-01-08T12:00:04Z",
            "error": { "code": "BAD", "message": "no\nmoney" },
            "steps": [
                { "name": "a", "status": "completed", "attempts": 1, "duration": 1000,
                  "startedAt": "2024-01-08T12:00:00Z", "completedAt": "2024-01-08T12:00:01Z" },
                { "name": "pay", "status": "failed", "attempts": 3, "duration": 3000, "error": { "code": "BAD" },
                  "startedAt": "2024-01-08T12:00:01Z", "completedAt": "2024-01-08T12:00:04Z" },
                { "name": "z", "status": "skipped", "attempts": 0 },
            ],
        });
        let expected = "r1 of order (version 3): failed\n\
            \u{20}\u{20}a    ██████··················  completed  1.0 s\n\
            \u{20}\u{20}pay  ······██████████████████  failed  3.0 s  3 attempts  BAD\n\
            \u{20}\u{20}z    ························  skipped\n\
            error: BAD no money\n";
        assert_eq!(run(&shown, Paint::Plain), expected);
    }

    #[test]
    fn long_steps_are_told_in_large_units() {
        let told = [5, 1_500, 61_000, 3_660_000, 30 * 86_400_000].map(duration);
        assert_eq!(told, ["5 ms", "1.5 s", "1 min 1 s", "1 h 1 min", "30 d 0 h"]);
    }
}
