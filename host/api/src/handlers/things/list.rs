//! Lists of things: filtered, sorted, in pages (spec 16.2, 10.2).

use super::shape::{self, Shape};
use super::views::ThingsPage;
use crate::caller::Who;
use crate::config::limits;
use crate::problem::Problem;
use crate::query::Fields;
use crate::target::{self, Access, Segments, cut};
use crate::views::ErrorBody;
use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Uri, header};
use runtime::{Caller, Comparison, Field, Listed, ThingFilter, ThingSort, ThingsWanted};
use std::collections::BTreeSet;
use types::{Namespace, Timestamp};

/// Conditions on one list.
const FILTERS_MAX: usize = 16;
/// Fields that one list is sorted by.
const SORTS_MAX: usize = 8;
/// Keys that lead to one value.
const FIELD_LEVELS_MAX: usize = 8;
/// A cursor holds an id at most.
const CURSOR_BYTES_MAX: usize = 1024;
/// Every other parameter is a filter.
const KNOWN: [&str; 11] =
    ["limit", "offset", "cursor", "sort", "includeDeleted", "fields", "shape", "version", "v", "branch", "at"];

const SUFFIXES: [(&str, Comparison); 8] = [
    ("_gte", Comparison::GreaterOrEqual),
    ("_gt", Comparison::Greater),
    ("_lte", Comparison::LessOrEqual),
    ("_lt", Comparison::Less),
    ("_ne", Comparison::IsNot),
    ("_contains", Comparison::Contains),
    ("_startsWith", Comparison::StartsWith),
    ("_exists", Comparison::Exists),
];

#[utoipa::path(
    get, path = "/api/{type}", tag = "things",
    params(
        ("type" = String, Path, description = "A noun, its plural or the dashed form of either, in any case; with `@branch` or another ref for the state then"),
        ("limit" = Option<u32>, Query, description = "1 to 100; 20 unless given"),
        ("offset" = Option<u32>, Query, description = "Not together with `cursor`"),
        ("cursor" = Option<String>, Query, description = "The `next` of the page before"),
        ("sort" = Option<String>, Query, description = "Like `-updatedAt,name`: id, name, version, createdAt, updatedAt, or a path in the data; by id unless given"),
        ("includeDeleted" = Option<bool>, Query),
        ("fields" = Option<String>, Query, description = "Only these, like `name,address.city`"),
        ("shape" = Option<String>, Query, description = "`flat`: the data stand beside the envelope's keys"),
        ("branch" = Option<String>, Query), ("at" = Option<String>, Query), ("version" = Option<u64>, Query),
    ),
    responses(
        (status = 200, description = "A page. Every other parameter is a filter: `city=Bonn`, `age_gte=18` (_gt, _gte, _lt, _lte, _ne, _contains, _startsWith, _exists; min_age, max_age)", body = ThingsPage),
        (status = 400, description = "A parameter that cannot be meant", body = ErrorBody),
        (status = 404, description = "No such noun", body = ErrorBody),
        (status = 422, description = "It would have to look at too many things", body = ErrorBody),
    )
)]
pub(crate) async fn list(who: Who, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let Who { scope, caller } = &who;
    let segments = Segments::read(&uri)?;
    let noun = target::noun(scope, segments.noun, Access::Read).await?;
    let (mut fields, filters) = read_query(&uri, caller)?;
    let view = target::view(&who, &headers, segments.at, &mut fields)?;
    let shape = Shape::read(&mut fields)?;
    let limit = fields.limit(limits::PAGE_MAX)?;
    let offset = fields.parsed::<u32>("offset", "a number, 0 or more")?;
    let cursor = fields.take("cursor").map(|text| read_cursor(&text)).transpose()?;
    if offset.is_some() && cursor.is_some() {
        return Err(Problem::bad_request("give either offset or cursor"));
    }
    let wanted = ThingsWanted {
        noun,
        filters,
        sort: fields.take("sort").map_or_else(|| Ok(Vec::new()), |text| read_sort(&text))?,
        with_deleted: fields.parsed("includeDeleted", "true or false")?.unwrap_or(false),
        cursor,
        offset: offset.unwrap_or(0),
        limit,
    };
    let listed = scope.object.things(caller, wanted, &view).await?;
    Ok(answer(scope.object.namespace(), &listed, &shape, limit, offset.unwrap_or(0)))
}

/// The page as one text: the things in it are written once.
fn answer(namespace: &Namespace, listed: &Listed, shape: &Shape, limit: u32, offset: u32) -> Response {
    let mut body = String::from("{\"data\":[");
    let mut all_shadowed = BTreeSet::new();
    for (at, shown) in listed.items.iter().enumerate() {
        if at > 0 {
            body.push(',');
        }
        let (text, shadowed) = shape.apply(shown.to_text(namespace));
        body.push_str(&text);
        all_shadowed.extend(shadowed);
    }
    let total = listed.total.map_or_else(|| "null".to_owned(), |total| total.to_string());
    body.push_str(&format!("],\"total\":{total},\"limit\":{limit},\"offset\":{offset}"));
    if let Some(next) = &listed.next {
        body.push_str(&format!(",\"next\":\"{}\"", write_cursor(next)));
    }
    body.push('}');
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    shape::tell_shadowed(headers, &all_shadowed.into_iter().collect::<Vec<_>>());
    response
}

