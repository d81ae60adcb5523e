//! Values, text and colour for a person at a terminal.

use serde_json::Value;

/// Whether the reader's screen takes colours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Paint {
    Plain,
    Ansi,
}

/// What a piece of text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tint {
    Gone,
    New,
    Head,
}

impl Paint {
    /// The text in its colour. It is made harmless first: nothing in it can change the screen.
    pub(crate) fn tint(self, tint: Tint, text: &str) -> String {
        let text = lines(text);
        let code = match (self, tint) {
            (Self::Plain, _) => return text,
            (Self::Ansi, Tint::Gone) => 31,
            (Self::Ansi, Tint::New) => 32,
            (Self::Ansi, Tint::Head) => 1,
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

/// Text of several lines that cannot steer the terminal.
pub(crate) fn lines(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

/// A value as JSON in at most so many characters; a missing one is a dash.
pub(crate) fn brief(value: Option<&Value>, chars_max: usize) -> String {
    let Some(value) = value else {
        return "-".to_owned();
    };
    cut(&value.to_string(), chars_max)
}

/// The beginning of a text, with an ellipsis where it goes on.
pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn colour_is_put_around_text_that_is_harmless() {
        assert_eq!(Paint::Plain.tint(Tint::New, "a\u{1b}[2J\u{9b}b\nc"), "a [2J b\nc");
        assert_eq!(Paint::Ansi.tint(Tint::Gone, "a\u{1b}b"), "\u{1b}[31ma b\u{1b}[0m");
    }

    #[test]
    fn a_long_value_is_cut_where_characters_end() {
        assert_eq!(brief(Some(&json!("äöü")), 5), "\"äöü\"");
        assert_eq!(brief(Some(&json!("äöüß")), 5), "\"äöü…");
        assert_eq!(brief(None, 5), "-");
    }
}
