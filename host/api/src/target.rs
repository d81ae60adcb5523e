//! Which thing a URL means, in which state: path, `@ref`, query and headers (spec 1.2 to 1.4).
//!
//! The raw path is split before it is percent-decoded, so that `%2F` stays inside an id and `%40` begins no ref
//! (spec ID-7); the router matches the raw path too.

use crate::app::Scope;
use crate::caller::Who;
use crate::handlers::checkout;
use crate::problem::Problem;
use crate::query::Fields;
use http::{HeaderMap, HeaderName, Uri};
use runtime::View;
use std::borrow::Cow;
use types::{BranchName, FaultKind, Noun, Ref, ThingId, ThingKey, Timestamp};

/// The header that names a ref.
pub(crate) const DO_REF: HeaderName = HeaderName::from_static("do-ref");
/// The query parameters that name one.
pub(crate) const REF_FIELDS: [&str; 4] = ["version", "v", "branch", "at"];

/// What a thing is wanted for: a name that cannot be is not found by who reads, and refused from who writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Access {
    Read,
    Write,
}

/// The raw segments of a path behind `/api`, the ref apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Segments<'a> {
    /// `Startup`, `startups`.
    pub(crate) noun: &'a str,
    pub(crate) id: Option<&'a str>,
    /// What lies below the thing: `versions`, `3`.
    pub(crate) below: [Option<&'a str>; 2],
    pub(crate) at: Option<Ref>,
}

impl<'a> Segments<'a> {
    /// Of `/api/{type}`, `/api/{type}/{id}` and what is below; the ref stands at the id, or at a type without one.
    ///
    /// # Errors
    /// 400 for two refs or one that is none.
    pub(crate) fn read(uri: &'a Uri) -> Result<Self, Problem> {
        Self::of(uri.path().strip_prefix("/api/").unwrap_or_default())
    }

    /// The same of a path without `/api`.
    pub(crate) fn of(path: &'a str) -> Result<Self, Problem> {
        let mut parts = path.strip_prefix('/').unwrap_or(path).split('/');
        let (noun, id) = (parts.next().unwrap_or_default(), parts.next());
        let below = [parts.next(), parts.next()];
        let (named, at) = split_ref(id.unwrap_or(noun))?;
        match id {
            Some(_) => Ok(Self { noun, id: Some(named), below, at }),
            None => Ok(Self { noun: named, id: None, below, at }),
        }
    }
}

/// A segment, and the ref behind its first unencoded `@`.
///
/// # Errors
/// 400 for two, or one that is none.
pub(crate) fn split_ref(segment: &str) -> Result<(&str, Option<Ref>), Problem> {
    let Some((named, at)) = segment.split_once('@') else { return Ok((segment, None)) };
    if at.contains('@') {
        let message = "a path has one @ref at most; an @ that belongs to an id is written %40";
        return Err(Problem::bad_request(message));
    }
    Ok((named, Some(parse_ref(&decode(at)?)?)))
}

/// # Errors
/// 400, with what would be accepted.
pub(crate) fn parse_ref(text: &str) -> Result<Ref, Problem> {
    Ref::parse(text).map_err(|e| Problem::bad_request(e.to_string()))
}

/// # Errors
/// 400 for what is not percent-encoded UTF-8.
pub(crate) fn decode(segment: &str) -> Result<Cow<'_, str>, Problem> {
    if !segment.contains('%') {
        return Ok(Cow::Borrowed(segment));
    }
    let decoded = types::percent_decode(segment);
    decoded.map(Cow::Owned).ok_or_else(|| Problem::bad_request("the path is not percent-encoded UTF-8"))
}

/// The state that a request is about. What its path, query and headers say must be the same (spec ID-14).
///
/// # Errors
/// 400 for two that disagree, and for what is no ref.
pub(crate) fn view(
    Who { scope, caller }: &Who,
    headers: &HeaderMap,
    path: Option<Ref>,
    fields: &mut Fields,
) -> Result<View, Problem> {
    let mut named = path.map(|at| ("the path", at));
    let mut agree = |by: &'static str, at: Ref| match &named {
        Some((earlier, other)) if *other != at => {
            let message = format!("{earlier} says @{other}, but {by} says @{at}; name one state");
            Err(Problem::bad_request(message))
        }
        Some(_) => Ok(()),
        None => {
            named = Some((by, at));
            Ok(())
        }
    };
    for (name, at) in fields.refs()? {
        agree(name, at)?;
    }
    for value in headers.get_all(DO_REF) {
        let text = value.to_str().map_err(|_| Problem::bad_request("DO-Ref is not ASCII"))?.trim();
        agree("DO-Ref", parse_ref(text.strip_prefix('@').unwrap_or(text))?)?;
    }
    let at = named.map_or(Ref::Head, |(_, at)| at);
    Ok(View { checkout: checkout::session(scope, caller, headers)?, at })
}

