//! The server's settings: embedded defaults, then the file, then variables, then flags (STYLE.md, Configuration).

use crate::env::{self, Env};
use crate::failure::{Failure, Result};
use crate::models;
use crate::tool_servers;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::de::{DeTable, DeValue};
use types::Namespace;

/// The reference file: every key there is, with its default.
pub(crate) const DEFAULTS: &str = include_str!("../defaults.toml");

/// What the server is told.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) listen: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) default_ns: Namespace,
    pub(crate) allow_private_networks: bool,
    pub(crate) connections_max: usize,
    pub(crate) objects_open_max: usize,
    pub(crate) runs_kept: Duration,
    pub(crate) memory_mb: u64,
    pub(crate) cpu_ms: u64,
    pub(crate) timeout_ms: u64,
    pub(crate) runs_max: usize,
    pub(crate) object_runs_max: usize,
    pub(crate) functions_max: usize,
    /// Requests a minute; none: no limit.
    pub(crate) anonymous_per_minute: Option<u32>,
    pub(crate) key_per_minute: Option<u32>,
    pub(crate) logs: String,
    /// The test doubles of spec 0.4. Only by flag: nobody should find them switched on by a file.
    pub(crate) test_mode: bool,
    /// Make a new root key although there is one.
    pub(crate) new_root_key: bool,
    /// None: no model can be asked.
    pub(crate) models: Option<ai::Config>,
    /// Where objects can be kept, by name; the data folder is the first.
    pub(crate) locations: Vec<(String, PathBuf)>,
    /// Where people outside reach the server; None: at the root object's namespace.
    pub(crate) public_url: Option<String>,
    pub(crate) channels: crate::channels::Settings,
    /// Whose tools agents may call.
    pub(crate) tool_servers: Vec<mcp::ServerConfig>,
}

/// What flags say; what they don't, the environment, the file or the defaults do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) config: Option<PathBuf>,
    pub(crate) listen: Option<String>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) default_ns: Option<String>,
    pub(crate) allow_private_networks: bool,
    pub(crate) test_mode: bool,
    pub(crate) new_root_key: bool,
    /// `NAME=DIR`, each.
    pub(crate) locations: Vec<String>,
}

