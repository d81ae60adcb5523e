//! `org.ai functions deploy`

use super::function_name;
use crate::client::Client;
use crate::context::{Context, cell};
use crate::failure::{Failure, Result};
use crate::project;
use crate::upload::{self, Upload};
use std::path::{Path, PathBuf};
use types::{AllowedHost, FunctionName, Json, Manifest};

/// Deploy a component, a definition without one, or build and deploy a project
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai functions deploy hello.wasm\n  org.ai functions deploy ./hello\n  org.ai functions deploy classify.json\n  org.ai functions deploy fetch.wasm --name fetch --allow https://api.example.com --env REGION=eu"
)]
pub(crate) struct Command {
    /// A .wasm file, a .json file with the definition of a generative, agentic or human function, or the folder of a project
    path: PathBuf,
    /// The function's name [default: the project's, or the file's]
    #[arg(long, value_parser = function_name)]
    name: Option<FunctionName>,
    /// A manifest (JSON or TOML) for a .wasm file
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// A folder that the function finds under /assets
    #[arg(long, value_name = "DIR")]
    assets: Option<PathBuf>,
    /// Where its outgoing HTTP may go, like https://api.example.com; may be given more than once
    #[arg(long, value_name = "URL")]
    allow: Vec<String>,
    /// A variable of its environment, never a secret; may be given more than once
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// Check and compile it on the server, change nothing
    #[arg(long)]
    dry_run: bool,
}

fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE, like REGION=eu".to_owned()),
    }
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    // Who is not logged in should not wait for a build to learn it.
    let client = Client::open(context)?;
    let dry_run = command.dry_run;
    let answer = if command.path.extension().is_some_and(|extension| extension == "json") {
        let (name, definition) = definition(&command, context)?;
        upload::declare(&client, context, &name, &definition, dry_run).await?
    } else {
        let upload = prepare(command, context).await?;
        upload::deploy(&client, context, &upload, dry_run).await?
    };
    // Where a person can call it, which behind a loopback address is not the namespace's own URL.
    let callable = client.url(&["actions", answer["name"].as_str().unwrap_or_default()]);
    context.result(&answer, |answer| {
        let what = match (dry_run, answer["unchanged"].as_bool()) {
            (true, _) => "Would deploy",
            (false, Some(true)) => "Unchanged:",
            (false, _) => "Deployed",
        };
        let actions = answer["actions"].as_array().map_or(0, Vec::len);
        let actions = if cell(answer, "type") == "tool-box" { format!(", {actions} actions") } else { String::new() };
        format!(
            "{what} {} version {} ({}{actions})\n{callable}",
            cell(answer, "name"),
            cell(answer, "version"),
            cell(answer, "type"),
        )
    })
}

/// A function without a component: a model, an agent or a person answers it.
fn definition(command: &Command, context: &mut Context) -> Result<(FunctionName, Json)> {
    let is_bare = command.manifest.is_none() && command.assets.is_none();
    if !is_bare || !command.allow.is_empty() || !command.env.is_empty() {
        return Err(Failure::usage("a definition has no manifest, assets, allowed hosts or environment"));
    }
    let text = context.read_file(&command.path)?;
    let json = Json::parse(text.trim())
        .map_err(|e| Failure::new("BAD_JSON", format!("{} is not usable: {e}", command.path.display())))?;
    let name = match &command.name {
        Some(name) => name.clone(),
        None => name_of(&command.path)?,
    };
    Ok((name, json))
}

async fn prepare(command: Command, context: &mut Context) -> Result<Upload> {
    let path = context.folder.join(&command.path);
    let mut upload = if path.is_dir() {
        let built = project::build(&path, context).await?;
        Upload { name: built.name, component: built.component, manifest: built.manifest, assets: built.assets }
    } else {
        upload::check_component(&path, &command.path)?;
        let name = match &command.name {
            Some(name) => name.clone(),
            None => name_of(&command.path)?,
        };
        Upload { name, component: path, manifest: Manifest::default(), assets: Vec::new() }
    };
    if let Some(name) = command.name {
        upload.name = name;
    }
    if let Some(file) = &command.manifest {
        upload.manifest = manifest(&context.read_file(file)?, file)?;
    }
    if let Some(assets) = command.assets {
        upload.assets = upload::read_assets(&context.folder.join(assets))?;
    }
    let allowed = |url: String| AllowedHost { url, methods: Vec::new(), private: false };
    upload.manifest.allow.extend(command.allow.into_iter().map(allowed));
    upload.manifest.env.extend(command.env);
    Ok(upload)
}

/// A file's name is a function's name with `-` for what a function's name cannot have.
fn name_of(path: &Path) -> Result<FunctionName> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    FunctionName::parse(&name).map_err(|_| {
        Failure::usage(format!("{:?} gives no name for the function", path.display())).with_hint("add --name NAME")
    })
}

/// A manifest as a file of its own.
pub(crate) fn manifest(text: &str, file: &Path) -> Result<Manifest> {
    let is_json = text.trim_start().starts_with('{');
    let read = if is_json {
        serde_json::from_str(text).map_err(|e| e.to_string())
    } else {
        toml::from_str(text).map_err(|e| e.to_string())
    };
    read.map_err(|e| Failure::new("CONFIG_INVALID", format!("{} is no manifest: {e}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_its_function() {
        for (path, name) in
            [("a/Hello_World.wasm", "hello-world"), ("x.component.wasm", "x-component"), ("calc", "calc")]
        {
            assert_eq!(name_of(Path::new(path)).unwrap().as_str(), name);
        }
        assert_eq!(name_of(Path::new("1.wasm")).unwrap_err().exit as u8, 2);
    }

    #[test]
    fn a_manifest_is_json_or_toml_and_unknown_keys_are_errors() {
        let json = manifest(r#"{"allow":[{"url":"https://a.example"}],"tmp":true}"#, Path::new("m")).unwrap();
        let toml = manifest("tmp = true\n[[allow]]\nurl = \"https://a.example\"\n", Path::new("m")).unwrap();
        assert_eq!(json, toml);
        let failure = manifest("[[alow]]\nurl = \"x\"\n", Path::new("m.toml")).unwrap_err();
        assert_eq!(failure.exit as u8, 10);
        assert!(failure.message.contains("line 1") && failure.message.contains("alow"), "{}", failure.message);
    }
}
