//! How a thing is named on the command line: `Startup/acme`, `Startup/acme@v3`, or type and id apart; and the request that
//! is about it.
//!
//! In one word the first `@` begins a ref and `%40` is a literal one, as in a URL (spec ID-7, ID-10). Apart, the id is
//! taken as it is typed.

use crate::client::Client;
use crate::failure::{Failure, Result};
use reqwest::{Method, RequestBuilder, Url};
use types::{Ref, ThingId, ThingKey};

/// The request's ref (spec ID-14).
const DO_REF: &str = "do-ref";
/// The longest noun is 64; plural and dashes make it longer.
const TYPE_BYTES_MAX: usize = 200;

/// Words that are routes of the platform before they are types (spec ID-9). A noun that is spelt like one is reached by
/// its own spelling, `Account`.
const ROUTES: &[&str] = &[
    "accounts",
    "actions",
    "actions-log",
    "approvals",
    "audit",
    "authz",
    "branches",
    "checkout",
    "events",
    "functions",
    "health",
    "integrations",
    "keys",
    "lifecycle",
    "merge",
    "nouns",
    "objects",
    "orgs",
    "relationships",
    "rpc",
    "schedules",
    "search",
    "secrets",
    "sql",
    "subscriptions",
    "users",
    "verbs",
    "webhooks",
    "workflows",
];

// Which thing is meant. (A doc comment here would become the description of every command that flattens it.)
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// Startup/acme or Startup/acme@v3; or only the type, with the id behind it
    #[arg(value_name = "THING")]
    thing: String,
    /// The id as it is, where THING is only the type
    #[arg(value_name = "ID")]
    id: Option<String>,
    #[command(flatten)]
    when: When,
}

// At which ref.
#[derive(Debug, clap::Args)]
pub(crate) struct When {
    /// A branch, v12, ~1, experiment~1, 2024-01-08 or a time; the same as @REF behind the thing
    #[arg(long, alias = "ref", value_name = "REF")]
    pub(crate) at: Option<String>,
}

/// A thing, and the ref at which it is meant. The type is a noun, a plural or a slug: only the server knows which.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Address {
    pub(crate) kind: String,
    pub(crate) id: ThingId,
    /// Checked, without the `@`.
    pub(crate) at: Option<String>,
}

impl Which {
    pub(crate) fn address(&self) -> Result<Address> {
        let at = self.when.at()?;
        match &self.id {
            Some(id) => {
                let id = ThingId::parse(id).map_err(Failure::usage)?;
                Ok(Address { kind: type_word(&self.thing)?, id, at })
            }
            None => Address::parse(&self.thing)?.at(at),
        }
    }
}

impl When {
    /// The checked ref, without the `@`.
    pub(crate) fn at(&self) -> Result<Option<String>> {
        self.at.as_deref().map(parse_ref).transpose()
    }
}

impl Address {
    /// From `Startup/acme@v3`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let (kind, rest) = text.split_once('/').filter(|(_, rest)| !rest.is_empty()).ok_or_else(|| {
            Failure::usage(format!(
                "{text:?} is no thing: write Type/id, like Startup/acme, or the type and the id apart"
            ))
        })?;
        let (id, at) = match rest.split_once('@') {
            Some((_, at)) if at.contains('@') => {
                return Err(Failure::usage(format!(
                    "{text:?} has two @: a ref begins at the first; write %40 for one that belongs to the id"
                )));
            }
            Some((id, at)) => (id, Some(parse_ref(at)?)),
            None => (rest, None),
        };
        Ok(Self { kind: type_word(kind)?, id: decode(id)?, at })
    }

    /// With the ref of a flag, which must not name another.
    pub(crate) fn at(mut self, at: Option<String>) -> Result<Self> {
        match (&self.at, at) {
            (Some(said), Some(at)) if *said != at => {
                Err(Failure::usage(format!("@{said} behind the thing and --at {at} name two refs: give one of them")))
            }
            (_, None) => Ok(self),
            (_, at) => {
                self.at = at;
                Ok(self)
            }
        }
    }

    /// `/api/Startup/acme/…`
    pub(crate) fn url(&self, client: &Client, more: &[&str]) -> Url {
        let segments: Vec<&str> =
            [self.kind.as_str(), self.id.as_str()].into_iter().chain(more.iter().copied()).collect();
        literal(client.url(&segments))
    }

    /// A request about this thing at this ref.
    pub(crate) fn request(&self, client: &Client, method: Method, more: &[&str]) -> Result<RequestBuilder> {
        self.query(client, method, more, &[])
    }

    /// The same with a query.
    pub(crate) fn query(
        &self,
        client: &Client,
        method: Method,
        more: &[&str],
        query: &[(&str, &str)],
    ) -> Result<RequestBuilder> {
        let mut url = self.url(client, more);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Ok(with_ref(client.request(method, url)?, self.at.as_deref()))
    }
}

