//! What the operator says of a server of tools.

use std::fmt;
use std::time::Duration;

/// One server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// As the first part of `mcp:NAME.tool` names it.
    pub name: String,
    /// Of its streamable HTTP. Whether it is private is the operator's own business.
    pub url: String,
    /// None: it wants none.
    pub token: Option<Token>,
    /// For one call or list, connecting and waiting for a place included.
    pub timeout: Duration,
}

/// What opens a server. It shows itself to nobody.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
