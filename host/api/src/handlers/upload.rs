//! Receiving a component: piece by piece into files, never whole in memory, and gone again when the request is.

use crate::body::{pieces, unsupported};
use crate::config::{Config, limits};
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::multipart::{Field, Multipart, MultipartError};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::{HeaderMap, HeaderName, StatusCode, header};
use runtime::Upload;
use std::io;
use std::path::Path;
use std::pin::pin;
use tempfile::{NamedTempFile, TempPath};
use tokio::io::AsyncWriteExt;
use types::Manifest;

/// Boundaries and part headers of a form, beside what its parts may hold.
const FORM_BYTES_MAX: u64 = 64 << 10;

/// What came, removed from the disk when dropped.
pub(super) struct Files {
    component: TempPath,
    manifest: Manifest,
    assets: Option<TempPath>,
}

impl Files {
    pub(super) fn upload(&self) -> Upload {
        Upload {
            component: self.component.to_path_buf(),
            manifest: self.manifest.clone(),
            assets: self.assets.as_ref().map(|path| path.to_path_buf()),
        }
    }
}

/// # Errors
/// 413, 415, 422 (a part that is missing, unknown or there twice; a manifest that is none), 507.
pub(super) async fn receive(config: &Config, request: Request) -> Result<Files, Problem> {
    let kind = text(request.headers(), &header::CONTENT_TYPE)
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(unsupported("a component is sent as it is, without Content-Encoding".into()));
    }
    let announced: Option<u64> = text(request.headers(), &header::CONTENT_LENGTH).parse().ok();
    let idle = config.body_idle_timeout;
    match kind.as_str() {
        "application/wasm" | "application/octet-stream" => {
            if announced.is_some_and(|bytes| bytes > limits::COMPONENT_BYTES_MAX) {
                return Err(too_large("component", limits::COMPONENT_BYTES_MAX));
            }
            let body = pieces(request.into_body(), limits::COMPONENT_BYTES_MAX, idle);
            let component = save(&config.upload_dir, "component", limits::COMPONENT_BYTES_MAX, body).await?;
            Ok(Files { component, manifest: Manifest::default(), assets: None })
        }
        "multipart/form-data" => {
            let max =
                limits::COMPONENT_BYTES_MAX + limits::ASSETS_BYTES_MAX + limits::MANIFEST_BYTES_MAX + FORM_BYTES_MAX;
            if announced.is_some_and(|bytes| bytes > max) {
                return Err(too_large("form", max));
            }
            let (parts, body) = request.into_parts();
            let body = Body::from_stream(pieces(body, max, idle).map(|piece| piece.map_err(Refused)));
            let request = Request::from_parts(parts, body);
            let form = Multipart::from_request(request, &())
                .await
                .map_err(|_| Problem::bad_request("multipart/form-data needs a boundary in its Content-Type"))?;
            receive_form(config, form).await
        }
        _ => Err(unsupported(
            "send the component with Content-Type: application/wasm, or multipart/form-data with the parts component, manifest and assets"
                .into(),
        )),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
}

async fn receive_form(config: &Config, mut form: Multipart) -> Result<Files, Problem> {
    let (mut component, mut manifest, mut assets) = (None, None, None);
    while let Some(field) = form.next_field().await.map_err(form_problem)? {
        let name = field.name().unwrap_or_default().to_owned();
        let twice = || Problem::validation(format!("the part {name} stands more than once"));
        match name.as_str() {
            "component" if component.is_some() => return Err(twice()),
            "assets" if assets.is_some() => return Err(twice()),
            "manifest" if manifest.is_some() => return Err(twice()),
            "component" => {
                let max = limits::COMPONENT_BYTES_MAX;
                component = Some(save(&config.upload_dir, "component", max, chunks(field)).await?);
            }
            "assets" => {
                let max = limits::ASSETS_BYTES_MAX;
                assets = Some(save(&config.upload_dir, "asset bundle", max, chunks(field)).await?);
            }
            "manifest" => manifest = Some(read_manifest(field).await?),
            _ => {
                return Err(Problem::validation(format!(
                    "there is no part {name:?} here; accepted: component, manifest, assets"
                )));
            }
        }
    }
    let component = component.ok_or_else(|| Problem::validation("the part component is missing"))?;
    Ok(Files { component, manifest: manifest.unwrap_or_default(), assets })
}

async fn read_manifest(field: Field<'_>) -> Result<Manifest, Problem> {
    let mut text = Vec::new();
    let mut body = pin!(chunks(field));
    while let Some(piece) = body.next().await {
        let piece = piece?;
        if (text.len() + piece.len()) as u64 > limits::MANIFEST_BYTES_MAX {
            return Err(too_large("manifest", limits::MANIFEST_BYTES_MAX));
        }
        text.extend_from_slice(&piece);
    }
    let text = String::from_utf8(text).map_err(|_| Problem::validation("the manifest is not UTF-8"))?;
    types::Json::parse(text.as_str()).map_err(|e| Problem::validation(format!("the manifest is no JSON: {e}")))?;
    serde_json::from_str(&text).map_err(|e| Problem::validation(format!("the manifest is not what is needed: {e}")))
}

fn chunks(field: Field<'_>) -> impl Stream<Item = Result<Bytes, Problem>> {
    futures::stream::try_unfold(field, |mut field| async move {
        let chunk = field.chunk().await.map_err(form_problem)?;
        Ok(chunk.map(|chunk| (chunk, field)))
    })
}

async fn save(
    dir: &Path,
    what: &str,
    bytes_max: u64,
    body: impl Stream<Item = Result<Bytes, Problem>>,
) -> Result<TempPath, Problem> {
    let (file, path) = NamedTempFile::with_prefix_in("upload-", dir).map_err(|e| disk_problem(&e))?.into_parts();
    let mut file = tokio::fs::File::from_std(file);
    let mut body = pin!(body);
    let mut written = 0u64;
    while let Some(piece) = body.next().await {
        let piece = piece?;
        written += piece.len() as u64;
        if written > bytes_max {
            return Err(too_large(what, bytes_max));
        }
        file.write_all(&piece).await.map_err(|e| disk_problem(&e))?;
    }
    file.flush().await.map_err(|e| disk_problem(&e))?;
    if written == 0 {
        return Err(Problem::validation(format!("the {what} is empty")));
    }
    Ok(path)
}

fn too_large(what: &str, bytes_max: u64) -> Problem {
    Problem::too_large(format!("the {what} is larger than {} KiB", bytes_max >> 10))
}

fn disk_problem(error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Problem::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "STORAGE_FULL",
            "the host's disk is full; nothing was changed. Free space there, then try again",
        ),
        _ => {
            tracing::error!(%error, "an upload cannot be kept");
            types::Fault::internal().into()
        }
    }
}

/// A [`Problem`] on its way through the form's reader, which wants an error.
#[derive(Debug, thiserror::Error)]
#[error("the body was refused")]
struct Refused(Problem);

fn form_problem(error: MultipartError) -> Problem {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(current) = source {
        if let Some(Refused(problem)) = current.downcast_ref() {
            return problem.clone();
        }
        source = current.source();
    }
    Problem::bad_request("the form cannot be read; its parts do not fit its boundary")
}
