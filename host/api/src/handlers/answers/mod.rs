//! Answers that come without a key: by a signed link, a button in Slack, a text message (spec HUM-4).
//!
//! `page` shows what a link is about and takes the answer, `slack` and `sms` take what these services bring. Who answers
//! is proven by what was signed; `runtime` decides whether it counts.

pub(crate) mod page;
pub(crate) mod slack;
pub(crate) mod sms;

use crate::app::Shared;
use crate::body::pieces;
use crate::problem::Problem;
use axum::body::Body;
use futures::TryStreamExt;
use http::header::{self, HeaderMap};

/// Of a form, with everything that is filled in.
const FORM_BYTES_MAX: u64 = 256 << 10;
/// Fields of a form that are read.
const FIELDS_MAX: usize = 500;

/// What came, byte by byte: a signature is over these.
pub(crate) async fn raw(app: &Shared, headers: &HeaderMap, body: Body) -> Result<Vec<u8>, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(crate::body::unsupported(
            "the body is no form; send Content-Type: application/x-www-form-urlencoded".to_owned(),
        ));
    }
    let read = pieces(body, FORM_BYTES_MAX, app.config.body_idle_timeout);
    read.try_fold(Vec::new(), |mut all, piece| async move {
        all.extend_from_slice(&piece);
        Ok(all)
    })
    .await
}

/// The fields of a form, in order.
pub(crate) fn fields(body: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    let fields: Vec<_> = url::form_urlencoded::parse(body).into_owned().take(FIELDS_MAX + 1).collect();
    if fields.len() > FIELDS_MAX {
        return Err(Problem::too_large(format!("a form has {FIELDS_MAX} fields at most")));
    }
    Ok(fields)
}

/// The first of that name.
pub(crate) fn field<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    fields.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}
