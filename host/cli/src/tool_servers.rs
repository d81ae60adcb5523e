//! The server's settings for servers of tools: `[mcp.servers]` of its file.

use crate::env::Env;
use crate::failure::{Failure, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// The table whose tables have names of the operator's own.
pub(crate) const SERVERS: &str = "mcp.servers";

/// For one call, unless the file says.
const TIMEOUT_MS: u64 = 60_000;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Text {
    servers: BTreeMap<String, ServerText>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerText {
    url: String,
    token_env: Option<String>,
    timeout_ms: Option<u64>,
}

pub(crate) fn read(text: Text, env: &Env) -> Result<Vec<mcp::ServerConfig>> {
    text.servers.into_iter().map(|(name, text)| server(name, text, env)).collect()
}

fn server(name: String, text: ServerText, env: &Env) -> Result<mcp::ServerConfig> {
    let refuse = |what: String| Failure::new("CONFIG_INVALID", format!("{SERVERS}.{name}: {what}"));
    // A dot would begin the name of a tool.
    let is_name =
        (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !is_name {
        return Err(refuse("a server's name has 1 to 64 letters, digits, - and _".to_owned()));
    }
    let url = reqwest::Url::parse(&text.url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    if url.is_none() {
        return Err(refuse(format!("url {:?} is no http or https URL", text.url)));
    }
    let token = match text.token_env.as_ref().filter(|variable| !variable.is_empty()) {
        None => None,
        // Its value is shown nowhere; that it is missing is better known now than with the first call.
        Some(variable) => {
            let value = env.get(variable).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| refuse(format!("the variable {variable} (token_env) is not set")))?;
            Some(mcp::Token::new(value))
        }
    };
    if text.timeout_ms == Some(0) {
        return Err(refuse("timeout_ms must be more than 0".to_owned()));
    }
    let timeout = Duration::from_millis(text.timeout_ms.unwrap_or(TIMEOUT_MS));
    Ok(mcp::ServerConfig { name, url: text.url, token, timeout })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str, pairs: &[(&str, &str)]) -> std::result::Result<Vec<mcp::ServerConfig>, String> {
        let text = toml::from_str(file).map_err(|e| e.to_string())?;
        read(text, &Env::of(pairs)).map_err(|failure| failure.message)
    }

    #[test]
    fn a_server_of_tools_has_its_token_from_a_variable() {
        let file = "[servers.docs]\nurl = \"https://docs.example/mcp\"\ntoken_env = \"T\"\ntimeout_ms = 5\n";
        let servers = of(file, &[("T", "t-1")]).unwrap();
        assert_eq!((servers[0].name.as_str(), servers[0].timeout), ("docs", Duration::from_millis(5)));
        assert!(servers[0].token.is_some() && !format!("{servers:?}").contains("t-1"));
        assert_eq!(of(file, &[]).unwrap_err(), "mcp.servers.docs: the variable T (token_env) is not set");
        assert!(of("", &[]).unwrap().is_empty());
    }

    #[test]
    fn odd_servers_of_tools_are_refused() {
        for file in [
            "[servers.x]\nurl = \"no url\"\n",
            "[servers.x]\nurl = \"file:///etc\"\n",
            "[servers.\"a.b\"]\nurl = \"http://h\"\n",
            "[servers.x]\nurl = \"http://h\"\ntimeout_ms = 0\n",
            "[servers.x]\nurl = \"http://h\"\ncommand = \"sh\"\n",
        ] {
            assert!(of(file, &[]).is_err(), "{file}");
        }
    }
}
