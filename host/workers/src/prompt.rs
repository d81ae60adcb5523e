//! What no model may see is taken out of what it is told (spec AGT-5): known secrets, and what looks like one.

use types::REDACTED;

/// Shorter values would be found in words that are none.
const SECRET_BYTES_MIN: usize = 6;

/// How credentials of well-known issuers begin, and how many letters follow at least.
const ISSUED: [(&str, usize); 16] = [
    ("sk_", 20),
    ("sk-", 16),
    ("pk_live_", 16),
    ("rk_live_", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghs_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("xapp-", 16),
    ("AKIA", 16),
    ("AIza", 30),
    ("whsec_", 16),
    ("eyJ", 40),
];

/// The text without the values of `secrets`, private keys, and tokens of well-known issuers.
pub fn without_secrets(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    // The longest first: one may be a part of another.
    let mut known: Vec<_> = secrets.iter().filter(|secret| secret.len() >= SECRET_BYTES_MIN).collect();
    known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    for secret in known {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), REDACTED);
        }
    }
    without_tokens(&without_private_keys(&text))
}

fn without_private_keys(text: &str) -> String {
    const BEGIN: &str = "-----BEGIN ";
    const END: &str = "-----END ";
    let (mut rest, mut kept) = (text, String::with_capacity(text.len()));
    while let Some(at) = rest.find(BEGIN) {
        let (before, block) = rest.split_at(at);
        let is_private = block.lines().next().is_some_and(|line| line.contains("PRIVATE KEY"));
        kept.push_str(before);
        if !is_private {
            kept.push_str(BEGIN);
            rest = &block[BEGIN.len()..];
            continue;
        }
        kept.push_str(REDACTED);
        // Without an end all that follows may belong to it.
        let behind = block.find(END).and_then(|end| {
            let tail = &block[end + END.len()..];
            tail.find("-----").map(|dashes| &tail[dashes + 5..])
        });
        rest = behind.unwrap_or("");
    }
    kept.push_str(rest);
    kept
}

fn without_tokens(text: &str) -> String {
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '~' | '+' | '/' | '=');
    let mut kept = String::with_capacity(text.len());
    let (mut rest, mut follows_bearer) = (text, false);
    while !rest.is_empty() {
        let word = rest.find(|c| !is_of_token(c)).unwrap_or(rest.len());
        if word == 0 {
            let gap = rest.find(is_of_token).unwrap_or(rest.len());
            kept.push_str(&rest[..gap]);
            rest = &rest[gap..];
            continue;
        }
        let token = &rest[..word];
        if follows_bearer && token.len() >= 16 {
            kept.push_str(REDACTED);
        } else {
            kept.push_str(&shown(token));
        }
        follows_bearer = token.eq_ignore_ascii_case("bearer");
        rest = &rest[word..];
    }
    kept
}

/// `key=sk-…` is a word as well: what is before the token stays.
fn shown(word: &str) -> String {
    let found = ISSUED.iter().filter_map(|(prefix, more)| {
        let at = word.find(prefix)?;
        let begins = word[..at].chars().next_back().is_none_or(|c| !c.is_ascii_alphanumeric());
        let letters = word[at + prefix.len()..].chars().filter(char::is_ascii_alphanumeric).count();
        (begins && letters >= *more).then_some(at)
    });
    match found.min() {
        Some(at) => format!("{}{REDACTED}", &word[..at]),
        None => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_that_are_known_and_tokens_that_look_like_some_are_taken_out() {
        let secrets = ["hunter2-hunter2".to_owned(), "hunter2-hunter2-more".to_owned(), "abc".to_owned()];
        for (text, left) in [
            ("log in with hunter2-hunter2-more, abc", "log in with [REDACTED], abc"),
            ("key=sk-abcdefghijklmnopqrstuvwx, and on", "key=[REDACTED], and on"),
            ("Authorization: Bearer 0123456789abcdef0123", "Authorization: Bearer [REDACTED]"),
            ("AKIAIOSFODNN7EXAMPLEX is one", "[REDACTED] is one"),
            ("a\n-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nb", "a\n[REDACTED]\nb"),
            ("-----BEGIN PRIVATE KEY-----\nMIIE", "[REDACTED]"),
        ] {
            assert_eq!(without_secrets(text, &secrets), left);
        }
    }

    #[test]
    fn other_text_stays_as_it_is() {
        let text = "Ask-me task-force sk-short. -----BEGIN CERTIFICATE-----\nMI\n-----END CERTIFICATE-----\n ö\u{1F600} bearer of news";
        assert_eq!(without_secrets(text, &[]), text);
    }
}
