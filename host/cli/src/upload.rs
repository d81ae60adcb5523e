//! Sending a component to the server, with its manifest and assets, showing how far it is.

use crate::client::Client;
use crate::context::Context;
use crate::failure::{Exit, Failure, Result};
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio_util::io::ReaderStream;
use types::{AssetFile, FunctionName, Manifest};

/// Sending and compiling the largest component takes far less; a script should not hang for longer.
const DEPLOY_TIMEOUT: Duration = Duration::from_secs(600);
/// What the server takes, and what nobody means to send.
const ASSETS_BYTES_MAX: usize = 32 << 20;
const ASSET_FILES_MAX: usize = 10_000;
/// The first eight bytes of a component: the magic number, version 13, layer 1.
const COMPONENT_HEAD: [u8; 8] = [0, b'a', b's', b'm', 13, 0, 1, 0];
const MODULE_HEAD: [u8; 8] = [0, b'a', b's', b'm', 1, 0, 0, 0];

/// What is deployed.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) name: FunctionName,
    pub(crate) component: PathBuf,
    pub(crate) manifest: Manifest,
    /// What it finds under `/assets`.
    pub(crate) assets: Vec<AssetFile>,
}

/// Whether this is a component; a mistake here is common and the server's answer would be the same after the upload.
pub(crate) fn check_component(path: &Path, shown: &Path) -> Result<()> {
    let shown = shown.display();
    let open = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => Failure::new("FILE_NOT_FOUND", format!("there is no file {shown}")),
        _ => Failure::local(format_args!("{shown} cannot be read"), e),
    };
    let mut head = Vec::new();
    std::fs::File::open(path).map_err(open)?.take(8).read_to_end(&mut head).map_err(open)?;
    let what = match head {
        head if head == COMPONENT_HEAD => return Ok(()),
        head if head == MODULE_HEAD => "a core WebAssembly module; a component is needed (target wasm32-wasip2)",
        head if head.starts_with(b"\0asm") => "WebAssembly of a version that is not known",
        head if head.is_empty() => "an empty file",
        _ => "no WebAssembly",
    };
    Err(Failure::new("NOT_A_COMPONENT", format!("{shown} is {what}")))
}

/// Sends it, and gives the server's answer: `{name,type,version,hash,size,url,unchanged,actions}`.
pub(crate) async fn deploy(client: &Client, context: &mut Context, upload: &Upload, dry_run: bool) -> Result<Value> {
    let mut url = client.url(&["functions", upload.name.as_str()]);
    if dry_run {
        url.query_pairs_mut().append_pair("dryRun", "true");
    }
    let assets = bundle(&upload.assets)?;
    let bar = bar(context);
    let manifest = Part::text(serde_json::to_string(&upload.manifest).expect("our own types serialise to JSON"));
    let manifest = manifest.mime_str("application/json").map_err(|e| Failure::local("the manifest", e))?;
    let mut form = Form::new().part("manifest", manifest);
    form = form.part("component", stream(&upload.component, &bar).await?);
    if let Some(assets) = assets {
        let part = Part::bytes(assets).file_name("assets.tar").mime_str("application/x-tar");
        form = form.part("assets", part.map_err(|e| Failure::local("the assets", e))?);
    }
    let timeout = context.globals.timeout.unwrap_or(DEPLOY_TIMEOUT);
    let request = client.request(Method::PUT, url)?.multipart(form).timeout(timeout);
    let answer = match client.start(context, request).await {
        Ok(response) => client.read(response).await,
        Err(failure) => Err(failure),
    };
    bar.finish_and_clear();
    Ok(answer.map_err(refused)?.body)
}

/// Sends a definition, and gives the server's answer, which is the same.
pub(crate) async fn declare(
    client: &Client,
    context: &mut Context,
    name: &FunctionName,
    definition: &types::Json,
    dry_run: bool,
) -> Result<Value> {
    let mut url = client.url(&["functions", name.as_str()]);
    if dry_run {
        url.query_pairs_mut().append_pair("dryRun", "true");
    }
    let request = client.request(Method::PUT, url)?.header("content-type", "application/json");
    let answer = client.send(context, request.body(definition.as_str().to_owned())).await;
    Ok(answer.map_err(refused)?.body)
}

/// A component that the server does not take is the author's to change; nothing was wrong with what was typed.
fn refused(failure: Failure) -> Failure {
    if failure.exit == Exit::Usage { failure.with_exit(Exit::General) } else { failure }
}

fn bar(context: &Context) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(
        Some(0),
        if context.has_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() },
    );
    let style = ProgressStyle::with_template("{msg:<10} [{bar:30}] {bytes}/{total_bytes}").expect("a fixed template");
    bar.set_style(style.progress_chars("=> "));
    bar.set_message("uploading");
    bar
}

