//! How a version of a thing is answered: its representation, and the headers of spec VER-20.

use crate::app::Scope;
use crate::conditions::last_modified;
use crate::prefer::{self, Return};
use crate::problem::Problem;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use runtime::{Change, Shown, Wrote};
use std::fmt::Write as _;
use std::ops::Range;
use types::{BranchName, Fault, Namespace, ThingRow};

pub(crate) const DO_VERSION: HeaderName = HeaderName::from_static("do-version");
const DO_BRANCH: HeaderName = HeaderName::from_static("do-branch");
const DO_UNCHANGED: HeaderName = HeaderName::from_static("do-unchanged");
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Headers that a thing's answer has beside those of every answer.
const HEADERS: usize = 12;

/// What `Link` says of the version before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Predecessor {
    None,
    Version(u64),
    /// The one before the newest, by that name: it need not be looked up.
    OfNewest,
}

/// How long an answer may be kept (spec ID-16).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Keep {
    /// Asked for by its version: it never changes.
    Forever,
    /// To be asked about again.
    Revalidate,
}

/// One version, as `body` shows it.
pub(crate) fn answer(scope: &Scope, row: &ThingRow, body: String, before: Predecessor, keep: Keep) -> Response {
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    describe(headers, scope.object.namespace(), row, before, keep);
    response
}

/// The same without its body, for who has it.
pub(crate) fn not_modified(scope: &Scope, row: &ThingRow, before: Predecessor, keep: Keep) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    describe(response.headers_mut(), scope.object.namespace(), row, before, keep);
    response
}

/// What came of a write.
pub(crate) fn wrote(scope: &Scope, wrote: &Wrote, wanted: Option<Return>) -> Result<Response, Problem> {
    let row = &wrote.shown.row;
    let is_delete = wrote.change == Change::Deleted;
    let minimal = wanted == Some(Return::Minimal) || (is_delete && wanted != Some(Return::Representation));
    let created = wrote.change == Change::Created;
    let status = match (created, minimal) {
        (true, _) => StatusCode::CREATED,
        (false, true) => StatusCode::NO_CONTENT,
        (false, false) => StatusCode::OK,
    };
    let before = wrote.previous.filter(|previous| *previous != row.version);
    let before = match (before, row.born.is_some()) {
        (Some(before), _) => Predecessor::Version(before),
        // Unchanged: what it was before is not what this write saw.
        (None, true) => Predecessor::OfNewest,
        (None, false) => Predecessor::None,
    };
    let mut response = if minimal {
        let mut response = StatusCode::NO_CONTENT.into_response();
        describe(response.headers_mut(), scope.object.namespace(), row, before, Keep::Revalidate);
        response
    } else {
        answer(scope, row, wrote.shown.to_text(scope.object.namespace()), before, Keep::Revalidate)
    };
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if created {
        let location = scope.link(&format!("/api/{}", row.key));
        let location = HeaderValue::try_from(location).map_err(|_| Problem::from(Fault::internal()))?;
        headers.insert(header::LOCATION, location);
    }
    if wrote.change == Change::Unchanged {
        headers.insert(DO_UNCHANGED, HeaderValue::from_static("1"));
    }
    if wrote.replayed {
        headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
    }
    prefer::write(headers, wanted);
    Ok(response)
}

/// What is known of a version that was read: nothing stands before the first.
pub(crate) fn before_newest(shown: &Shown) -> Predecessor {
    if shown.row.born.is_some() { Predecessor::OfNewest } else { Predecessor::None }
}

/// Spec VER-20. All values are parts of one text: a hot path has little to spare for a dozen small ones.
fn describe(headers: &mut HeaderMap, namespace: &Namespace, row: &ThingRow, before: Predecessor, keep: Keep) {
    let mut text = String::with_capacity(512 + 6 * namespace.as_str().len() + 8 * row.key.id.as_str().len());
    let location = part(&mut text, |out| write!(out, "{namespace}/{}@v{}", row.key, row.version));
    let url = location.start..location.end - 2 - digits(row.version);
    let etag = part(&mut text, |out| write!(out, "\"v{}\"", row.version));
    let version = etag.start + 2..etag.end - 1;
    let branch = row.branch.as_ref().map_or("main", BranchName::as_str);
    let branch_at = part(&mut text, |out| out.write_str(branch));
    let modified = part(&mut text, |out| write!(out, "{}", httpdate::HttpDate::from(last_modified(row))));
    let (url, self_url) = (text[url].to_owned(), text[location.clone()].to_owned());
    // In a ref a slash is no separator.
    let on = row.branch.as_ref().map_or_else(String::new, |name| name.as_str().replace('/', "%2F"));
    let link = part(&mut text, |out| {
        match before {
            Predecessor::None => {}
            Predecessor::Version(before) => write!(out, "<{url}@v{before}>; rel=\"predecessor-version\", ")?,
            Predecessor::OfNewest => write!(out, "<{url}@{on}~1>; rel=\"predecessor-version\", ")?,
        }
        match &row.branch {
            None => write!(out, "<{url}>; rel=\"latest-version\", ")?,
            Some(_) => write!(out, "<{url}@{on}>; rel=\"latest-version\", ")?,
        }
        write!(out, "<{namespace}/api/{}/versions", row.key)?;
        if row.branch.is_some() {
            write!(out, "?branch={on}")?;
        }
        write!(out, ">; rel=\"version-history\", <{self_url}>; rel=\"self\"")
    });
    let text = Bytes::from(text);
    for (name, range) in [
        (header::ETAG, etag),
        (DO_VERSION, version),
        (DO_BRANCH, branch_at),
        (header::LAST_MODIFIED, modified),
        (header::CONTENT_LOCATION, location),
        (header::LINK, link),
    ] {
        match HeaderValue::from_maybe_shared(text.slice(range)) {
            Ok(value) => drop(headers.insert(name, value)),
            Err(_) => tracing::error!(thing = %row.key, header = %name, "a header's value is none"),
        }
    }
    let keep = match keep {
        Keep::Forever => HeaderValue::from_static("private, max-age=31536000, immutable"),
        Keep::Revalidate => HeaderValue::from_static("no-cache"),
    };
    headers.insert(header::CACHE_CONTROL, keep);
}

fn part(text: &mut String, add: impl FnOnce(&mut String) -> std::fmt::Result) -> Range<usize> {
    let start = text.len();
    add(text).expect("a String takes everything");
    start..text.len()
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}
