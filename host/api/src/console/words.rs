//! How values read on a page.

use serde_json::Value;
use types::{Json, Method, RequestRow, RequestStatus, Timestamp};

/// How much of a value one page shows, in bytes.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// `2024-01-08 12:00:00 UTC`.
pub(super) fn when(at: Timestamp) -> String {
    let text = at.to_string();
    match text.split_once('T') {
        Some((date, time)) => format!("{date} {} UTC", time.get(..8).unwrap_or(time)),
        None => text,
    }
}

/// `Human/ann` for who is of the same object; others keep their whole address.
pub(super) fn who<'a>(id: &'a str, namespace: &str) -> &'a str {
    id.strip_prefix(namespace).and_then(|rest| rest.strip_prefix('/')).unwrap_or(id)
}

/// Over several lines, without secrets; the end of a long one is missing.
pub(super) fn pretty(json: &Json) -> String {
    let value = types::redact(json).to_value();
    let text = match value {
        Value::String(text) => text,
        other => serde_json::to_string_pretty(&other).unwrap_or_default(),
    };
    cut(text, VALUE_BYTES_MAX)
}

pub(super) fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        text.truncate(text.floor_char_boundary(bytes_max - '…'.len_utf8()));
        text.push('…');
    }
    text
}

/// `350 ms`, `4.2 s`, `3 min`, `5 h`.
pub(super) fn took(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000),
        _ => format!("{} h {} min", millis / 3_600_000, millis % 3_600_000 / 60_000),
    }
}

pub(super) fn method(method: Method) -> &'static str {
    match method {
        Method::Approve => "Approval",
        Method::Ask => "Question",
        Method::Decide => "Decision",
        Method::Do => "Task",
        Method::Generate => "Text",
        Method::Answer => "Form",
        Method::Notify => "Message",
    }
}

/// A class of the style sheet.
pub(super) fn tone(status: RequestStatus) -> &'static str {
    match status {
        RequestStatus::Pending => "warn",
        RequestStatus::Approved | RequestStatus::Answered => "good",
        RequestStatus::Rejected | RequestStatus::Declined => "bad",
        RequestStatus::Expired | RequestStatus::Cancelled => "plain",
    }
}

/// What became of it, in a sentence; None while it waits.
pub(super) fn outcome(row: &RequestRow, namespace: &str) -> Option<String> {
    if row.is_pending() {
        return None;
    }
    let by = row.responded_by.as_deref().map(|by| format!(" by {}", who(by, namespace))).unwrap_or_default();
    let at = row.resolved_at.map(|at| format!(" on {}", when(at))).unwrap_or_default();
    Some(format!("This was {}{by}{at}.", row.status.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_well() {
        assert_eq!(when(Timestamp::from_millis(1_704_715_200_000)), "2024-01-08 12:00:00 UTC");
        assert_eq!(who("https://a.example/Human/ann", "https://a.example"), "Human/ann");
        assert_eq!(who("https://a.example.org/Human/ann", "https://a.example"), "https://a.example.org/Human/ann");
        let all = [5, 4_250, 61_000, 7_260_000].map(took);
        assert_eq!(all, ["5 ms", "4.2 s", "1 min 1 s", "2 h 1 min"]);
        assert_eq!(cut("äää".to_owned(), 5), "ä…");
        assert!(pretty(&Json::parse(r#"{"password":"hunter2"}"#).expect("JSON")).contains("[REDACTED]"));
    }
}
