//! `org.ai dev`

use crate::context::Context;
use crate::failure::{Failure, Result};

/// Run a server for a project: build, deploy, watch, show its log
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  org.ai dev hello")]
pub(crate) struct Command {}

pub(crate) async fn run(_: Command, _: &mut Context) -> Result<()> {
    Err(Failure::new("NOT_SERVED", "dev is not served yet"))
}
