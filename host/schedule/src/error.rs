//! Why a schedule was refused: what was wrong, where, and what would be accepted.

/// The most of a caller's text that a message repeats, in bytes.
const QUOTE_BYTES_MAX: usize = 80;

/// One of each accepted form; the nearest to what was written is what an error proposes.
const FORMS: [&str; 29] = [
    "every minute",
    "every 5 minutes",
    "every hour",
    "hourly",
    "every 2 hours",
    "every day",
    "daily",
    "daily at 6am",
    "daily at 9am and 5pm",
    "every weekday",
    "every weekday at 9:30am",
    "every weekend",
    "weekends at noon",
    "every Monday",
    "every Monday at 9am",
    "Monday and Thursday at 9am",
    "weekly on Monday at 9am",
    "every week",
    "every 2 weeks",
    "monthly",
    "monthly on the 15th at 9am",
    "first of the month at 9am",
    "last day of the month",
    "first Monday of the month at 9am",
    "yearly on March 1 at 9am",
    "0 9 * * 1",
    "*/15 9-17 * * MON-FRI",
    "@daily",
    "Monday.at9am",
];

/// A schedule, or a part of one, that was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{what}; {accepted}")]
pub struct Error {
    /// What was wrong, the offending part quoted.
    pub what: String,
    /// The offending part itself, at most a line long.
    pub part: String,
    /// What would be accepted in its place.
    pub accepted: String,
}

impl Error {
    /// `reason` goes on from the quoted part: `"13pm" is no time of day`.
    pub(crate) fn new(part: &str, reason: impl AsRef<str>, accepted: impl Into<String>) -> Self {
        let what = format!("{} {}", quote(part), reason.as_ref());
        Self { what, part: cut(part).to_owned(), accepted: accepted.into() }
    }

    /// For text that is no schedule at all.
    pub(crate) fn unknown(text: &str) -> Self {
        let what = format!("unknown schedule {}", quote(text));
        Self { what, part: cut(text).to_owned(), accepted: format!("did you mean {:?}?", nearest(text)) }
    }
}

pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(QUOTE_BYTES_MAX)]
}

fn quote(text: &str) -> String {
    let shown = cut(text);
    if shown.len() == text.len() { format!("{text:?}") } else { format!("{shown:?}…") }
}

/// The accepted form that is spelled most like `text`.
fn nearest(text: &str) -> &'static str {
    let text = cut(text).to_lowercase();
    let mut best = (FORMS[0], -1.0);
    for form in FORMS {
        let likeness = strsim::normalized_damerau_levenshtein(&text, &form.to_lowercase());
        if likeness > best.1 {
            best = (form, likeness);
        }
    }
    best.0
}