async fn stream(path: &Path, bar: &ProgressBar) -> Result<Part> {
    let failed = |e: std::io::Error| Failure::local(format_args!("{} cannot be read", path.display()), e);
    let file = tokio::fs::File::open(path).await.map_err(failed)?;
    let length = file.metadata().await.map_err(failed)?.len();
    bar.inc_length(length);
    let counted = bar.clone();
    let chunks = ReaderStream::with_capacity(file, 64 << 10).inspect(move |chunk| {
        counted.inc(chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
        if counted.position() == counted.length().unwrap_or(0) {
            // The server compiles before it answers.
            counted.set_style(ProgressStyle::with_template("{msg:<10} {spinner}").expect("a fixed template"));
            counted.set_message("compiling");
            counted.enable_steady_tick(Duration::from_millis(100));
        }
    });
    let part = Part::stream_with_length(reqwest::Body::wrap_stream(chunks), length).file_name("component.wasm");
    part.mime_str("application/wasm").map_err(|e| Failure::local("the upload", e))
}

/// A tar file with the same bytes for the same content: sorted, without times, owners and modes.
fn bundle(assets: &[AssetFile]) -> Result<Option<Vec<u8>>> {
    if assets.is_empty() {
        return Ok(None);
    }
    let mut files: Vec<&AssetFile> = assets.iter().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut archive = tar::Builder::new(Vec::new());
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.content.len() as u64);
        header.set_mode(0o444);
        header.set_mtime(0);
        archive
            .append_data(&mut header, &file.path, &file.content[..])
            .map_err(|e| Failure::local(format_args!("the asset {} cannot be sent", file.path), e))?;
    }
    archive.into_inner().map(Some).map_err(|e| Failure::local("the assets cannot be put together", e))
}

/// The files below a folder. Regular ones only: a link could lead out of it.
pub(crate) fn read_assets(folder: &Path) -> Result<Vec<AssetFile>> {
    let failed =
        |e: std::io::Error| Failure::local(format_args!("the assets in {} cannot be read", folder.display()), e);
    let (mut assets, mut bytes, mut folders) = (Vec::new(), 0, vec![folder.to_owned()]);
    while let Some(current) = folders.pop() {
        for entry in std::fs::read_dir(&current).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let content = std::fs::read(entry.path()).map_err(failed)?;
                bytes += content.len();
                if bytes > ASSETS_BYTES_MAX || assets.len() == ASSET_FILES_MAX {
                    return Err(Failure::usage(format!(
                        "{} holds more than {} MiB or {ASSET_FILES_MAX} files, which is the limit for assets",
                        folder.display(),
                        ASSETS_BYTES_MAX >> 20
                    )));
                }
                let path = entry.path();
                let relative = path.strip_prefix(folder).expect("it was found below the folder");
                let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
                assets.push(AssetFile { path: parts.join("/"), content });
            }
        }
    }
    Ok(assets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_component_is_told_before_it_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        for (bytes, part) in [
            (&b""[..], "an empty file"),
            (b"hello, I am text", "no WebAssembly"),
            (b"\0asm\x01\0\0\0", "wasm32-wasip2"),
            (b"\0asm\x63\0\0\0", "not known"),
            (b"\0as", "no WebAssembly"),
        ] {
            let path = folder.path().join("x.wasm");
            std::fs::write(&path, bytes).unwrap();
            let failure = check_component(&path, Path::new("x.wasm")).unwrap_err();
            assert!(failure.message.contains(part), "{}", failure.message);
            assert_eq!(failure.exit as u8, 1);
        }
        assert_eq!(check_component(&folder.path().join("no"), Path::new("no")).unwrap_err().exit as u8, 7);
    }

    #[test]
    fn the_same_assets_give_the_same_bundle() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        std::fs::write(folder.path().join("b/2.txt"), "two").unwrap();
        std::fs::write(folder.path().join("1.txt"), "one").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).unwrap();
        let read = || bundle(&read_assets(folder.path()).unwrap()).unwrap().unwrap();
        let first = read();
        std::fs::File::options()
            .append(true)
            .open(folder.path().join("1.txt"))
            .unwrap()
            .set_modified(std::time::UNIX_EPOCH)
            .unwrap();
        assert_eq!(first, read());
        let mut archive = tar::Archive::new(&first[..]);
        let names: Vec<_> = archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().into_owned()).collect();
        assert_eq!(names, [Path::new("1.txt"), Path::new("b/2.txt")]);
    }
}