/// As it can be typed again.
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The noun stands in only for the spelling of the id.
        let key = ThingKey::new(types::Noun::parse("A").map_err(|_| std::fmt::Error)?, self.id.clone()).to_string();
        write!(f, "{}/{}", self.kind, key.trim_start_matches("A/"))?;
        self.at.as_ref().map_or(Ok(()), |at| write!(f, "@{at}"))
    }
}

/// The same request at a ref.
pub(crate) fn with_ref(request: RequestBuilder, at: Option<&str>) -> RequestBuilder {
    match at {
        Some(at) => request.header(DO_REF, format!("@{at}")),
        None => request,
    }
}

/// `@` in a path begins a ref unless it is encoded.
pub(crate) fn literal(mut url: Url) -> Url {
    let path = url.path().replace('@', "%40");
    url.set_path(&path);
    url
}

/// A ref with or without its `@`, checked.
pub(crate) fn parse_ref(text: &str) -> Result<String> {
    let text = text.strip_prefix('@').unwrap_or(text);
    let text = if text.contains('%') { decode(text)?.as_str().to_owned() } else { text.to_owned() };
    Ref::parse(&text).map_err(Failure::usage)?;
    Ok(text)
}

/// A type as a URL takes it: noun, plural or slug.
pub(crate) fn type_word(text: &str) -> Result<String> {
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.len() <= TYPE_BYTES_MAX
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !is_word {
        let shown: String = text.chars().take(80).collect();
        return Err(Failure::usage(format!(
            "{shown:?} is no type: write the noun or its plural, like Startup or startups"
        )));
    }
    if ROUTES.contains(&text) {
        return Err(Failure::usage(format!(
            "{text:?} is a word of the platform, not a type: write the noun as it was registered, like Account"
        )));
    }
    Ok(text.to_owned())
}

/// An id as a URL spells it.
fn decode(text: &str) -> Result<ThingId> {
    let key = ThingKey::parse(&format!("A/{text}")).map_err(|error| {
        Failure::usage(error).with_hint("write % as %25 and @ as %40, or give the type and the id apart")
    })?;
    Ok(key.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(kind: &str, id: &str, at: Option<&str>) -> Address {
        Address { kind: kind.to_owned(), id: ThingId::parse(id).unwrap(), at: at.map(str::to_owned) }
    }

    #[test]
    fn a_thing_is_named_with_its_ref() {
        for (text, meant) in [
            ("Startup/acme", address("Startup", "acme", None)),
            ("startups/acme@v3", address("startups", "acme", Some("v3"))),
            ("blog-post/a%2Fb@feature/x", address("blog-post", "a/b", Some("feature/x"))),
            ("Note/a/b@feature%2Fx~1", address("Note", "a/b", Some("feature/x~1"))),
            ("Human/john%40acme.com@~1", address("Human", "john@acme.com", Some("~1"))),
            ("Account/1@2024-01-08T12:00:00Z", address("Account", "1", Some("2024-01-08T12:00:00Z"))),
        ] {
            let parsed = Address::parse(text).unwrap();
            assert_eq!(parsed, meant, "{text}");
            assert_eq!(Address::parse(&parsed.to_string()).unwrap(), meant, "{parsed}");
        }
    }

    #[test]
    fn what_names_no_thing_is_refused_with_what_would() {
        for (text, why) in [
            ("acme", "Startup/acme"),
            ("Startup/", "Startup/acme"),
            ("Startup/@v1", "1 to 256 bytes"),
            ("Startup/a@b@c", "%40"),
            ("Startup/a@", "no ref"),
            ("Startup/a@v1~2", "no ref"),
            ("Startup/100%", "percent-encoded"),
            ("Startup/-x", "begin with"),
            ("Startup/..", "begin with"),
            ("../x", "no type"),
            ("accounts/1", "like Account"),
            ("/x", "no type"),
        ] {
            let failure = Address::parse(text).unwrap_err();
            assert_eq!(failure.exit as u8, 2, "{text}");
            assert!(failure.message.contains(why), "{text}: {}", failure.message);
        }
    }

    #[test]
    fn two_refs_must_agree() {
        let thing = Address::parse("Startup/acme@v3").unwrap();
        assert_eq!(thing.clone().at(Some("v3".into())).unwrap(), thing);
        assert!(thing.at(Some("v4".into())).is_err());
    }
}