/// A file as it is written: the defaults' shape, every key optional.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Text {
    server: Server,
    objects: Objects,
    limits: RunLimits,
    rates: Rates,
    models: models::Text,
    observability: Observability,
    channels: crate::channels::Text,
    mcp: tool_servers::Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Server {
    listen: Option<String>,
    data_dir: Option<PathBuf>,
    default_ns: Option<String>,
    allow_private_networks: Option<bool>,
    connections_max: Option<usize>,
    public_url: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Objects {
    open_max: Option<usize>,
    runs_kept: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RunLimits {
    memory_mb: Option<u64>,
    cpu_ms: Option<u64>,
    timeout_ms: Option<u64>,
    runs_max: Option<usize>,
    object_runs_max: Option<usize>,
    functions_max: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rates {
    anonymous_per_minute: Option<u32>,
    key_per_minute: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Observability {
    logs: Option<String>,
}

/// Merges the four. `folder` is where relative paths of flags and variables start; those of a file start at the file.
pub(crate) fn load(flags: &Flags, env: &Env, folder: &Path) -> Result<Config> {
    let path = flags.config.clone().or_else(|| env.get(env::CONFIG).map(PathBuf::from));
    let file = match &path {
        None => Text::default(),
        Some(path) => read(&folder.join(path), path)?,
    };
    let defaults = parse(DEFAULTS, "the embedded defaults")?;
    merge(flags, env, folder, path.as_deref(), file, defaults)
}

fn merge(flags: &Flags, env: &Env, folder: &Path, path: Option<&Path>, file: Text, defaults: Text) -> Result<Config> {
    const HELD: &str = "the reference file names every key";
    let file_folder = path.and_then(Path::parent).map_or_else(|| folder.to_owned(), |parent| folder.join(parent));
    let data_dir = flags.data_dir.clone().or_else(|| env.get(env::DATA).map(PathBuf::from));
    let data_dir = data_dir
        .map(|own| folder.join(own))
        .or_else(|| file.server.data_dir.map(|own| file_folder.join(own)))
        .or_else(|| defaults.server.data_dir.map(|own| folder.join(own)));
    let default_ns = flags.default_ns.clone().or_else(|| env.get(env::DEFAULT_NS)).or(file.server.default_ns);
    let default_ns = default_ns.or(defaults.server.default_ns).expect(HELD);
    let listen = flags.listen.clone().or_else(|| env.get(env::LISTEN)).or(file.server.listen);
    let private = if flags.allow_private_networks { Some(true) } else { flag_of(env, env::ALLOW_PRIVATE_NETWORKS)? };
    let private = private.or(file.server.allow_private_networks).or(defaults.server.allow_private_networks);
    let positive = |name: &str, own: Option<usize>, default: Option<usize>| match own.or(default).expect(HELD) {
        0 => Err(Failure::new("CONFIG_INVALID", format!("{name} must be more than 0"))),
        n => Ok(n),
    };
    let rate = |own: Option<u32>, default: Option<u32>| own.or(default).filter(|n| *n > 0);
    let (limits, rates) = (file.limits, file.rates);
    let data_dir = data_dir.expect(HELD);
    Ok(Config {
        listen: listen.or(defaults.server.listen).expect(HELD),
        locations: locations(&flags.locations, folder, &data_dir)?,
        data_dir,
        default_ns: Namespace::parse(&default_ns)
            .map_err(|e| Failure::new("CONFIG_INVALID", format!("default_ns: {e}")))?,
        allow_private_networks: private.expect(HELD),
        connections_max: positive("connections_max", file.server.connections_max, defaults.server.connections_max)?,
        objects_open_max: positive("objects.open_max", file.objects.open_max, defaults.objects.open_max)?,
        runs_kept: runs_kept(&file.objects.runs_kept.or(defaults.objects.runs_kept).expect(HELD))?,
        memory_mb: limits.memory_mb.or(defaults.limits.memory_mb).expect(HELD),
        cpu_ms: limits.cpu_ms.or(defaults.limits.cpu_ms).expect(HELD),
        timeout_ms: limits.timeout_ms.or(defaults.limits.timeout_ms).expect(HELD),
        runs_max: positive("limits.runs_max", limits.runs_max, defaults.limits.runs_max)?,
        object_runs_max: positive("limits.object_runs_max", limits.object_runs_max, defaults.limits.object_runs_max)?,
        functions_max: positive("limits.functions_max", limits.functions_max, defaults.limits.functions_max)?,
        anonymous_per_minute: rate(rates.anonymous_per_minute, defaults.rates.anonymous_per_minute),
        key_per_minute: rate(rates.key_per_minute, defaults.rates.key_per_minute),
        models: models::read(file.models, env)?,
        tool_servers: tool_servers::read(file.mcp, env)?,
        logs: env.get(env::LOG).or(file.observability.logs).or(defaults.observability.logs).expect(HELD),
        test_mode: flags.test_mode,
        new_root_key: flags.new_root_key,
        public_url: file.server.public_url.filter(|url| !url.is_empty()),
        channels: file.channels.settings(env, &file_folder)?,
    })
}

/// An idempotency key is known for a day after its run.
const RUNS_KEPT_MIN: Duration = Duration::from_secs(24 * 3600);

fn runs_kept(text: &str) -> Result<Duration> {
    let refuse = || {
        let message =
            format!("objects.runs_kept is {text:?}; a time of \"1 day\" or more is accepted, like \"30 days\"");
        Failure::new("CONFIG_INVALID", message)
    };
    types::parse_duration(text).ok().filter(|kept| *kept >= RUNS_KEPT_MIN).ok_or_else(refuse)
}

/// What the data folder is called unless somebody names it.
const DATA_LOCATION: &str = "local";

/// Each `NAME=DIR`; the data folder comes first, named or not.
fn locations(flags: &[String], folder: &Path, data_dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let refuse = |what: String| Err(Failure::new("CONFIG_INVALID", what));
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for flag in flags {
        let is_name =
            |name: &str| (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let Some((name, dir)) = flag.split_once('=').filter(|(name, dir)| is_name(name) && !dir.is_empty()) else {
            return refuse(format!("--location {flag:?} is not NAME=DIR; a name has 1 to 32 letters, digits and -"));
        };
        if found.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            return refuse(format!("--location names {name} more than once"));
        }
        found.push((name.to_owned(), folder.join(dir)));
    }
    match found.iter().position(|(_, dir)| dir == data_dir) {
        Some(own) => found[..=own].rotate_right(1),
        None if found.iter().any(|(name, _)| name.eq_ignore_ascii_case(DATA_LOCATION)) => {
            return refuse(format!("--location {DATA_LOCATION} is the data folder; call the other one something else"));
        }
        None => found.insert(0, (DATA_LOCATION.to_owned(), data_dir.to_owned())),
    }
    Ok(found)
}

fn flag_of(env: &Env, name: &str) -> Result<Option<bool>> {
    match env.get(name).as_deref() {
        None => Ok(None),
        Some("1" | "true") => Ok(Some(true)),
        Some("0" | "false") => Ok(Some(false)),
        Some(other) => Err(Failure::new("CONFIG_INVALID", format!("{name} is {other:?}; it can be true or false"))),
    }
}

fn read(path: &Path, shown: &Path) -> Result<Text> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| Failure::new("CONFIG_INVALID", format!("{} cannot be read: {e}", shown.display())))?;
    parse(&text, &shown.display().to_string())
}

fn parse(text: &str, name: &str) -> Result<Text> {
    let refuse = |at: Option<usize>, what: &str| {
        let before = &text.as_bytes()[..at.unwrap_or(0).min(text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Failure::new("CONFIG_INVALID", format!("{what} in {name}:{line}"))
    };
    let table = DeTable::parse(text).map_err(|e| refuse(e.span().map(|s| s.start), e.message()))?;
    let known = DeTable::parse(DEFAULTS).map_err(|e| refuse(None, e.message()))?;
    if let Some((at, what)) = unknown_key(table.get_ref(), known.get_ref(), "") {
        return Err(refuse(Some(at), &what));
    }
    toml::from_str(text).map_err(|e| refuse(e.span().map(|s| s.start), e.message()))
}

/// The first key that the reference file does not have: where, and which it has that looks most like it.
fn unknown_key(table: &DeTable<'_>, known: &DeTable<'_>, path: &str) -> Option<(usize, String)> {
    table.iter().find_map(|(key, value)| {
        let (name, start) = (key.get_ref().as_ref(), key.span().start);
        let Some((_, reference)) = known.iter().find(|(k, _)| k.get_ref().as_ref() == name) else {
            let nearest = known.keys().map(|k| k.get_ref().as_ref());
            let nearest = nearest.max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
            let nearest = nearest.map(|near| format!("; did you mean \"{path}{near}\"?")).unwrap_or_default();
            return Some((start, format!("unknown key \"{path}{name}\"{nearest}")));
        };
        match (value.get_ref(), reference.get_ref()) {
            // Their names are the operator's; what is in them the deserialiser knows.
            (DeValue::Table(_), DeValue::Table(_)) if is_of_operator(&format!("{path}{name}")) => None,
            (DeValue::Table(inner), DeValue::Table(reference)) => {
                unknown_key(inner, reference, &format!("{path}{name}."))
            }
            // A value of the wrong type is the deserialiser's to report.
            _ => None,
        }
    })
}

fn is_of_operator(table: &str) -> bool {
    [models::PROVIDERS, tool_servers::SERVERS].contains(&table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(flags: &Flags, pairs: &[(&str, &str)], file: &str) -> Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("c.toml"), file).unwrap();
        let flags = Flags { config: Some("c.toml".into()), ..flags.clone() };
        load(&flags, &Env::of(pairs), folder.path())
    }

    #[test]
    fn a_flag_goes_before_a_variable_before_the_file_before_the_defaults() {
        let file = "[server]\nlisten = \"127.0.0.1:2\"\n";
        let flags = Flags { listen: Some("127.0.0.1:4".into()), ..Flags::default() };
        let env = [("ORG_AI_LISTEN", "127.0.0.1:3")];
        assert_eq!(config(&flags, &env, file).unwrap().listen, "127.0.0.1:4");
        assert_eq!(config(&Flags::default(), &env, file).unwrap().listen, "127.0.0.1:3");
        assert_eq!(config(&Flags::default(), &[("ORG_AI_LISTEN", "")], file).unwrap().listen, "127.0.0.1:2");
        assert_eq!(config(&Flags::default(), &[], "").unwrap().listen, "127.0.0.1:8787");
    }

    #[test]
    fn the_data_folder_is_the_first_location() {
        let with = |locations: &[&str]| {
            let locations = locations.iter().map(|&l| l.to_owned()).collect();
            let flags = Flags { locations, data_dir: Some("data".into()), ..Flags::default() };
            config(&flags, &[], "").map(|config| config.locations.into_iter().map(|(name, _)| name).collect::<Vec<_>>())
        };
        assert_eq!(with(&[]).ok(), Some(vec!["local".to_owned()]));
        assert_eq!(with(&["ORD=other"]).ok(), Some(vec!["local".to_owned(), "ORD".to_owned()]));
        assert_eq!(with(&["ORD=other", "weur=data"]).ok(), Some(vec!["weur".to_owned(), "ORD".to_owned()]));
        for bad in [&["ORD"][..], &["=x"], &["O R=x"], &["a=x", "A=y"], &["local=x"], &["a="]] {
            assert!(with(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_unknown_key_is_an_error_with_its_line_and_the_nearest_one() {
        for (file, message) in [
            (
                "[server]\n\nlistn = \"x\"\n",
                "unknown key \"server.listn\"; did you mean \"server.listen\"? in c.toml:3",
            ),
            ("[[evry]]\n", "unknown key \"evry\"; did you mean \"server\"? in c.toml:1"),
            ("\n[limts]\ncpu_ms = 1", "unknown key \"limts\"; did you mean \"limits\"? in c.toml:2"),
        ] {
            let failure = config(&Flags::default(), &[], file).unwrap_err();
            assert_eq!((failure.message.as_str(), failure.exit as u8), (message, 10));
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_line() {
        for (file, line) in
            [("[server]\nlisten = 3\n", "c.toml:2"), ("a = = b", "c.toml:1"), ("[limits]\n\ncpu_ms = -1", "c.toml:3")]
        {
            let failure = config(&Flags::default(), &[], file).unwrap_err();
            assert!(failure.message.ends_with(line), "{}", failure.message);
            assert_eq!(failure.exit as u8, 10);
        }
    }

    #[test]
    fn runs_are_kept_for_a_day_at_least() {
        let kept = |text: &str| config(&Flags::default(), &[], &format!("[objects]\nruns_kept = {text:?}\n"));
        assert_eq!(kept("48 hours").map(|config| config.runs_kept.as_secs()).ok(), Some(48 * 3600));
        for bad in ["23 hours", "for ever", "-1d"] {
            assert!(kept(bad).is_err_and(|failure| failure.message.contains("objects.runs_kept")), "{bad}");
        }
    }

    #[test]
    fn odd_values_are_refused() {
        assert_eq!(
            config(&Flags::default(), &[("ORG_AI_ALLOW_PRIVATE_NETWORKS", "maybe")], "").unwrap_err().exit as u8,
            10
        );
        assert_eq!(config(&Flags::default(), &[], "[limits]\nruns_max = 0\n").unwrap_err().exit as u8, 10);
        assert_eq!(config(&Flags::default(), &[("ORG_AI_DEFAULT_NS", "ftp://x")], "").unwrap_err().exit as u8, 10);
        assert!(
            config(&Flags::default(), &[("ORG_AI_ALLOW_PRIVATE_NETWORKS", "true")], "").unwrap().allow_private_networks
        );
    }
}
