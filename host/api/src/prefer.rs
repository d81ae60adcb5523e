//! `Prefer` (RFC 7240; spec VER-23).

use http::{HeaderMap, HeaderName, HeaderValue, header};

pub(crate) const PREFER: HeaderName = HeaderName::from_static("prefer");
pub(crate) const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// How much of what was written its writer wants back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Return {
    Minimal,
    Representation,
}

/// What `return=` says; the first one counts, what is not known is as good as none.
pub(crate) fn returns(headers: &HeaderMap) -> Option<Return> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(',')).filter_map(|one| one.split(';').next());
    let value = preferences.find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        name.trim().eq_ignore_ascii_case("return").then(|| value.trim().trim_matches('"'))
    })?;
    match value {
        "minimal" => Some(Return::Minimal),
        "representation" => Some(Return::Representation),
        _ => None,
    }
}

/// Says what was done about it.
pub(crate) fn write(headers: &mut HeaderMap, applied: Option<Return>) {
    let value = match applied {
        None => return,
        Some(Return::Minimal) => "return=minimal",
        Some(Return::Representation) => "return=representation",
    };
    headers.insert(PREFERENCE_APPLIED, HeaderValue::from_static(value));
    headers.append(header::VARY, HeaderValue::from_static("prefer"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_return_counts() {
        let check = |value: &str, expected| {
            let mut headers = HeaderMap::new();
            headers.insert(PREFER, value.parse().unwrap());
            assert_eq!(returns(&headers), expected, "{value}");
        };
        check("return=minimal", Some(Return::Minimal));
        check("wait=5, Return = \"representation\"; x=1", Some(Return::Representation));
        check("return=minimal, return=representation", Some(Return::Minimal));
        check("respond-async", None);
        check("return=other", None);
    }
}
