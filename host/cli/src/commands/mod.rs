//! The commands, one file each: `<group>/<verb>.rs` holds what may be typed and what it does.

use crate::args;
use crate::context::Context;
use crate::failure::Result;

pub(crate) mod actions;
pub(crate) mod completions;
pub(crate) mod dev;
pub(crate) mod functions;
pub(crate) mod keys;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod objects;
pub(crate) mod secrets;
pub(crate) mod serve;
pub(crate) mod whoami;

pub(crate) async fn run(command: args::Command, context: &mut Context) -> Result<()> {
    match command {
        args::Command::Serve(command) => serve::run(command, context).await,
        args::Command::Dev(command) => dev::run(command, context).await,
        args::Command::Functions(command) => functions::run(command, context).await,
        args::Command::Keys(command) => keys::run(command, context).await,
        args::Command::Secrets(command) => secrets::run(command, context).await,
        args::Command::Objects(command) => objects::run(command, context).await,
        args::Command::Actions(command) => actions::run(command, context).await,
        args::Command::Whoami(command) => whoami::run(command, context).await,
        args::Command::Login(command) => login::run(command, context).await,
        args::Command::Logout(command) => logout::run(command, context),
        args::Command::Completions(command) => completions::run(&command, context),
    }
}
