//! The commands, one file each: `<group>/<verb>.rs` holds what may be typed and what it does.

use crate::args;
use crate::context::Context;
use crate::failure::Result;

pub(crate) mod actions;
pub(crate) mod agents;
pub(crate) mod approvals;
pub(crate) mod ask;
pub(crate) mod branches;
pub(crate) mod checkout;
pub(crate) mod completions;
pub(crate) mod deploy;
pub(crate) mod deployments;
pub(crate) mod dev;
pub(crate) mod events;
pub(crate) mod functions;
pub(crate) mod generate;
pub(crate) mod humans;
pub(crate) mod invocations;
pub(crate) mod keys;
pub(crate) mod lifecycle;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod mcp;
pub(crate) mod merge;
pub(crate) mod nouns;
pub(crate) mod objects;
pub(crate) mod relations;
pub(crate) mod schedules;
pub(crate) mod secrets;
pub(crate) mod serve;
pub(crate) mod subscriptions;
pub(crate) mod things;
pub(crate) mod usage;
pub(crate) mod verbs;
pub(crate) mod whoami;
pub(crate) mod workflows;

pub(crate) async fn run(command: args::Command, context: &mut Context) -> Result<()> {
    match command {
        args::Command::Serve(command) => serve::run(command, context).await,
        args::Command::Dev(command) => dev::run(command, context).await,
        args::Command::Deploy(command) => deploy::run(command, context).await,
        args::Command::Functions(command) => functions::run(command, context).await,
        args::Command::Things(command) => things::run(command, context).await,
        args::Command::Relate(command) => relations::relate::run(command, context).await,
        args::Command::Unrelate(command) => relations::unrelate::run(command, context).await,
        args::Command::Relations(command) => relations::list::run(command, context).await,
        args::Command::Nouns(command) => nouns::run(command, context).await,
        args::Command::Deployments(command) => deployments::run(command, context).await,
        args::Command::Verbs(command) => verbs::run(command, context).await,
        args::Command::Branches(command) => branches::run(command, context).await,
        args::Command::Checkout(command) => checkout::run(command, context).await,
        args::Command::Merge(command) => merge::run(command, context).await,
        args::Command::Events(command) => events::run(command, context).await,
        args::Command::Subscriptions(command) => subscriptions::run(command, context).await,
        args::Command::Fork(command) => lifecycle::fork::run(command, context).await,
        args::Command::Compact(command) => lifecycle::compact::run(command, context).await,
        args::Command::Move(command) => lifecycle::move_to::run(command, context).await,
        args::Command::Promote(command) => lifecycle::promote::run(command, context).await,
        args::Command::Keys(command) => keys::run(command, context).await,
        args::Command::Schedules(command) => schedules::run(command, context).await,
        args::Command::Secrets(command) => secrets::run(command, context).await,
        args::Command::Objects(command) => objects::run(command, context).await,
        args::Command::Invocations(command) => invocations::run(command, context).await,
        args::Command::Actions(command) => actions::run(command, context).await,
        args::Command::Workflows(command) => workflows::run(command, context).await,
        args::Command::Agents(command) => agents::run(command, context).await,
        args::Command::Approvals(command) => approvals::run(command, context).await,
        args::Command::Humans(command) => humans::run(command, context).await,
        args::Command::Ask(command) => ask::run(command, context).await,
        args::Command::Generate(command) => generate::run(command, context).await,
        args::Command::Usage(command) => usage::run(command, context).await,
        args::Command::Mcp(command) => mcp::run(command, context).await,
        args::Command::Whoami(command) => whoami::run(command, context).await,
        args::Command::Login(command) => login::run(command, context).await,
        args::Command::Logout(command) => logout::run(command, context),
        args::Command::Completions(command) => completions::run(&command, context),
    }
}
