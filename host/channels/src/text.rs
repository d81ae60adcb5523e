//! What of a message fits into a line or a message of somebody else's.

/// One line of at most so many characters: whatever could end a header or move a cursor is a space.
pub(crate) fn line(text: &str, chars_max: usize) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    cut(spaced.trim(), chars_max)
}

/// At most so many characters; the last one says if there were more.
pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Pieces of at most so many characters.
pub(crate) fn pieces(text: &str, chars_max: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(chars_max).map(|piece| piece.iter().collect()).collect()
}

/// Text inside of HTML, attributes included.
pub(crate) fn html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Whether it is a link that may stand in a message.
pub(crate) fn is_link(url: &str) -> bool {
    (url.starts_with("https://") || url.starts_with("http://"))
        && !url.chars().any(|c| c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_no_line_breaks_and_an_end() {
        assert_eq!(line(" Pay\r\nBcc: eve@evil.example\u{0} ", 100), "Pay  Bcc: eve@evil.example");
        assert_eq!(line("äöüß", 4), "äöüß");
        assert_eq!(line("äöüßx", 4), "äöü…");
        assert_eq!(pieces("abcde", 2), ["ab", "cd", "e"]);
    }

    #[test]
    fn no_text_becomes_a_tag_or_leaves_an_attribute() {
        assert_eq!(html(r#"<a href="x" t='y'>&"#), "&lt;a href=&quot;x&quot; t=&#39;y&#39;&gt;&amp;");
        assert!(is_link("https://a.example/x?token=1"));
        for wrong in ["javascript:alert(1)", "https://a.example/ x", "//a.example", "https://a\n.example", ""] {
            assert!(!is_link(wrong), "{wrong}");
        }
    }
}
