//! Puts the server together: log, engine, node, HTTP.

use crate::config::Config;
use crate::failure::{Failure, Result};
use crate::secret::Secret;
use std::future::Future;

/// A server that listens.
pub(crate) struct Server {
    /// `http://HOST:PORT`, with the port it really has.
    pub(crate) url: String,
    /// The root key, if it was just made: nobody else will ever see it.
    pub(crate) root_key: Option<Secret>,
}

/// Opens the data folder and the port.
pub(crate) async fn open(_config: &Config) -> Result<Server> {
    Err(Failure::new("NOT_SERVED", "the server is not part of this build"))
}

impl Server {
    /// Serves until `stop` is ready, then finishes what runs and closes everything.
    pub(crate) async fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        stop.await;
        Ok(())
    }
}
