//! `org.ai serve`

use crate::config::{Config, Flags, load};
use crate::context::Context;
use crate::failure::Result;
use crate::wiring::{self, Server};
use serde_json::json;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

/// Run the server until it is told to stop (Ctrl-C or SIGTERM)
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  org.ai serve --data ./data --listen 127.0.0.1:8787\n\nThe first start in an empty folder makes the root key and prints it once. With --json the first line on\nstdout is {\"url\":…,\"rootKey\":…}, the key only when it was just made."
)]
pub(crate) struct Command {
    /// The folder for everything the server keeps, also by ORG_AI_DATA [default: ./org.ai-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen, also by ORG_AI_LISTEN; port 0 takes a free one [default: 127.0.0.1:8787]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// A file with settings, also by ORG_AI_CONFIG
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The root object's namespace, also by ORG_AI_DEFAULT_NS [default: https://localhost]
    #[arg(long, value_name = "URL")]
    default_ns: Option<String>,
    /// Another folder that objects can be moved to, called NAME; can be given several times
    #[arg(long = "location", value_name = "NAME=DIR")]
    locations: Vec<String>,
    /// Let functions whose manifest asks for it reach private addresses
    #[arg(long)]
    allow_private_networks: bool,
    /// Make a new root key, for a data folder whose key was lost
    #[arg(long)]
    new_root_key: bool,
    /// Print every setting with its default, and exit
    #[arg(long)]
    print_config: bool,
    /// Switch on the test doubles (a clock that can be set); never where anybody else can reach it
    #[arg(long)]
    test_mode: bool,
}

pub(crate) async fn run(command: Command, context: &mut Context) -> Result<()> {
    if command.print_config {
        return context.print(crate::config::DEFAULTS);
    }
    let flags = Flags {
        config: command.config,
        listen: command.listen,
        data_dir: command.data,
        default_ns: command.default_ns,
        allow_private_networks: command.allow_private_networks,
        test_mode: command.test_mode,
        new_root_key: command.new_root_key,
        locations: command.locations,
    };
    let config = load(&flags, &context.env, &context.folder)?;
    crate::trace::start(&config.logs, context.has_color())?;
    // Before anything is announced: who reads the line may stop the server at once.
    let stop = stop_signal()?;
    let server = wiring::open(&config).await?;
    announce(&server, &config, context)?;
    server.run(stop).await
}

fn announce(server: &Server, config: &Config, context: &mut Context) -> Result<()> {
    if context.is_json() {
        let mut line = json!({"url": server.url});
        if let Some(key) = &server.root_key {
            line["rootKey"] = key.expose().into();
        }
        return context.print(&line.to_string());
    }
    context.note(&format!(
        "org.ai {} listens on {}\ndata folder: {}",
        env!("CARGO_PKG_VERSION"),
        server.url,
        config.data_dir.display()
    ));
    if config.test_mode {
        context.complain("warning: test mode is on; whoever reaches this server can set its clock");
    }
    if let Some(key) = &server.root_key {
        // The one place where it is shown, also with --quiet: without it nobody gets in.
        context.complain(&format!(
            "\nroot key, shown this once and stored nowhere:\n\n  {}\n\nNext, in another terminal:\n  org.ai login --with-token --api-url {}\n  org.ai functions new hello --lang rust && org.ai functions deploy hello",
            key.expose(),
            server.url
        ));
    }
    Ok(())
}

/// Ready when the process is asked to stop.
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static> {
    let failed = |e| crate::failure::Failure::local("signals cannot be received", e);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
