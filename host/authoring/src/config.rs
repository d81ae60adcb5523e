//! `function.toml` as text: first the keys, then the values, each error with its line.

use crate::keys::{self, nearest};
use crate::project::{Engine, Language, Project, WorldKind};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::DeTable;
use types::{AllowedHost, FunctionName, Json, LimitOverrides, Manifest, SecretGrant};

#[derive(Deserialize)]
struct Raw {
    name: Spanned<String>,
    language: Spanned<String>,
    kind: Option<Spanned<String>>,
    #[serde(default)]
    build: RawBuild,
    #[serde(default)]
    manifest: RawManifest,
}

#[derive(Deserialize, Default)]
struct RawBuild {
    entry: Option<Spanned<PathBuf>>,
    world: Option<String>,
    engine: Option<Spanned<String>>,
    #[serde(default)]
    command: Vec<String>,
    output: Option<Spanned<PathBuf>>,
    #[serde(default)]
    watch: Vec<Spanned<PathBuf>>,
}

#[derive(Deserialize, Default)]
struct RawManifest {
    description: Option<String>,
    #[serde(default)]
    allow: Vec<AllowedHost>,
    #[serde(default)]
    secrets: Vec<SecretGrant>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    tmp: bool,
    assets: Option<Spanned<PathBuf>>,
    input: Option<Spanned<toml::Value>>,
    output: Option<Spanned<toml::Value>>,
    #[serde(default)]
    limits: RawLimits,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
struct RawLimits {
    memory_mb: Option<u64>,
    cpu_ms: Option<u64>,
    timeout_ms: Option<u64>,
}

/// A line, counted from 1, and what is wrong there.
type Complaint = (usize, String);

pub(crate) fn parse(text: &str, dir: PathBuf) -> Result<Project, Complaint> {
    let at = |byte: usize, message: String| (line(text, byte), message);
    let of_toml = |e: toml::de::Error| at(e.span().map_or(0, |s| s.start), e.message().trim().to_owned());

    let table = DeTable::parse(text).map_err(of_toml)?;
    if let Some((byte, message)) = keys::unknown(table.get_ref()) {
        return Err(at(byte, message));
    }
    let raw: Raw = toml::from_str(text).map_err(of_toml)?;
    let fail = |span: Range<usize>, message: String| at(span.start, message);

    let name = FunctionName::parse(raw.name.get_ref()).map_err(|e| fail(raw.name.span(), e.to_string()))?;
    let language = one_of(&raw.language, "language", Language::parse, &Language::ALL.map(Language::as_str))
        .map_err(|(span, message)| fail(span, message))?;
    let kind = match &raw.kind {
        Some(kind) => one_of(kind, "kind", WorldKind::parse, &WorldKind::ALL.map(WorldKind::as_str))
            .map_err(|(span, message)| fail(span, message))?,
        None => WorldKind::Code,
    };
    let engine = match &raw.build.engine {
        Some(engine) => one_of(engine, "engine", parse_engine, &["quickjs", "starlingmonkey"])
            .map_err(|(span, message)| fail(span, message))?,
        None => Engine::default(),
    };
    let inside = |path: Spanned<PathBuf>| {
        let span = path.span();
        if is_inside(path.get_ref()) {
            return Ok(path.into_inner());
        }
        Err(fail(span, format!("{:?} must be a relative path that stays in the project", path.get_ref())))
    };
    if language == Language::Other && (raw.build.command.is_empty() || raw.build.output.is_none()) {
        let message = "language \"other\" needs [build] with command = [\"make\"] and output = \"out.wasm\"";
        return Err(fail(raw.language.span(), message.to_owned()));
    }
    let assets = raw.manifest.assets.clone().map(inside).transpose()?;
    Ok(Project {
        name,
        language,
        kind,
        entry: raw.build.entry.map(inside).transpose()?,
        world: raw.build.world,
        engine,
        command: raw.build.command,
        output: raw.build.output.map(inside).transpose()?,
        watch: raw.build.watch.into_iter().map(inside).collect::<Result<_, _>>()?,
        manifest: manifest(raw.manifest, &dir).map_err(|(span, message)| fail(span, message))?,
        assets,
        dir,
    })
}

fn manifest(raw: RawManifest, dir: &Path) -> Result<Manifest, (Range<usize>, String)> {
    Ok(Manifest {
        description: raw.description,
        allow: raw.allow,
        secrets: raw.secrets,
        env: raw.env,
        tmp: raw.tmp,
        assets: None,
        input: raw.input.map(|schema| json_schema(schema, dir)).transpose()?,
        output: raw.output.map(|schema| json_schema(schema, dir)).transpose()?,
        limits: LimitOverrides {
            memory_mb: raw.limits.memory_mb,
            cpu_ms: raw.limits.cpu_ms,
            timeout_ms: raw.limits.timeout_ms,
        },
    })
}

/// A schema stands in the file as a table, or is named by the path of a JSON file.
fn json_schema(schema: Spanned<toml::Value>, dir: &Path) -> Result<Json, (Range<usize>, String)> {
    let span = schema.span();
    let fail = |message: String| (span.clone(), message);
    let text = match schema.into_inner() {
        toml::Value::String(path) if is_inside(Path::new(&path)) => std::fs::read_to_string(dir.join(&path))
            .map_err(|e| fail(format!("cannot read the schema {path:?}: {e}")))?,
        toml::Value::Table(table) => {
            serde_json::to_string(&table).map_err(|e| fail(format!("the schema is no JSON: {e}")))?
        }
        _ => return Err(fail("a schema is a table, or the path of a JSON file in the project".to_owned())),
    };
    Json::parse(text).map_err(|e| fail(format!("the schema is no JSON: {e}")))
}

fn one_of<T>(
    value: &Spanned<String>,
    key: &str,
    parse: impl Fn(&str) -> Option<T>,
    known: &[&str],
) -> Result<T, (Range<usize>, String)> {
    let asked = value.get_ref();
    parse(asked).ok_or_else(|| {
        let hint = match nearest(asked, known) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("it is one of {}", known.join(", ")),
        };
        (value.span(), format!("unknown {key} {asked:?}; {hint}"))
    })
}

fn parse_engine(text: &str) -> Option<Engine> {
    match text {
        "quickjs" => Some(Engine::QuickJs),
        "starlingmonkey" => Some(Engine::StarlingMonkey),
        _ => None,
    }
}

fn is_inside(path: &Path) -> bool {
    use std::path::Component::{CurDir, Normal};
    path.components().all(|c| matches!(c, Normal(_) | CurDir)) && path.components().next().is_some()
}

fn line(text: &str, byte: usize) -> usize {
    text.as_bytes().iter().take(byte).filter(|b| **b == b'\n').count() + 1
}
