//! The environment variables that `org.ai` reads, and the only way to read one.

/// Where the server is: `https://api.example.com`.
pub(crate) const API_URL: &str = "ORG_AI_API_URL";
/// The namespace of the durable object that a command is about.
pub(crate) const NS: &str = "ORG_AI_NS";
/// An API key. Goes before whatever `login` stored.
pub(crate) const TOKEN: &str = "ORG_AI_TOKEN";
/// Which profile of the credentials file to use.
pub(crate) const PROFILE: &str = "ORG_AI_PROFILE";
/// The server's configuration file.
pub(crate) const CONFIG: &str = "ORG_AI_CONFIG";
/// The server's data folder.
pub(crate) const DATA: &str = "ORG_AI_DATA";
/// `HOST:PORT` that the server listens on.
pub(crate) const LISTEN: &str = "ORG_AI_LISTEN";
/// The namespace meant by a request on a loopback host that names none.
pub(crate) const DEFAULT_NS: &str = "ORG_AI_DEFAULT_NS";
/// `true`: functions whose manifest asks for it may reach private addresses.
pub(crate) const ALLOW_PRIVATE_NETWORKS: &str = "ORG_AI_ALLOW_PRIVATE_NETWORKS";
/// What the server logs: `warn`, `info`, `debug`, or directives like `runtime=debug,api=warn`.
pub(crate) const LOG: &str = "ORG_AI_LOG";
/// Set to anything: no colour (no-color.org).
pub(crate) const NO_COLOR: &str = "NO_COLOR";
/// Where credentials live: `$XDG_CONFIG_HOME/org.ai`.
pub(crate) const XDG_CONFIG_HOME: &str = "XDG_CONFIG_HOME";
/// Without `XDG_CONFIG_HOME`: `$HOME/.config/org.ai`.
pub(crate) const HOME: &str = "HOME";

/// A variable's value by its name.
type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Variables by name: the process's own, or a test's map.
pub(crate) struct Env(Box<Lookup>);

impl Env {
    pub(crate) fn process() -> Self {
        Self(Box::new(|name| std::env::var(name).ok()))
    }

    #[cfg(test)]
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        let map: std::collections::HashMap<String, String> =
            pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Self(Box::new(move |name| map.get(name).cloned()))
    }

    /// A variable that is set to nothing is not set (spec CLI-4).
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }
}