/// The parameters that are known, and the filters that all others are.
fn read_query(uri: &Uri, caller: &Caller) -> Result<(Fields, Vec<ThingFilter>), Problem> {
    let (known, others) = Fields::split(uri, &KNOWN)?;
    if others.len() > FILTERS_MAX {
        return Err(Problem::bad_request(format!("there are {} filters; at most {FILTERS_MAX}", others.len())));
    }
    let filters = others.into_iter().map(|(name, value)| filter(&name, value, caller));
    Ok((known, filters.collect::<Result<_, _>>()?))
}

fn filter(name: &str, value: String, caller: &Caller) -> Result<ThingFilter, Problem> {
    let by_prefix = [("min_", Comparison::GreaterOrEqual), ("max_", Comparison::LessOrEqual)];
    let suffixed = SUFFIXES.into_iter().find_map(|(suffix, is)| Some((name.strip_suffix(suffix)?, is)));
    let prefixed = || by_prefix.into_iter().find_map(|(prefix, is)| Some((name.strip_prefix(prefix)?, is)));
    let (field_name, comparison) = suffixed.or_else(prefixed).unwrap_or((name, Comparison::Is));
    let field = field(name, field_name)?;
    let is_me = field_name == "assignee" && value == "me";
    let value = if is_me { caller.identity.actor.to_string() } else { value };
    if comparison == Comparison::Exists && !matches!(value.as_str(), "true" | "false") {
        return Err(Problem::bad_request(format!("{name} must be true or false, not {:?}", cut(&value))));
    }
    let value = match field {
        Field::CreatedAt | Field::UpdatedAt if comparison != Comparison::Exists => instant(name, &value, comparison)?,
        Field::CreatedAt | Field::UpdatedAt | Field::Id | Field::Name | Field::Version | Field::Data(_) => value,
    };
    Ok(ThingFilter { field, comparison, value })
}

/// Times are compared as they are kept.
fn instant(name: &str, text: &str, comparison: Comparison) -> Result<String, Problem> {
    if matches!(comparison, Comparison::Contains | Comparison::StartsWith) {
        return Err(Problem::bad_request(format!("{name}: a time is compared with _gt, _gte, _lt, _lte or _ne")));
    }
    let at = Timestamp::parse_date(text).or_else(|| Timestamp::parse(text));
    let at = at.ok_or_else(|| {
        Problem::bad_request(format!("{name} must be a time like 2024-01-08T12:00:00Z, not {:?}", cut(text)))
    })?;
    Ok(at.as_millis().to_string())
}

fn field(parameter: &str, name: &str) -> Result<Field, Problem> {
    Ok(match name {
        "id" => Field::Id,
        "name" => Field::Name,
        "version" => Field::Version,
        "createdAt" => Field::CreatedAt,
        "updatedAt" => Field::UpdatedAt,
        path => Field::Data(field_path(parameter, path.strip_prefix("data.").unwrap_or(path))?),
    })
}

/// The keys that lead to a field.
///
/// # Errors
/// 400 for what names none.
pub(crate) fn field_path(parameter: &str, path: &str) -> Result<Vec<String>, Problem> {
    let keys: Vec<_> = path.split('.').map(str::to_owned).collect();
    let is_key = |key: &String| !key.is_empty() && !key.contains(['"', '\\']) && !key.chars().any(char::is_control);
    if keys.len() <= FIELD_LEVELS_MAX && keys.iter().all(is_key) {
        return Ok(keys);
    }
    Err(Problem::bad_request(format!(
        "{}: {:?} names no field; write one like address.city, of {FIELD_LEVELS_MAX} levels at most",
        cut(parameter),
        cut(path)
    )))
}

fn read_sort(text: &str) -> Result<Vec<ThingSort>, Problem> {
    let sorts = text.split(',').map(|one| {
        let (name, descending) = match one.strip_prefix('-') {
            Some(name) => (name, true),
            None => (one.strip_prefix('+').unwrap_or(one), false),
        };
        Ok(ThingSort { field: field("sort", name)?, descending })
    });
    let sorts: Vec<_> = sorts.collect::<Result<_, Problem>>()?;
    if sorts.len() > SORTS_MAX {
        return Err(Problem::bad_request(format!("sort names {} fields; at most {SORTS_MAX}", sorts.len())));
    }
    Ok(sorts)
}

/// What the runtime called the place where the page before ended.
pub(crate) fn read_cursor(text: &str) -> Result<String, Problem> {
    let refuse = || Problem::bad_request("cursor must be the `next` of an earlier page of this list");
    if text.len() > CURSOR_BYTES_MAX {
        return Err(refuse());
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| refuse())?;
    String::from_utf8(bytes).ok().filter(|cursor| !cursor.is_empty()).ok_or_else(refuse)
}

pub(crate) fn write_cursor(cursor: &str) -> String {
    URL_SAFE_NO_PAD.encode(cursor)
}
