//! The binary `org-ai`, which people call `org.ai`: the server, and the commands to use it.
//!
//! What may be typed is in [`args`] and one file a command under [`commands`]; why a command fails, with its exit code
//! and hint, in [`failure`]; how the server is put together in [`wiring`]. Only this crate reads the environment,
//! prints, or exits.

mod args;
mod commands;
mod context;
mod failure;

mod config;
mod env;
mod trace;
mod wiring;

mod channels;
mod checkouts;
mod client;
mod credentials;
mod events;
mod session;
mod upload;

mod address;
mod fields;
mod filter;
mod models;
mod paint;
mod tool_servers;

mod private_file;
mod project;
mod secret;

#[cfg(test)]
mod tests;

use crate::args::{Cli, Command};
use crate::context::{Context, Streams};
use crate::env::Env;
use crate::failure::Failure;
use clap::Parser;
use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

/// The system's keeps a heap for each of the many threads that open files, and never gives back what lies between two
/// of their blocks; it also takes twice the time for the small blocks that every call is made of.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let folder = std::env::current_dir().unwrap_or_default();
    let mut streams = Streams::process();
    let cli = match parse(&arguments, &mut streams) {
        Ok(cli) => cli,
        Err(code) => return ExitCode::from(code),
    };
    let mut runtime = match cli.command {
        Command::Serve(_) | Command::Dev(_) => tokio::runtime::Builder::new_multi_thread(),
        // A command is one request after the other: threads would only take time to start.
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    let mut context = Context { globals: cli.globals, env: Env::process(), streams, folder };
    let code = match runtime.enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(execute(cli.command, &mut context));
            // A build that runs on does not keep the process.
            runtime.shutdown_background();
            code
        }
        Err(error) => report(&Failure::local("no thread can be started", error), &mut context),
    };
    ExitCode::from(code)
}

/// The arguments as data, or the exit code after help, version or a complaint was printed.
fn parse(arguments: &[OsString], streams: &mut Streams) -> Result<Cli, u8> {
    let error = match Cli::try_parse_from(arguments) {
        Ok(cli) => return Ok(cli),
        Err(error) => error,
    };
    let text = error.render().to_string();
    if !error.use_stderr() {
        // `--help` and `--version` are results. That nobody reads them is no failure.
        drop(streams.stdout.write_all(text.as_bytes()));
        return Err(0);
    }
    let message = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
    let failure = Failure::usage(message);
    let is_json = arguments.iter().take_while(|a| *a != "--").any(|a| a == "--json");
    let shown = if is_json { failure.to_json().to_string() } else { format!("error: {message}") };
    drop(writeln!(streams.stderr, "{shown}"));
    Err(failure.exit as u8)
}

async fn execute(command: Command, context: &mut Context) -> u8 {
    match commands::run(command, context).await {
        Ok(()) => 0,
        Err(failure) => report(&failure, context),
    }
}

/// Prints why, and gives the exit code.
fn report(failure: &Failure, context: &mut Context) -> u8 {
    let shown = if context.is_json() {
        failure.to_json().to_string()
    } else {
        // A message may quote what a guest or another user wrote; it must not steer the terminal.
        failure.to_text().chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { ' ' } else { c }).collect()
    };
    context.complain(&shown);
    failure.exit as u8
}
