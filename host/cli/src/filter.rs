//! `--where 'age>10'`: what is typed, as the query the server understands (spec SEA-3).

use crate::failure::{Failure, Result};

/// How a condition is typed, and the end of the query key that says the same. What is longer stands first.
const OPERATORS: &[(&str, &str)] = &[
    (">=", "_gte"),
    ("<=", "_lte"),
    ("!=", "_ne"),
    ("^=", "_startsWith"),
    ("~=", "_contains"),
    (">", "_gt"),
    ("<", "_lt"),
    ("=", ""),
];
/// The list's own words: a field that is called like one cannot be asked for by `=`.
const WORDS: &[&str] =
    &["limit", "offset", "cursor", "sort", "includeDeleted", "branch", "at", "version", "v", "fields", "shape"];

/// Key and value of the query for `age>10`, `status=active`, `name^=A`, `city?` (is there) or `!city` (is not).
pub(crate) fn parse(text: &str) -> Result<(String, String)> {
    let refuse = || {
        Failure::usage(format!(
            "--where {text:?} is no condition: write field=value, or != > >= < <= ~= (contains) ^= (begins with), field? or !field"
        ))
    };
    let first = text.find(['>', '<', '!', '^', '~', '=']);
    let condition = match first {
        Some(0) if text.starts_with('!') => (text.get(1..).unwrap_or_default(), "_exists", "false"),
        None => (text.strip_suffix('?').ok_or_else(refuse)?, "_exists", "true"),
        Some(at) => {
            let (field, rest) = text.split_at(at);
            let operator = OPERATORS.iter().find(|(typed, _)| rest.starts_with(typed)).ok_or_else(refuse)?;
            (field, operator.1, rest.get(operator.0.len()..).unwrap_or_default())
        }
    };
    let (field, suffix, value) = (condition.0.trim(), condition.1, condition.2.trim());
    if field.is_empty() || field.contains(['>', '<', '!', '^', '~', '=', '?']) {
        return Err(refuse());
    }
    if value.is_empty() && matches!(suffix, "_gt" | "_gte" | "_lt" | "_lte") {
        return Err(Failure::usage(format!("--where {text:?}: behind the comparison stands a value, like {field}>10")));
    }
    if suffix.is_empty() && WORDS.contains(&field) {
        return Err(Failure::usage(format!(
            "a list cannot be filtered by {field}=: {field} is a word of the list itself"
        )));
    }
    Ok((format!("{field}{suffix}"), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_become_query_keys() {
        for (text, key, value) in [
            ("status=active", "status", "active"),
            ("age>10", "age_gt", "10"),
            ("age >= 10", "age_gte", "10"),
            ("age<10", "age_lt", "10"),
            ("age<=10", "age_lte", "10"),
            ("status!=done", "status_ne", "done"),
            ("name~=cme", "name_contains", "cme"),
            ("name^=Ac", "name_startsWith", "Ac"),
            ("address.city=Oslo=1", "address.city", "Oslo=1"),
            ("city?", "city_exists", "true"),
            ("!city", "city_exists", "false"),
            ("note=what?", "note", "what?"),
            ("empty=", "empty", ""),
        ] {
            assert_eq!(parse(text).unwrap(), (key.to_owned(), value.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused() {
        for text in ["", "age", "=1", ">1", "!", "?", "a~b", "limit=3", "!a=b", "age>", "age<= "] {
            assert_eq!(parse(text).unwrap_err().exit as u8, 2, "{text}");
        }
    }
}
