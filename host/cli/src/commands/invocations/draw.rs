//! An invocation as a picture: a row a step, with a bar on the time that all of them share.

use crate::context::{cell, one_line};
use crate::paint::cut;
use serde_json::Value;
use std::fmt::Write as _;
use types::Timestamp;

/// Characters of the widest duration: `59m 59s`, `23h 59m`.
const TOOK: usize = 8;
/// What stands in a row beside the step's text and its bar: the mark, the duration, spaces, the bar's frame.
const BESIDE: usize = 2 + 1 + TOOK + 3;
/// The least that a bar is worth.
const BAR_MIN: usize = 16;
/// Log lines at the end of the picture, the last ones.
const LINES_MAX: usize = 20;

/// When the picture begins and ends.
#[derive(Clone, Copy)]
struct Span {
    from: u64,
    to: u64,
}

impl Span {
    /// The characters of a bar of `width` that a time from `from` to `to` covers: at least one.
    fn cells(self, from: u64, to: u64, width: usize) -> (usize, usize) {
        let length = (self.to - self.from).max(1);
        let at = |time: u64| {
            let part = time.clamp(self.from, self.to) - self.from;
            usize::try_from(u128::from(part) * width as u128 / u128::from(length)).unwrap_or(width)
        };
        let first = at(from).min(width - 1);
        (first, at(to).max(first + 1).min(width))
    }
}

/// The whole picture, at most `width` characters wide.
pub(super) fn timeline(shown: &Value, width: usize) -> String {
    let (now, mut text) = (time(shown, "now"), head(shown, width));
    let from = time(shown, "acceptedAt").unwrap_or(0);
    let to = time(shown, "completedAt").or(now).unwrap_or(from);
    let span = Span { from, to: to.max(last_end(shown)).max(from + 1) };
    let label = label_width(width);
    let bar = width - label - BESIDE;
    let total = duration(span.to - span.from);
    let rest = bar.saturating_sub(1);
    writeln!(text, "\n  {:<label$} {:>TOOK$}  0{total:>rest$}", "STEP", "TOOK").expect(WRITES);
    let mut drawing = Drawing { span, now: now.unwrap_or(span.to), label, bar, text };
    drawing.steps(shown, "");
    let mut text = drawing.text;
    if shown["steps"].as_array().is_none_or(Vec::is_empty) {
        text.push_str("  (no steps yet)\n");
    }
    logs(shown, width, &mut text);
    text
}

const WRITES: &str = "a String takes what is written";

/// Two fifths of the width, so that both what was called and when can be read.
fn label_width(width: usize) -> usize {
    (width * 2 / 5).min(width.saturating_sub(BESIDE + BAR_MIN))
}

/// What it is, where it stands, what it was given and what came of it.
fn head(shown: &Value, width: usize) -> String {
    let mut text = format!("{} v{}  {}", cell(shown, "name"), cell(shown, "version"), cell(shown, "status"));
    if let Some(took) = shown["duration"].as_u64() {
        write!(text, " in {}", duration(took)).expect(WRITES);
    }
    if let Some(waits_for) = shown["waitsFor"].as_str() {
        write!(text, " for {waits_for}").expect(WRITES);
    }
    if let Some(until) = shown["until"].as_str() {
        write!(text, " until {until}").expect(WRITES);
    }
    if shown["attempt"].as_u64().is_some_and(|n| n > 1) {
        write!(text, "  attempt {} of {}", cell(shown, "attempt"), cell(shown, "attemptsMax")).expect(WRITES);
    }
    let mut lines = vec![text, cell(shown, "id")];
    lines.push(format!("accepted {} by {}", cell(shown, "acceptedAt"), trigger(&shown["trigger"])));
    lines.push(format!("input    {}", shown["input"]));
    if !shown["output"].is_null() {
        lines.push(format!("output   {}", shown["output"]));
    }
    if let Some(code) = shown["error"]["code"].as_str() {
        lines.push(format!("error    {code}: {}", shown["error"]["message"].as_str().unwrap_or_default()));
    }
    lines.iter().map(|line| cut(&one_line(line), width) + "\n").collect()
}

struct Drawing {
    span: Span,
    now: u64,
    label: usize,
    bar: usize,
    text: String,
}

