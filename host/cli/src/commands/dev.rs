//! `org.ai dev`

mod home;
mod watch;

use crate::client::Client;
use crate::commands::functions::logs;
use crate::commands::serve::stop_signal;
use crate::config::{Flags, load};
use crate::context::{Context, cell};
use crate::events::Tail;
use crate::failure::{Exit, Failure, Result};
use crate::project;
use crate::session::{Session, TokenSource, parse_url};
use crate::upload::{self, Upload};
use crate::wiring;
use authoring::Project;
use home::Home;
use std::path::{Path, PathBuf};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use watch::Changes;

/// Run a server for a project: build, deploy, watch, show its log
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai dev hello\n\nWhile it runs, other commands in the project's folder talk to it and need no login:\n  org.ai functions invoke hello --input '{\"name\":\"Ann\"}'"
)]
pub(crate) struct Command {
    /// The project's folder; without a function.toml in it there is only the server
    #[arg(default_value = ".")]
    path: PathBuf,
    /// The port on 127.0.0.1 [default: 8787, or a free one]
    #[arg(long)]
    port: Option<u16>,
    /// The folder for the server's data [default: .org.ai/data in the project]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep nothing: the data go into a folder that is removed at the end
    #[arg(long, conflicts_with = "data")]
    temp: bool,
    /// Let functions whose manifest asks for it reach private addresses
    #[arg(long)]
    allow_private_networks: bool,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    let folder = context.folder.join(&command.path);
    if !folder.is_dir() {
        return Err(Failure::new("FILE_NOT_FOUND", format!("there is no folder {}", command.path.display())));
    }
    // A project that does not read is told at once; one that is not there leaves a server alone.
    let project = if folder.join(Project::FILE).exists() { Some(project::open(&folder)?) } else { None };
    let temporary =
        if command.temp { Some(tempfile::tempdir().map_err(|e| Failure::local("no folder", e))?) } else { None };
    let data = match &temporary {
        Some(folder) => folder.path().join("data"),
        None => command.data.clone().map_or_else(|| folder.join(".org.ai/data"), |own| context.folder.join(own)),
    };
    let stop = stop_signal()?;
    let mut stop = std::pin::pin!(stop);
    let home = Home::of(&folder, &data);
    let (client, mut server) = start(&command, &home, data, context).await?;
    let mut developer = Developer { client, folder: folder.clone(), project, deployed: None, tail: None };
    developer.greet(context)?;
    let ended = tokio::select! {
        () = &mut stop => Ok(()),
        ended = developer.work(context) => ended,
        ended = &mut server.task => ended.unwrap_or_else(|e| Err(Failure::local("the server broke", e))),
    };
    home.close();
    // Its open stream would be waited for.
    drop(developer);
    server.end().await?;
    ended
}

/// The server of this process.
struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<()>>,
}

impl Running {
    /// Lets running requests finish.
    async fn end(mut self) -> Result<()> {
        if let Some(stop) = self.stop.take() {
            // Nobody listens if it ended by itself.
            let _ = stop.send(());
        }
        if self.task.is_finished() {
            return Ok(());
        }
        self.task.await.map_err(|e| Failure::local("the server broke", e))?
    }
}

/// A server on this folder, and a client that is signed in.
async fn start(command: &Command, home: &Home, data: PathBuf, context: &mut Context) -> Result<(Client, Running)> {
    let known = home.key();
    let flags = Flags {
        listen: Some(format!("127.0.0.1:{}", command.port.unwrap_or_else(free_port))),
        data_dir: Some(data),
        allow_private_networks: command.allow_private_networks,
        // Who has the folder may come in; a key that was lost is made anew.
        new_root_key: known.is_none(),
        ..Flags::default()
    };
    let config = load(&flags, &context.env, &context.folder)?;
    crate::trace::start(&config.logs, context.has_color())?;
    let mut server = wiring::open(&config).await?;
    let key =
        server.root_key.take().or(known).ok_or_else(|| Failure::new("CONFIG_INVALID", "the server made no key"))?;
    let url = server.url.clone();
    home.open(&url, &key)?;
    let session = Session {
        api_url: parse_url(&url, false)?,
        token: Some((key, TokenSource::Dev)),
        ns: context.globals.ns.clone().or_else(|| context.env.get(crate::env::NS)),
        profile: None,
    };
    let client = Client::of(context, session)?;
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(server.run(async move {
        // A sender that is gone means the same as a message.
        let _ = stopped.await;
    }));
    Ok((client, Running { stop: Some(stop), task }))
}

