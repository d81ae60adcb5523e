//! The kinds of things: how a noun is named, found and registered (spec NOU-1…4, ID-8, ID-9).

mod fields;
mod json;
mod recursion;
mod schema;
pub use schema::{Columns, Direction, Relation, SCHEMA_BYTES_MAX, Schema, VIOLATIONS_MAX};

use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::LazyLock;

/// A registered noun.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NounDef {
    /// The key, in PascalCase.
    pub noun: String,
    pub plural: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// As it was given; [`Schema::compile`] reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<serde_json::Value>,
    /// The class to run when a thing of this noun becomes an object of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub do_class: Option<String>,
}

impl NounDef {
    /// A noun nobody described: the regular plural and no schema.
    pub fn bare(noun: &str) -> Self {
        Self { noun: noun.to_owned(), plural: plural(noun), description: None, schema: None, do_class: None }
    }
}

/// Whether a name is a noun: a capital, then letters and digits, at most 64 characters, not all capitals.
pub fn is_noun(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_uppercase())
        && bytes.all(|b| b.is_ascii_alphanumeric())
        && name.len() <= 64
        && (name.len() == 1 || name.bytes().any(|b| b.is_ascii_lowercase()))
}

/// The regular plural, in the singular's spelling: `Company` gives `Companies`.
pub fn plural(noun: &str) -> String {
    let lower = noun.to_ascii_lowercase();
    if let Some(stem) = lower.strip_suffix('y')
        && stem.ends_with(|c: char| c.is_ascii_alphabetic() && !"aeiou".contains(c))
    {
        return format!("{}ies", &noun[..noun.len() - 1]);
    }
    let sibilant = ["s", "x", "z", "ch", "sh"].iter().any(|end| lower.ends_with(end));
    format!("{noun}{}", if sibilant { "es" } else { "s" })
}

/// The dashed lower-case form that URLs use: `BlogPost` gives `blog-post`, `HTTPServer` gives `http-server`.
pub fn slug(noun: &str) -> String {
    let chars: Vec<char> = noun.chars().collect();
    let mut slug = String::with_capacity(noun.len() + 4);
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|i| chars.get(i));
        let starts_word = before.is_some_and(|b| {
            b.is_ascii_lowercase()
                || b.is_ascii_digit()
                || (b.is_ascii_uppercase() && chars.get(at + 1).is_some_and(char::is_ascii_lowercase))
        });
        if c.is_ascii_uppercase() && starts_word {
            slug.push('-');
        }
        slug.push(c.to_ascii_lowercase());
    }
    slug
}

/// Whether a word in a URL means this noun: noun, plural or the dashed form of either, in any case.
pub fn matches(def: &NounDef, word: &str) -> bool {
    [&def.noun, &def.plural]
        .into_iter()
        .any(|form| form.eq_ignore_ascii_case(word) || slug(form).eq_ignore_ascii_case(word))
}

/// The words of founding routes, and the platform's own nouns: nobody may register these.
const RESERVED: [&str; 12] = [
    "Webhook",
    "Search",
    "Action",
    "Workflow",
    "Health",
    "Noun",
    "Verb",
    "Function",
    "Relationship",
    "Branch",
    "Object",
    "Config",
];

/// Routes that a noun may share a word with: it is then reached by its exact spelling only.
const ROUTES: [&str; 21] = [
    "keys",
    "events",
    "approvals",
    "integrations",
    "accounts",
    "objects",
    "branches",
    "verbs",
    "nouns",
    "relationships",
    "schedules",
    "subscriptions",
    "users",
    "orgs",
    "audit",
    "authz",
    "sql",
    "lifecycle",
    "checkout",
    "merge",
    "deployments",
];

/// Whether a noun's name is taken by the platform, in any number and case.
pub fn reserved(noun: &str) -> bool {
    RESERVED.iter().any(|word| word.eq_ignore_ascii_case(noun) || plural(word).eq_ignore_ascii_case(noun))
}

/// Whether a word of a URL is, exactly as it is spelt, a word of the platform's own routes (spec ID-9): no noun is ever
/// meant by it. `Account` is none, `accounts` is one.
pub fn is_route(word: &str) -> bool {
    static WORDS: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let reserved = RESERVED.iter().flat_map(|noun| [slug(noun), slug(&plural(noun))]);
        reserved.chain(ROUTES.iter().map(|route| (*route).to_owned())).collect()
    });
    WORDS.contains(word)
}

/// What the author of a noun should know when it, or its regular plural, is also a route of the platform.
pub fn shadowed(noun: &str) -> Option<String> {
    let plural = plural(noun);
    let route = ROUTES.iter().find(|route| route.eq_ignore_ascii_case(noun) || route.eq_ignore_ascii_case(&plural))?;
    Some(format!(
        "/api/{route} is a route of the platform, so things of the noun {noun} are reached only by its exact spelling, \
         /api/{noun}"
    ))
}

#[cfg(test)]
mod tests;