impl Drawing {
    /// The rows of an invocation's steps, each with those of the invocation that it began below it.
    fn steps(&mut self, shown: &Value, indent: &str) {
        let children = shown["children"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut drawn = Vec::new();
        for step in shown["steps"].as_array().into_iter().flatten() {
            self.step(step, indent);
            let Some(id) = step["child"].as_str().filter(|id| !drawn.contains(id)) else { continue };
            if let Some(child) = children.iter().find(|child| child["id"] == id) {
                drawn.push(id);
                self.child(child, indent);
            }
        }
        if !shown["stepsNext"].is_null() {
            writeln!(self.text, "  {indent}(more steps)").expect(WRITES);
        }
        if shown["hasMoreChildren"] == true {
            writeln!(self.text, "  {indent}(more invocations that it began)").expect(WRITES);
        }
    }

    fn step(&mut self, step: &Value, indent: &str) {
        let mark = match step["state"].as_str() {
            Some("answered") => '✓',
            Some("failed") => '✗',
            _ => '…',
        };
        let call = step["call"].as_str().unwrap_or_default();
        let named = step["stepId"].as_str().map(|id| format!("{id}: ")).unwrap_or_default();
        let again = match step["attempt"].as_u64() {
            Some(n) if n > 1 => format!(" ×{n}"),
            _ => String::new(),
        };
        let room = self.label.saturating_sub(indent.chars().count() + again.chars().count());
        let label = format!("{indent}{}{again}", cut(&one_line(&format!("{named}{call}")), room));
        let from = time(step, "startedAt").unwrap_or(self.span.from);
        let to = time(step, "endedAt");
        let took = to.map_or_else(|| "-".to_owned(), |to| duration(to.saturating_sub(from)));
        let waits = to.is_none() || matches!(step["name"].as_str(), Some(name) if is_wait(name));
        self.row(mark, &label, &took, (from, to.unwrap_or(self.now)), if waits { '░' } else { '█' });
    }

    fn child(&mut self, child: &Value, indent: &str) {
        let mark = match child["status"].as_str() {
            Some("completed") => '✓',
            Some("failed" | "cancelled") => '✗',
            _ => '…',
        };
        let again = match child["attempt"].as_u64() {
            Some(n) if n > 1 => format!(" ×{n}"),
            _ => String::new(),
        };
        let name =
            format!("{indent}└ {} v{} {}{again}", cell(child, "name"), cell(child, "version"), cell(child, "status"));
        let from = time(child, "acceptedAt").unwrap_or(self.span.from);
        let to = time(child, "completedAt");
        let took = to.map_or_else(|| "-".to_owned(), |to| duration(to.saturating_sub(from)));
        self.row(mark, &cut(&one_line(&name), self.label), &took, (from, to.unwrap_or(self.now)), '▄');
        self.steps(child, &format!("{indent}  "));
    }

    fn row(&mut self, mark: char, label: &str, took: &str, (from, to): (u64, u64), fill: char) {
        let (first, end) = self.span.cells(from, to, self.bar);
        let bar: String = (0..self.bar).map(|n| if (first..end).contains(&n) { fill } else { '·' }).collect();
        let label_width = self.label;
        writeln!(self.text, "{mark} {label:<label_width$} {took:>TOOK$}  {bar}").expect(WRITES);
    }
}

/// Whether time passes in it without anything being done.
fn is_wait(name: &str) -> bool {
    matches!(name, "timers.sleep" | "timers.sleep-until" | "events.wait-for" | "actions.join" | "poll")
}

fn logs(shown: &Value, width: usize, text: &mut String) {
    let lines = shown["logs"].as_array().map(Vec::as_slice).unwrap_or_default();
    if lines.is_empty() {
        return;
    }
    let left_out = lines.len().saturating_sub(LINES_MAX);
    text.push_str("\nlogs\n");
    if left_out > 0 || shown["hasMoreLogs"] == true {
        text.push_str("  (not all: `org.ai functions logs` has them)\n");
    }
    let from = time(shown, "acceptedAt").unwrap_or(0);
    for line in &lines[left_out..] {
        let after = duration(time(line, "at").unwrap_or(from).saturating_sub(from));
        let said = line["text"].as_str().unwrap_or_default().trim_end_matches('\n');
        let line = format!("  +{after:<TOOK$} {:<6} {said}", cell(line, "stream"));
        text.push_str(&cut(&one_line(&line), width));
        text.push('\n');
    }
}

/// What asked for it: `call`, `schedule nightly`, `event on-paid`.
pub(super) fn trigger(trigger: &Value) -> String {
    match trigger["name"].as_str() {
        Some(name) => format!("{} {name}", cell(trigger, "type")),
        None => cell(trigger, "type"),
    }
}

/// `7 ms`, `3.42 s`, `2m 05s`, `3h 07m`, `4d 01h`.
pub(super) fn duration(ms: u64) -> String {
    let s = ms / 1000;
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{s}.{:02} s", ms % 1000 / 10),
        60_000..3_600_000 => format!("{}m {:02}s", s / 60, s % 60),
        3_600_000..86_400_000 => format!("{}h {:02}m", s / 3600, s / 60 % 60),
        _ => format!("{}d {:02}h", s / 86_400, s / 3600 % 24),
    }
}

fn time(value: &Value, key: &str) -> Option<u64> {
    Timestamp::parse(value[key].as_str()?).map(Timestamp::as_millis)
}

/// The last moment that any part of it tells of.
fn last_end(shown: &Value) -> u64 {
    let steps = shown["steps"].as_array().into_iter().flatten();
    let of_steps = steps.filter_map(|step| time(step, "endedAt").or(time(step, "startedAt")));
    let of_children = shown["children"].as_array().into_iter().flatten().map(last_end);
    of_steps.chain(of_children).chain(time(shown, "completedAt")).max().unwrap_or(0)
}

#[cfg(test)]
mod tests;
