//! Query strings, strictly: a misspelt filter must not answer with everything.

use crate::config::limits;
use crate::problem::Problem;
use axum::extract::Query;
use http::Uri;
use std::collections::BTreeMap;
use std::str::FromStr;
use types::Timestamp;

/// A request's parameters, each known and given once.
pub(crate) struct Fields(BTreeMap<String, String>);

impl Fields {
    /// # Errors
    /// 400 for a parameter that is not among `known`, stands twice, or is not UTF-8.
    pub(crate) fn read(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let (fields, others) = Self::split(uri, known)?;
        match others.into_iter().next() {
            None => Ok(fields),
            Some((name, _)) => {
                let accepted = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(Problem::bad_request(format!("there is no parameter {name:?} here; accepted: {accepted}")))
            }
        }
    }

    /// Those that are known, and all others.
    ///
    /// # Errors
    /// 400 for one that stands twice, or is not UTF-8.
    pub(crate) fn split(uri: &Uri, known: &[&str]) -> Result<(Self, BTreeMap<String, String>), Problem> {
        let (mut fields, mut others) = (BTreeMap::new(), BTreeMap::new());
        if uri.query().is_none_or(str::is_empty) {
            return Ok((Self(fields), others));
        }
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| Problem::bad_request("the query cannot be read"))?;
        for (name, value) in pairs {
            let map = if known.contains(&name.as_str()) { &mut fields } else { &mut others };
            if map.insert(name.clone(), value).is_some() {
                return Err(Problem::bad_request(format!("the parameter {name:?} stands more than once")));
            }
        }
        Ok((Self(fields), others))
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }

    /// Also an empty one.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// # Errors
    /// 400 with what would be accepted.
    pub(crate) fn parsed<T: FromStr>(&mut self, name: &str, accepted: &str) -> Result<Option<T>, Problem> {
        self.with(name, accepted, |text| text.parse().ok())
    }

    pub(crate) fn with<T>(
        &mut self,
        name: &str,
        accepted: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let found = parse(&text);
        found.map(Some).ok_or_else(|| Problem::bad_request(format!("{name} must be {accepted}, not {text:?}")))
    }

    pub(crate) fn time(&mut self, name: &str) -> Result<Option<Timestamp>, Problem> {
        self.with(name, "a time like 2024-01-08T12:00:00Z", Timestamp::parse)
    }

    /// Rows in the page that is asked for.
    pub(crate) fn limit(&mut self, max: u32) -> Result<u32, Problem> {
        let accepted = format!("a number from 1 to {max}");
        let limit = self.with("limit", &accepted, |text| text.parse().ok().filter(|n| (1..=max).contains(n)))?;
        Ok(limit.unwrap_or(limits::PAGE_DEFAULT.min(max)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_repeated_or_unreadable_parameters_are_refused() {
        let read = |query: &str| Fields::read(&format!("/x?{query}").parse().unwrap(), &["limit", "verb"]);
        let mut fields = read("verb=a%20b&limit=7").ok().unwrap();
        assert_eq!((fields.text("verb").as_deref(), fields.limit(100).ok()), (Some("a b"), Some(7)));
        assert!(read("verbs=a").is_err());
        assert!(read("verb=a&verb=b").is_err());
        for bad in ["0", "101", "-1", "x", "99999999999999999999"] {
            assert!(read(&format!("limit={bad}")).ok().unwrap().limit(100).is_err(), "{bad}");
        }
        assert_eq!(read("").ok().unwrap().limit(100).ok(), Some(limits::PAGE_DEFAULT));
    }
}
