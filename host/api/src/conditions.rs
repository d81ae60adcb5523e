//! Conditional requests (RFC 9110, 13; spec VER-21, VER-22). A tag is `"v12"`: the version.

use crate::problem::Problem;
use http::{HeaderMap, HeaderName, header};
use runtime::Expect;
use std::time::{Duration, SystemTime};
use types::ThingRow;

/// What one header of tags said.
#[derive(PartialEq, Eq, Debug)]
enum Tags {
    Star,
    /// Those that name a version, and whether they are weak; other tags match nothing here.
    Listed(Vec<(u64, bool)>),
}

/// What a write asks of the thing's state.
///
/// # Errors
/// 400 for a tag that is none.
pub(crate) fn of_write(headers: &HeaderMap) -> Result<Expect, Problem> {
    let (present, absent) = (tags(headers, header::IF_MATCH)?, tags(headers, header::IF_NONE_MATCH)?);
    match (present, absent) {
        (None, None) => Ok(Expect::Anything),
        (None, Some(Tags::Star)) => Ok(Expect::Absent),
        (None, Some(Tags::Listed(_))) => Err(Problem::bad_request("If-None-Match of a write takes only *")),
        (Some(Tags::Star), None) => Ok(Expect::Present),
        (Some(Tags::Listed(tags)), None) => {
            // A weak tag is about what a thing looks like, not about which version it is.
            Ok(Expect::Versions(tags.into_iter().filter(|(_, weak)| !weak).map(|(version, _)| version).collect()))
        }
        (Some(_), Some(_)) => Err(Problem::bad_request("If-Match and If-None-Match exclude each other")),
    }
}

/// Whether who reads has this version already.
///
/// # Errors
/// 400 for a tag that is none.
pub(crate) fn is_known(headers: &HeaderMap, row: &ThingRow) -> Result<bool, Problem> {
    match tags(headers, header::IF_NONE_MATCH)? {
        Some(Tags::Star) => Ok(true),
        Some(Tags::Listed(tags)) => Ok(tags.iter().any(|(version, _)| *version == row.version)),
        None => Ok(since(headers).is_some_and(|since| last_modified(row) <= since)),
    }
}

/// A date that cannot be read is as good as none (RFC 9110, 13.1.3).
fn since(headers: &HeaderMap) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(header::IF_MODIFIED_SINCE)?.to_str().ok()?).ok()
}

/// In whole seconds, as HTTP tells it.
pub(crate) fn last_modified(row: &ThingRow) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(row.created_at.as_millis() / 1_000)
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Result<Option<Tags>, Problem> {
    let mut found = None;
    for value in headers.get_all(&name) {
        let refuse = || Problem::bad_request(format!("{name} must be *, or tags like \"v3\", \"v4\""));
        let text = value.to_str().map_err(|_| refuse())?.trim();
        if text == "*" && found.is_none() {
            found = Some(Tags::Star);
            continue;
        }
        match found.get_or_insert_with(|| Tags::Listed(Vec::new())) {
            Tags::Star => return Err(refuse()),
            Tags::Listed(tags) => read_tags(text, tags).ok_or_else(refuse)?,
        }
    }
    Ok(found)
}

/// None when it is no list of tags, or an empty one.
fn read_tags(text: &str, tags: &mut Vec<(u64, bool)>) -> Option<()> {
    let mut rest = text;
    loop {
        let (weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let (tag, after) = quoted.strip_prefix('"')?.split_once('"')?;
        let digits = tag.strip_prefix('v').filter(|n| n.bytes().all(|b| b.is_ascii_digit()));
        if let Some(version) = digits.and_then(|n| n.parse().ok()) {
            tags.push((version, weak));
        }
        rest = after.trim_start();
        if rest.is_empty() {
            return Some(());
        }
        rest = rest.strip_prefix(',')?.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name, value.parse().unwrap());
        }
        map
    }

    #[test]
    fn a_write_is_conditional_on_strong_tags() {
        let check = |value: &str, expected: Option<Expect>| {
            assert_eq!(of_write(&headers(&[(header::IF_MATCH, value)])).ok(), expected, "{value}");
        };
        check("*", Some(Expect::Present));
        check("\"v3\"", Some(Expect::Versions(vec![3])));
        check("\"v3\" , \"v12\"", Some(Expect::Versions(vec![3, 12])));
        check("W/\"v3\", \"v4\"", Some(Expect::Versions(vec![4])));
        check("W/\"v3\"", Some(Expect::Versions(vec![])));
        check("\"other\", \"a,b\"", Some(Expect::Versions(vec![])));
        for bad in ["v3", "\"v3", "\"v3\" \"v4\"", "\"v3\",", "", "*, \"v3\"", "w/\"v3\""] {
            check(bad, None);
        }
        let several = headers(&[(header::IF_MATCH, "\"v1\""), (header::IF_MATCH, "\"v2\"")]);
        assert_eq!(of_write(&several).ok(), Some(Expect::Versions(vec![1, 2])));
        assert_eq!(of_write(&headers(&[(header::IF_NONE_MATCH, "*")])).ok(), Some(Expect::Absent));
        assert!(of_write(&headers(&[(header::IF_NONE_MATCH, "\"v1\"")])).is_err());
        assert!(of_write(&headers(&[(header::IF_NONE_MATCH, "*"), (header::IF_MATCH, "*")])).is_err());
        assert_eq!(of_write(&HeaderMap::new()).ok(), Some(Expect::Anything));
    }
}
