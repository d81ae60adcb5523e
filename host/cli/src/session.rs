//! Which server a command talks to, as whom, and about which namespace.

use crate::context::Context;
use crate::credentials::{Profile, Store};
use crate::env;
use crate::failure::{Failure, Result};
use crate::secret::Secret;
use reqwest::Url;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where a server is that nobody has said anything about.
pub(crate) const API_URL_DEFAULT: &str = "http://127.0.0.1:8787";
/// In a project's folder: what its `org.ai dev` server tells the commands run there.
pub(crate) const DEV_FILE: &str = ".org.ai/dev.json";

/// Where the token is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TokenSource {
    Env,
    File,
    Dev,
}

impl TokenSource {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Env => "env",
            Self::File => "file",
            Self::Dev => "dev",
        }
    }
}

/// The answer to the three questions.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) api_url: Url,
    pub(crate) token: Option<(Secret, TokenSource)>,
    pub(crate) ns: Option<String>,
    /// The profile whose token it is, if it is one's.
    pub(crate) profile: Option<String>,
}

/// What `dev` writes for the commands that are run beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DevServer {
    pub(crate) url: String,
    pub(crate) key: Secret,
}

impl Session {
    /// URL: flag, variable, the named profile, the dev server of this folder, the default profile, loopback.
    /// Token: variable, else what belongs to that URL: a stored token is sent to the server it is for and no other.
    pub(crate) fn resolve(context: &mut Context) -> Result<Self> {
        let (credentials, warning) = Store::locate(&context.env)?.read()?;
        if let Some(warning) = warning {
            context.complain(&warning);
        }
        let named = context.globals.profile.clone().or_else(|| context.env.get(env::PROFILE));
        let profile = match &named {
            Some(name) => {
                Some(credentials.profiles.get(name).ok_or_else(|| unknown_profile(name, &credentials.profiles))?)
            }
            None => credentials.profiles.get(&credentials.default),
        };
        let dev = if named.is_none() { dev_server(&context.folder) } else { None };
        let said = context.globals.api_url.clone().or_else(|| context.env.get(env::API_URL));
        let url = said
            .or_else(|| dev.as_ref().map(|d| d.url.clone()))
            .or_else(|| profile.map(|p| p.api_url.clone()))
            .unwrap_or_else(|| API_URL_DEFAULT.to_owned());
        let api_url = parse_url(&url, context.globals.insecure)?;
        let is_for = |other: &str| Url::parse(other).is_ok_and(|o| o.origin() == api_url.origin());
        let profile = profile.filter(|p| is_for(&p.api_url));
        let token = context
            .env
            .get(env::TOKEN)
            .map(|t| (Secret::new(t), TokenSource::Env))
            .or_else(|| dev.filter(|d| is_for(&d.url)).map(|d| (d.key, TokenSource::Dev)))
            .or_else(|| profile.map(|p| (p.access_token.clone(), TokenSource::File)));
        let is_profiles = matches!(token, Some((_, TokenSource::File)));
        let ns = context
            .globals
            .ns
            .clone()
            .or_else(|| context.env.get(env::NS))
            .or_else(|| profile.and_then(|p| p.ns.clone()));
        if let Some(ns) = &ns {
            types::Namespace::parse(ns).map_err(Failure::usage)?;
        }
        let profile = is_profiles.then(|| named.unwrap_or_else(|| credentials.default.clone()));
        Ok(Self { api_url, token, ns, profile })
    }
}

/// A server's URL. Without TLS only on this machine, where nobody listens in, unless the user insists (spec CLI-6).
pub(crate) fn parse_url(text: &str, is_insecure_allowed: bool) -> Result<Url> {
    let refuse =
        |why: &str| Failure::usage(format!("{text:?} is no URL of a server: {why} (like https://api.example.com)"));
    let url = Url::parse(text).map_err(|e| refuse(&e.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        // Not quoted: it holds a password.
        return Err(Failure::usage(
            "the server's URL must not hold a user or password; use ORG_AI_TOKEN or `org.ai login`",
        ));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_insecure_allowed || is_loopback(&url) => Ok(url),
        "http" => Err(Failure::new("INSECURE_URL", format!("{url} would send your key over the network unencrypted"))),
        _ => Err(refuse("it begins with neither https:// nor http://")),
    }
}

/// `localhost`, names under it, and the addresses of this machine itself.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn unknown_profile(name: &str, profiles: &std::collections::BTreeMap<String, Profile>) -> Failure {
    let known: Vec<&str> = profiles.keys().map(String::as_str).collect();
    let known = if known.is_empty() { "none is stored".to_owned() } else { format!("stored are {}", known.join(", ")) };
    Failure::new("CONFIG_INVALID", format!("there is no profile {name:?}: {known}"))
        .with_hint(format!("make it with `org.ai login --with-token --profile {name}`"))
}

/// The dev server of this folder or the nearest one above. A file that does not read is as good as none: `dev` writes it
/// anew, and no command depends on it.
fn dev_server(folder: &Path) -> Option<DevServer> {
    folder.ancestors().find_map(|ancestor| {
        let text = std::fs::read_to_string(ancestor.join(DEV_FILE)).ok()?;
        serde_json::from_str(&text).ok()
    })
}

/// Where `dev` in this folder writes.
pub(crate) fn dev_file(folder: &Path) -> PathBuf {
    folder.join(DEV_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in [
            "https://a.example",
            "http://127.0.0.1:1",
            "http://localhost:9",
            "http://[::1]:3",
            "http://acme.localhost:3",
        ] {
            assert!(parse_url(good, false).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example",
            "http://10.0.0.1",
            "http://127.0.0.1.example",
            "http://localhost.example",
            "http://0.0.0.0",
        ] {
            assert_eq!(parse_url(bad, false).unwrap_err().code, "INSECURE_URL", "{bad}");
            assert!(parse_url(bad, true).is_ok(), "{bad}");
        }
        for bad in ["", "a.example", "ftp://a.example", "file:///etc"] {
            assert_eq!(parse_url(bad, true).unwrap_err().exit as u8, 2, "{bad}");
        }
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        let failure = parse_url("https://ann:hunter2@a.example", true).unwrap_err();
        assert!(!failure.message.contains("hunter2"));
    }
}