impl Fields {
    /// What [`REF_FIELDS`] say.
    fn refs(&mut self) -> Result<Vec<(&'static str, Ref)>, Problem> {
        let mut named = Vec::new();
        for name in REF_FIELDS {
            let Some(text) = self.take(name) else { continue };
            let (found, accepted) = match name {
                "branch" => (branch(&text), "the name of a branch"),
                "at" => (instant(&text), "a time like 2024-01-08T12:00:00Z, or a day like 2024-01-08"),
                _ => (version(&text), "a version's number"),
            };
            let at =
                found.ok_or_else(|| Problem::bad_request(format!("{name} must be {accepted}, not {:?}", cut(&text))));
            named.push((name, at?));
        }
        Ok(named)
    }
}

fn branch(text: &str) -> Option<Ref> {
    if text == "main" { Some(Ref::Branch(None)) } else { BranchName::parse(text).ok().map(Some).map(Ref::Branch) }
}

fn instant(text: &str) -> Option<Ref> {
    Timestamp::parse_date(text).or_else(|| Timestamp::parse(text)).map(Ref::At)
}

/// A number too large for any version is the number of none; nothing was misspelt.
fn version(text: &str) -> Option<Ref> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| Ref::Version(text.parse().unwrap_or(u64::MAX)))
}

pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(80)]
}

/// The noun that a word of a URL means.
///
/// # Errors
/// 404 when no noun can be meant, or none is that is read; 422 for a word that cannot become one.
pub(crate) async fn noun(scope: &Scope, raw: &str, access: Access) -> Result<Noun, Problem> {
    let word = decode(raw)?;
    if model::noun::is_route(&word) {
        return Err(Problem::not_found("there is no such route; GET /api lists what there is"));
    }
    let noun = match scope.object.noun_of(&word, access == Access::Write).await {
        Ok(noun) => noun,
        // It may have things on a branch only.
        Err(fault) if fault.kind == FaultKind::NotFound => Noun::parse(&word).map_err(|_| Problem::from(fault))?,
        Err(fault) => return Err(fault.into()),
    };
    if noun.as_str() != word && model::noun::shadowed(noun.as_str()).is_some() {
        let message = format!("{:?} is close to a word of the platform; things of it are at /api/{noun}", cut(&word));
        return Err(Problem::not_found(message));
    }
    Ok(noun)
}

/// # Errors
/// 404 for who reads, 422 for who writes, when nothing can be called that.
pub(crate) fn id(raw: &str, access: Access) -> Result<ThingId, Problem> {
    ThingId::parse(&decode(raw)?).map_err(|error| match access {
        Access::Read => Problem::not_found(error.to_string()),
        Access::Write => runtime::name_fault(&error).into(),
    })
}

/// A thing, and the state it is wanted in.
pub(crate) struct Target {
    pub(crate) key: ThingKey,
    pub(crate) view: View,
}

impl Target {
    pub(crate) async fn read(
        who: &Who,
        uri: &Uri,
        headers: &HeaderMap,
        fields: &mut Fields,
        access: Access,
    ) -> Result<Self, Problem> {
        let segments = Segments::read(uri)?;
        let noun = noun(&who.scope, segments.noun, access).await?;
        let key = ThingKey::new(noun, id(segments.id.unwrap_or_default(), access)?);
        Ok(Self { key, view: view(who, headers, segments.at, fields)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_raw_path_is_split_before_it_is_decoded() {
        let check = |path: &str, noun: &str, id: Option<&str>, at: Option<&str>| {
            let uri: Uri = path.parse().unwrap();
            let segments = Segments::read(&uri).ok().unwrap();
            let at = at.map(|at| Ref::parse(at).unwrap());
            assert_eq!((segments.noun, segments.id, segments.at), (noun, id, at), "{path}");
        };
        check("/api/Note", "Note", None, None);
        check("/api/notes@x", "notes", None, Some("x"));
        check("/api/Note/a%2Fb", "Note", Some("a%2Fb"), None);
        check("/api/Note/j%40x.y@v3", "Note", Some("j%40x.y"), Some("v3"));
        check("/api/Note/a@feature%2Fx", "Note", Some("a"), Some("feature/x"));
        check("/api/Note/a@x/versions", "Note", Some("a"), Some("x"));
        check("/api/Note/a@2024-01-08T12:00:00Z", "Note", Some("a"), Some("2024-01-08T12:00:00Z"));
        for bad in ["/api/Note/a@x@y", "/api/Note/a@", "/api/Note/a@%zz", "/api/Note/a@a%40b", "/api/Note/a@HEAD"] {
            let uri: Uri = bad.parse().unwrap();
            assert!(Segments::read(&uri).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_segment_decodes_or_is_refused() {
        assert_eq!(decode("a%2Fb").ok().as_deref(), Some("a/b"));
        for bad in ["%", "%4", "%zz", "%ff"] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }
}
