//! `org.ai deploy`: a whole application from its `do.toml`.
//!
//! What is to be built is built and shown to the server first, which changes nothing; then the server says what the
//! deployment would change; only then the components go up and the deployment is applied.

mod mistakes;
mod plan;

use crate::client::Client;
use crate::commands::functions::deploy::manifest;
use crate::context::Context;
use crate::failure::{Failure, Result};
use crate::project;
use crate::upload::{self, Upload};
use authoring::{Application, Brought, Source};
use mistakes::File;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use types::{FunctionName, Hash, Json, Manifest};

/// Probes may take half a minute, and what is rolled back as long again.
const APPLY_TIMEOUT: Duration = Duration::from_secs(120);

/// Deploy an application: its functions, what calls them, its nouns, verbs and workflows
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai deploy\n  org.ai deploy --dry-run --json\n  org.ai deploy --config shop/do.toml --env staging --yes\n\nWhat an earlier deployment declared and the file no longer says is removed, which is asked about first."
)]
pub(crate) struct Command {
    /// The application's file; paths in it start from its folder
    #[arg(long, value_name = "FILE", default_value = Application::FILE)]
    config: PathBuf,
    /// What the file's [env.NAME] says instead of the rest
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Build and check it, show what would change, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Classes that a migration deletes may go; their data are kept for 30 days
    #[arg(long)]
    allow_delete_class: bool,
}

/// A source that was built, and what the server said of it.
struct Prepared {
    name: FunctionName,
    what: Built,
    answer: Value,
}

enum Built {
    Component(Box<Upload>),
    Definition(Json),
}

impl Built {
    async fn send(&self, name: &FunctionName, client: &Client, context: &mut Context, dry_run: bool) -> Result<Value> {
        match self {
            Self::Component(upload) => upload::deploy(client, context, upload, dry_run).await,
            Self::Definition(definition) => upload::declare(client, context, name, definition, dry_run).await,
        }
    }
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let text = context.read_file(&command.config).map_err(|failure| match failure.code.as_str() {
        "FILE_NOT_FOUND" => failure.with_hint("write one, or say where it is with --config"),
        _ => failure,
    })?;
    let file = File { shown: command.config.display().to_string() };
    let folder = context.folder.join(&command.config).parent().map(Path::to_owned).unwrap_or_default();
    let mut beside = |path: &Path| {
        context.read_file(&command.config.with_file_name("").join(path)).map_err(|failure| failure.message)
    };
    let mut application = Application::parse(&text, command.env.as_deref(), &mut beside)
        .map_err(|complaints| file.failure(&complaints))?;
    // Who is not logged in should not wait for a build to learn it.
    let client = Client::open(context)?;
    let warnings: Vec<String> =
        application.warnings.iter().map(|warning| format!("{}:{warning}", file.shown)).collect();
    for warning in &warnings {
        context.note(&format!("warning: {warning}"));
    }
    let prepared = prepare(&folder, &mut application, &file, &client, context).await?;
    file.check_handlers(&application, &prepared)?;

    let mut plan =
        post(&command, true, &application, &client, context).await.map_err(|f| file.located(f, &application))?;
    plan::add(&mut plan, &prepared, warnings);
    if command.dry_run {
        return context.result(&plan, |plan| plan::human(plan, "Would deploy"));
    }
    context.note(&plan::human(&plan, "To deploy"));
    let removed = plan::removed(&plan);
    if removed > 0 {
        let what = if removed == 1 { "thing" } else { "things" };
        context.confirm(&format!("Remove {removed} {what} that the file no longer declares?"))?;
    }
    for Prepared { name, what, answer } in &prepared {
        if answer["unchanged"] != true {
            let answer = what.send(name, &client, context, false).await?;
            note_version(&mut application, name, &answer)?;
        }
    }
    let answer =
        post(&command, false, &application, &client, context).await.map_err(|f| file.located(f, &application))?;
    let document = plan::applied(answer, plan);
    let to = client.session.ns.clone().unwrap_or_else(|| client.session.api_url.to_string());
    context.result(&document, |document| format!("Deployed to {to}: {}", plan::counts(document)))
}

/// Builds every source and has the server look at it.
async fn prepare(
    folder: &Path,
    application: &mut Application,
    file: &File,
    client: &Client,
    context: &mut Context,
) -> Result<Vec<Prepared>> {
    let mut prepared = Vec::new();
    for source in application.sources.clone() {
        let what = match &source.what {
            Brought::Component { path, manifest } => {
                Built::Component(Box::new(build(folder, &source, path, manifest.as_deref(), file, context).await?))
            }
            Brought::Definition(definition) => Built::Definition(definition.clone()),
        };
        let name = source.name.clone();
        let answer = what.send(&name, client, context, true).await?;
        note_version(application, &name, &answer)?;
        prepared.push(Prepared { name, what, answer });
    }
    Ok(prepared)
}

async fn build(
    folder: &Path,
    source: &Source,
    from: &Path,
    beside: Option<&Path>,
    file: &File,
    context: &mut Context,
) -> Result<Upload> {
    let path = folder.join(from);
    let name = source.name.clone();
    if path.is_dir() {
        let built = project::build(&path, context).await?;
        return Ok(Upload { name, component: built.component, manifest: built.manifest, assets: built.assets });
    }
    if !path.exists() {
        return Err(file.mistake(source.line, &format!("there is no file or folder {}", from.display())));
    }
    upload::check_component(&path, from)?;
    let manifest = match beside {
        Some(beside) => manifest(&context.read_file(&folder.join(beside))?, beside)?,
        None => Manifest::default(),
    };
    Ok(Upload { name, component: path, manifest, assets: Vec::new() })
}

/// The deployment is about the version that the server named.
fn note_version(application: &mut Application, name: &FunctionName, answer: &Value) -> Result<()> {
    let hash: Option<Hash> = answer["hash"].as_str().and_then(|hash| hash.parse().ok());
    let (Some(version), Some(hash)) = (answer["version"].as_u64(), hash) else {
        return Err(Failure::new("NETWORK", format!("the server did not say which version {name} became")));
    };
    application.uploaded(name, version, hash);
    Ok(())
}

async fn post(
    command: &Command,
    dry_run: bool,
    application: &Application,
    client: &Client,
    context: &mut Context,
) -> Result<Value> {
    let mut url = client.url(&["deployments"]);
    if dry_run {
        url.query_pairs_mut().append_pair("dryRun", "true");
    }
    if command.allow_delete_class {
        url.query_pairs_mut().append_pair("allowDeleteClass", "true");
    }
    let request = client.request(reqwest::Method::POST, url)?.json(&json!(application.deployment));
    let timeout = context.globals.timeout.unwrap_or(APPLY_TIMEOUT);
    let response = client.start(context, request.timeout(timeout)).await?;
    Ok(client.read(response).await?.body)
}
