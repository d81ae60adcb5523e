//! Which events a subscription is for: `Customer.created`, `*.created`, `Customer.*`, `*.*` (spec ON-1, ON-2, TRG-2).
//!
//! Names are compared as they are: the noun of a kind of thing or of a provider (`github`), and the verb in the form
//! that events have (`created`, `payment_intent.succeeded`).

use crate::quote;
use std::fmt;
use std::str::FromStr;

/// The longest noun, in bytes; as [`types::Noun`] has it.
pub const NOUN_BYTES_MAX: usize = types::Noun::LENGTH_MAX;

/// The longest verb, its dots included, in bytes.
pub const VERB_BYTES_MAX: usize = 128;

/// Why a pattern was refused: what was wrong and what would be accepted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{} {reason}; use Noun.verb like Customer.created or github.issues.opened, with * for any noun or any verb",
    quote(text)
)]
pub struct PatternError {
    pub text: String,
    pub reason: &'static str,
}

/// What a subscription is for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pattern {
    noun: Part,
    verb: Part,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Part {
    Any,
    Named(String),
}

/// How closely a pattern names its events. Of equal priority, the more exact subscription is served first (spec ON-2),
/// so this is the order of dispatch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Rank {
    /// `Customer.created`
    Exact,
    /// `Customer.*`
    AnyVerb,
    /// `*.created`
    AnyNoun,
    /// `*.*`
    Any,
}

impl Pattern {
    /// A noun that does not exist yet is fine; one that could never exist is not (spec ON-8).
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let refuse = |reason| PatternError { text: text.to_owned(), reason };
        let Some((noun, verb)) = text.split_once('.') else { return Err(refuse("has no dot between noun and verb")) };
        let noun = match noun {
            "*" => Part::Any,
            noun if types::Noun::parse(noun).is_ok() || is_provider(noun) => Part::Named(noun.to_owned()),
            "" => return Err(refuse("has no noun")),
            _ => return Err(refuse("begins with what is neither a noun (Customer) nor a provider (github)")),
        };
        let verb = match verb {
            "*" => Part::Any,
            verb if is_verb(verb) => Part::Named(verb.to_owned()),
            "" => return Err(refuse("has no verb")),
            verb if verb.contains('*') => {
                return Err(refuse("has a * within the verb, where a name alone stands for all that begin with it"));
            }
            _ => return Err(refuse("has a verb that is none: letters, digits, _ and -, in parts with dots between")),
        };
        Ok(Self { noun, verb })
    }

    /// Whether an event with this noun and verb is meant. A verb stands for its parts too: `github.issues` is for
    /// `issues.opened` (spec TRG-2).
    pub fn matches(&self, noun: &str, verb: &str) -> bool {
        let noun_matches = match &self.noun {
            Part::Any => true,
            Part::Named(named) => named == noun,
        };
        noun_matches
            && match &self.verb {
                Part::Any => true,
                Part::Named(named) => {
                    verb.strip_prefix(named.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                }
            }
    }

    pub fn rank(&self) -> Rank {
        match (&self.noun, &self.verb) {
            (Part::Named(_), Part::Named(_)) => Rank::Exact,
            (Part::Named(_), Part::Any) => Rank::AnyVerb,
            (Part::Any, Part::Named(_)) => Rank::AnyNoun,
            (Part::Any, Part::Any) => Rank::Any,
        }
    }

    /// None for `*`.
    pub fn noun(&self) -> Option<&str> {
        self.noun.name()
    }

    /// None for `*`.
    pub fn verb(&self) -> Option<&str> {
        self.verb.name()
    }
}

impl Part {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::Named(name) => Some(name),
        }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::parse(text)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.noun().unwrap_or("*"), self.verb().unwrap_or("*"))
    }
}

/// `github`, `google-calendar`.
fn is_provider(text: &str) -> bool {
    text.len() <= NOUN_BYTES_MAX
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

/// `created`, `payment_intent.succeeded`.
fn is_verb(text: &str) -> bool {
    text.len() <= VERB_BYTES_MAX
        && text.split('.').all(|part| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pattern_is_for_the_events_it_names() {
        for (pattern, noun, verb, expected) in [
            ("Customer.created", "Customer", "created", true),
            ("Customer.created", "Customer", "deleted", false),
            ("Customer.created", "Order", "created", false),
            ("Customer.created", "customer", "created", false),
            ("Customer.created", "Customer", "Created", false),
            ("*.created", "Customer", "created", true),
            ("*.created", "Customer", "deleted", false),
            ("Customer.*", "Customer", "deleted", true),
            ("Customer.*", "CustomerGroup", "deleted", false),
            ("*.*", "github", "issues.opened", true),
            ("github.issues", "github", "issues.opened", true),
            ("github.issues", "github", "issues", true),
            ("github.issues", "github", "issues_closed", false),
            ("github.issues", "github", "issue", false),
            ("github.issues.opened", "github", "issues.opened", true),
            ("github.issues.opened", "github", "issues.closed", false),
            ("github.issues.opened", "github", "issues", false),
            ("stripe.payment_intent.succeeded", "stripe", "payment_intent.succeeded", true),
            ("stripe.*", "stripe", "payment_intent.succeeded", true),
        ] {
            let parsed = Pattern::parse(pattern).expect(pattern);
            assert_eq!(parsed.matches(noun, verb), expected, "{pattern} and {noun}.{verb}");
            assert_eq!(parsed.to_string(), pattern);
        }
    }

    #[test]
    fn the_more_exact_pattern_comes_first() {
        let mut patterns = ["*.*", "*.created", "Customer.*", "Customer.created", "github.issues"];
        patterns.sort_by_key(|pattern| Pattern::parse(pattern).expect(pattern).rank());
        assert_eq!(patterns, ["Customer.created", "github.issues", "Customer.*", "*.created", "*.*"]);
    }

    #[test]
    fn a_malformed_name_is_refused() {
        for text in [
            "",
            ".",
            "*",
            "Customer",
            "Customer.",
            ".created",
            "CUSTOMER.created",
            "Cust*.created",
            "Customer.crea*",
            "github.issues.*",
            "Customer..created",
            "Customer.created.",
            "Customer. created",
            " Customer.created",
            "Kunde é.x",
            "Customer.1st",
            "Blog Post.created",
            "blogPost.created",
            "9.created",
            "**.created",
            "Customer.crée",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text:?} must be refused");
        }
        assert!(Pattern::parse(&format!("{}.x", "a".repeat(NOUN_BYTES_MAX))).is_ok());
        assert!(Pattern::parse(&format!("{}.x", "a".repeat(NOUN_BYTES_MAX + 1))).is_err());
        assert!(Pattern::parse(&format!("A.{}", "a".repeat(VERB_BYTES_MAX))).is_ok());
        assert!(Pattern::parse(&format!("A.{}", "a".repeat(VERB_BYTES_MAX + 1))).is_err());
        let error = Pattern::parse("github.issues.*").expect_err("a * is the whole verb");
        assert_eq!(
            error.to_string(),
            "\"github.issues.*\" has a * within the verb, where a name alone stands for all that begin with it; use \
             Noun.verb like Customer.created or github.issues.opened, with * for any noun or any verb"
        );
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "\\PC{0,20}|[A-Za-z*._]{0,12}", noun in "\\PC{0,5}", verb in "\\PC{0,8}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                prop_assert_eq!(pattern.to_string(), text);
                pattern.matches(&noun, &verb);
            }
        }
    }
}
