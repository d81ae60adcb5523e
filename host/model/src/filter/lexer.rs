//! The words and signs of a filter.

use super::FilterError;
use serde_json::Number;

#[derive(Clone, PartialEq, Debug)]
pub(super) enum Token {
    /// A name or a keyword.
    Word(String),
    Text(String),
    Number(Number),
    /// One of [`SIGNS`].
    Sign(&'static str),
    End,
}

/// The longer ones first.
const SIGNS: [&str; 12] = ["==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ",", "."];

/// Tokens, each with the character where it begins; the last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut at = 0;
    loop {
        let trimmed = rest.trim_start();
        at += rest.chars().count() - trimmed.chars().count();
        if trimmed.is_empty() {
            tokens.push((at, Token::End));
            return Ok(tokens);
        }
        let (token, bytes) = token(trimmed, at)?;
        tokens.push((at, token));
        at += trimmed[..bytes].chars().count();
        rest = &trimmed[bytes..];
    }
}

/// The first token of a text that is not empty, and its length in bytes.
fn token(text: &str, at: usize) -> Result<(Token, usize), FilterError> {
    let first = text.chars().next().expect("it is not empty");
    if first.is_ascii_alphabetic() || matches!(first, '_' | '$') {
        let name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'-');
        let length = text.bytes().take_while(name).count();
        return Ok((Token::Word(text[..length].to_owned()), length));
    }
    if let Some(sign) = SIGNS.iter().find(|sign| text.starts_with(**sign)) {
        return Ok((Token::Sign(sign), sign.len()));
    }
    match first {
        '"' | '\'' => quoted(text, first, at),
        '-' | '0'..='9' => number(text, at),
        '=' => Err(FilterError { at, message: "a comparison is written ==".into() }),
        '&' | '|' | '!' => Err(FilterError { at, message: "write and, or, not".into() }),
        other => {
            let message = format!("{other:?} means nothing here; use paths, comparisons, and, or, not, parentheses");
            Err(FilterError { at, message })
        }
    }
}

fn quoted(text: &str, quote: char, at: usize) -> Result<(Token, usize), FilterError> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        match c {
            '\\' => match chars.next().map(|(_, escaped)| escaped) {
                Some(escaped @ ('"' | '\'' | '\\')) => value.push(escaped),
                Some('n') => value.push('\n'),
                Some('t') => value.push('\t'),
                Some(_) | None => {
                    let message = "a \\ in a text is followed by \", ', \\, n or t".into();
                    return Err(FilterError { at, message });
                }
            },
            end if end == quote => return Ok((Token::Text(value), index + end.len_utf8())),
            other => value.push(other),
        }
    }
    Err(FilterError { at, message: format!("this text has no closing {quote}") })
}

fn number(text: &str, at: usize) -> Result<(Token, usize), FilterError> {
    // Generous, so that `12abc` is a wrong number and not two tokens.
    let length = text
        .bytes()
        .enumerate()
        .take_while(|(index, b)| match b {
            b'-' | b'+' => *index == 0 || matches!(text.as_bytes()[index - 1], b'e' | b'E'),
            b => b.is_ascii_alphanumeric() || *b == b'.',
        })
        .count();
    let message = || format!("{:?} is no number; use 1000, -5, 0.25 or 1e6", &text[..length]);
    let number = serde_json::from_str::<Number>(&text[..length]).map_err(|_| FilterError { at, message: message() })?;
    Ok((Token::Number(number), length))
}
