//! The Model Context Protocol spoken to servers outside, whose tools agents may call (`types::exec::ToolServers`).
//!
//! Which servers there are the operator says; tenants name them, and never bring any. One connection to each is kept and
//! made anew when it is lost. A call is made once: where it is not known whether it was done, that is said.

mod config;
pub use config::{ServerConfig, Token};
mod answer;
mod server;

use server::Server;
use std::collections::BTreeMap;
use types::exec::{BoxFuture, ServerTool, ToolServers};
use types::{Fault, Json};

/// The servers that are configured.
pub struct Servers(BTreeMap<String, Server>);

impl Servers {
    /// Nothing is connected before it is needed.
    ///
    /// # Errors
    /// That no HTTP client can be made.
    pub fn new(servers: Vec<ServerConfig>) -> Result<Self, reqwest::Error> {
        let made = servers.into_iter().map(|config| Ok((config.name.clone(), Server::new(config)?)));
        made.collect::<Result<_, _>>().map(Self)
    }

    fn find(&self, name: &str) -> Result<&Server, Fault> {
        self.0.get(name).ok_or_else(|| {
            let shown: String = name.chars().take(80).collect();
            let known: Vec<_> = self.0.keys().map(String::as_str).collect();
            let message = if known.is_empty() {
                format!("there is no server of tools {shown:?}: none is configured; add [mcp.servers.{shown}] to this server's file")
            } else {
                format!("there is no server of tools {shown:?}; configured are {}", known.join(", "))
            };
            Fault::not_found("TOOLS_UNAVAILABLE", message)
        })
    }
}

impl ToolServers for Servers {
    fn list(&self, server: String) -> BoxFuture<'_, Result<Vec<ServerTool>, Fault>> {
        Box::pin(async move { self.find(&server)?.list().await })
    }

    fn call(&self, server: String, tool: String, args: Json) -> BoxFuture<'_, Result<Json, Fault>> {
        Box::pin(async move { self.find(&server)?.call(tool, &args).await })
    }
}

#[cfg(test)]
mod tests;