/// The usual port, so that a URL stays good over a restart, unless somebody has it: then any (0).
fn free_port() -> u16 {
    const USUAL: u16 = 8787;
    if std::net::TcpListener::bind(("127.0.0.1", USUAL)).is_ok() { USUAL } else { 0 }
}

/// Builds, deploys, watches, shows.
struct Developer {
    client: Client,
    folder: PathBuf,
    project: Option<Project>,
    /// The fingerprint of what was built last, good or bad.
    deployed: Option<String>,
    tail: Option<Tail>,
}

impl Developer {
    fn greet(&self, context: &mut Context) -> Result<()> {
        let url = self.client.session.api_url.as_str().trim_end_matches('/').to_owned();
        if context.is_json() {
            return context.print(&serde_json::json!({ "url": url }).to_string());
        }
        context.note(&format!("org.ai dev on {url} (Ctrl-C stops it)"));
        if self.project.is_none() {
            context.note(&format!("no function.toml in {}: there is only the server", self.folder.display()));
        }
        Ok(())
    }

    /// Goes on until something breaks that no change of the source can mend.
    async fn work(&mut self, context: &mut Context) -> Result<()> {
        if self.project.is_none() {
            return std::future::pending().await;
        }
        let mut changes = Changes::watch(&self.folder)?;
        self.rebuild(context).await?;
        loop {
            tokio::select! {
                changed = changes.next() => {
                    changed?;
                    self.rebuild(context).await?;
                }
                shown = follow(&mut self.tail, &self.client, context) => shown?,
            }
        }
    }

    /// A source that does not build, or that the server refuses, is told; the version before goes on.
    async fn rebuild(&mut self, context: &mut Context) -> Result<()> {
        match self.deploy(context).await {
            Ok(()) => Ok(()),
            Err(failure) if is_for_the_author(&failure) => {
                context.complain(&failure.to_text());
                context.note("watching for changes …");
                Ok(())
            }
            Err(failure) => Err(failure),
        }
    }

    async fn deploy(&mut self, context: &mut Context) -> Result<()> {
        let project = project::open(&self.folder)?;
        let fingerprint = project::fingerprint(&project);
        if fingerprint.is_some() && fingerprint == self.deployed {
            return Ok(());
        }
        self.deployed = fingerprint;
        let built = project::build(&self.folder, context).await?;
        let upload =
            Upload { name: built.name, component: built.component, manifest: built.manifest, assets: built.assets };
        let answer = upload::deploy(&self.client, context, &upload, false).await?;
        let name = upload.name.as_str();
        let what = if answer["unchanged"] == true { "unchanged:" } else { "deployed" };
        context.note(&format!("{what} {name} version {} ({})", cell(&answer, "version"), cell(&answer, "type")));
        if self.tail.is_none() {
            context
                .note(&format!("call it:  org.ai functions invoke {name} --api-url {}", self.client.session.api_url));
            let logs = self.client.url(&["functions", name, "logs"]);
            self.tail = Some(Tail::new(logs::from_now(&self.client, context, logs).await?));
        }
        Ok(())
    }
}

/// One entry of the function's log; waits for ever while there is no function.
async fn follow(tail: &mut Option<Tail>, client: &Client, context: &mut Context) -> Result<()> {
    let Some(tail) = tail else { return std::future::pending().await };
    let event = tail.next(client, context).await?;
    logs::show(&event.data, context)
}

/// Whether the next change of the source may mend it.
fn is_for_the_author(failure: &Failure) -> bool {
    match failure.exit {
        Exit::General | Exit::Usage | Exit::Config | Exit::NotFound | Exit::Timeout | Exit::Remote => true,
        Exit::NotAuthenticated | Exit::PermissionDenied | Exit::Network | Exit::RateLimited | Exit::Interrupted => {
            false
        }
    }
}

/// Where `dev` leaves what belongs to a project and not into its history.
fn is_ours(path: &Path) -> bool {
    path.components().any(|part| {
        matches!(part.as_os_str().to_str(), Some(".org.ai" | ".git" | "target" | "node_modules" | "__pycache__"))
    })
}
