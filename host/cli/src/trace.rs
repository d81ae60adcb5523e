//! The server's log: lines on standard error.

use crate::failure::{Failure, Result};
use tracing_subscriber::EnvFilter;

/// Starts it, once in a process.
pub(crate) fn start(directives: &str, has_color: bool) -> Result<()> {
    let filter = EnvFilter::try_new(directives)
        .map_err(|e| Failure::new("CONFIG_INVALID", format!("logs = {directives:?} is not understood: {e}")))?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(has_color)
        // A line that cannot be written (the disk is full) is lost; complaining about it, to the same place, would
        // panic in whichever thread had something to say.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .try_init();
    subscriber.map_err(|e| Failure::local("the log cannot be started", e))
}
