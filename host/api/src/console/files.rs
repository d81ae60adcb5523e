//! Files that pages load. Their address changes when one of them does, so browsers may keep them for good.

use crate::caller::Anyone;
use crate::problem::Problem;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use std::sync::OnceLock;

/// Characters of the hash that are in an address.
const VERSION_CHARS: usize = 16;

/// Of all of them together.
pub(super) fn version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let mut hasher = blake3::Hasher::new();
        for name in console::ASSETS {
            if let Some(asset) = console::asset(name) {
                hasher.update(asset.body);
            }
        }
        hasher.finalize().to_hex()[..VERSION_CHARS].to_owned()
    })
}

pub(super) async fn file(
    Anyone(_): Anyone,
    Path((of, name)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asset = console::asset(&name).ok_or_else(|| Problem::not_found("the console has no such file"))?;
    let tag = format!("\"{}\"", version());
    // An address of an older binary still works, but is not kept.
    let cache = if of == version() { "public, max-age=31536000, immutable" } else { "no-cache" };
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| known.split(',').any(|one| one.trim().trim_start_matches("W/") == tag));
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, asset.content_type)], asset.body).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::ETAG, HeaderValue::try_from(tag).expect("a hash is ASCII"));
    Ok(response)
}
