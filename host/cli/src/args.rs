//! What may be typed: the global flags (spec CLI-1) and the tree of commands. Parsing gives plain data; nothing acts here.

use crate::commands;
use clap::{Args, Parser, Subcommand};
use std::time::Duration;

/// Durable objects and sandboxed functions in one program.
#[derive(Debug, Parser)]
#[command(
    name = "org.ai",
    bin_name = "org.ai",
    version,
    about = "Durable objects and sandboxed functions in one program: the server, and the commands to use it",
    after_help = "Example:\n  org.ai functions new hello --lang rust\n  org.ai dev hello\n  org.ai functions invoke hello --input '{\"name\":\"Ann\"}'",
    term_width = 100,
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = false
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global flags")]
pub(crate) struct Globals {
    /// Print the result as one JSON document on stdout, an error as one on stderr
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print nothing but results and errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// No colour, also by NO_COLOR
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
    /// The server, also by ORG_AI_API_URL [default: the project's dev server, the profile's, http://127.0.0.1:8787]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) api_url: Option<String>,
    /// The namespace of the durable object, also by ORG_AI_NS
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) ns: Option<String>,
    /// Which stored login to use, also by ORG_AI_PROFILE
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// How long to wait for an answer, like 30s or 5m [default: 60s]
    #[arg(long, global = true, value_name = "DURATION", value_parser = types::parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Do not ask before what cannot be taken back
    #[arg(long, short, global = true)]
    pub(crate) yes: bool,
    /// Show each request on stderr, without keys and bodies
    #[arg(long, global = true)]
    pub(crate) verbose: bool,
    /// Talk to another machine without TLS
    #[arg(long, global = true)]
    pub(crate) insecure: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(commands::serve::Command),
    Dev(commands::dev::Command),
    Deploy(commands::deploy::Command),
    /// Write, build, deploy and call functions
    #[command(subcommand)]
    Functions(commands::functions::Command),
    /// Versioned things: read them at any ref, write them, see their history
    #[command(subcommand)]
    Things(commands::things::Command),
    Relate(commands::relations::relate::Command),
    Unrelate(commands::relations::unrelate::Command),
    Relations(commands::relations::list::Command),
    /// The types of things, and what each must look like
    #[command(subcommand)]
    Nouns(commands::nouns::Command),
    /// The applications that were deployed, and their versions
    #[command(subcommand)]
    Deployments(commands::deployments::Command),
    /// The words for what is done to things and between them
    #[command(subcommand)]
    Verbs(commands::verbs::Command),
    /// Named lines of versions, over the whole object
    #[command(subcommand)]
    Branches(commands::branches::Command),
    Checkout(commands::checkout::Command),
    Merge(commands::merge::Command),
    /// What happened, in its order
    #[command(subcommand)]
    Events(commands::events::Command),
    /// Which handlers are told of which events
    #[command(subcommand)]
    Subscriptions(commands::subscriptions::Command),
    Fork(commands::lifecycle::fork::Command),
    Compact(commands::lifecycle::compact::Command),
    Move(commands::lifecycle::move_to::Command),
    Promote(commands::lifecycle::promote::Command),
    /// API keys of a durable object
    #[command(subcommand)]
    Keys(commands::keys::Command),
    /// What a durable object does again and again
    #[command(subcommand)]
    Schedules(commands::schedules::Command),
    /// Secrets that functions may send to hosts they name, without ever seeing them
    #[command(subcommand)]
    Secrets(commands::secrets::Command),
    /// Durable objects
    #[command(subcommand)]
    Objects(commands::objects::Command),
    /// What runs durably, and what it did in time
    #[command(subcommand)]
    Invocations(commands::invocations::Command),
    /// The log of what was done
    #[command(subcommand)]
    Actions(commands::actions::Command),
    /// Work of several steps, and its runs
    #[command(subcommand)]
    Workflows(commands::workflows::Command),
    /// Models with instructions and tools, and the goals they are given
    #[command(subcommand)]
    Agents(commands::agents::Command),
    /// What people are asked for, and what they say
    #[command(subcommand)]
    Approvals(commands::approvals::Command),
    /// People who can be asked
    #[command(subcommand)]
    Humans(commands::humans::Command),
    Ask(commands::ask::Command),
    Generate(commands::generate::Command),
    Usage(commands::usage::Command),
    Mcp(commands::mcp::Command),
    Whoami(commands::whoami::Command),
    Login(commands::login::Command),
    Logout(commands::logout::Command),
    Completions(commands::completions::Command),
}
