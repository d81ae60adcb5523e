//! The composition root: commit log, engine, node and HTTP, each made from the settings, in the order of their needs.

use crate::config::Config;
use crate::failure::{Failure, Result};
use crate::private_file;
use crate::secret::Secret;
use commit_log::LocalLog;
use engine::Engine;
use runtime::{Clock, ManualClock, Node, SystemClock};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use types::exec::{Models, Outside};
use types::{LimitOverrides, Limits};

/// Compiled components on disk, in bytes: some two hundred of the largest known.
const CACHE_DISK_BYTES_MAX: u64 = 4 << 30;
/// Loaded machine code, in bytes.
const CACHE_MEMORY_BYTES_MAX: u64 = 512 << 20;
/// For name resolution, connection and handshake of a guest's outgoing request.
const HTTP_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server that listens.
pub(crate) struct Server {
    /// `http://HOST:PORT`, with the port it really has.
    pub(crate) url: String,
    /// The root key, if it was just made: nobody else will ever see it.
    pub(crate) root_key: Option<Secret>,
    listener: TcpListener,
    node: Node,
    api: api::Config,
}

/// Opens the data folder and the port.
///
/// # Errors
/// A folder that another server uses, a port that cannot be had, settings that do not fit: exit code 10.
pub(crate) async fn open(config: &Config) -> Result<Server> {
    private_file::make_folder(&config.data_dir)
        .map_err(|e| refused(format!("the data folder {} cannot be made: {e}", config.data_dir.display())))?;
    // First of all: it locks the folder, and nothing in it may be touched by two.
    let log = open_log(config)?;
    let listener = TcpListener::bind(&config.listen)
        .await
        .map_err(|e| Failure::new("LISTEN_FAILED", format!("cannot listen on {}: {e}", config.listen)))?;
    let address = listener.local_addr().map_err(|e| Failure::local("the port is not known", e))?;
    let engine = Arc::new(open_engine(config)?);
    let sender = channels::Sender::new(config.channels.sending.clone(), engine.clone())
        .map_err(|e| refused(format!("{}: {}", e.setting, e.problem)))?;
    let tools = mcp::Servers::new(config.tool_servers.clone()).map_err(|e| refused(e.to_string()))?;
    let outside = Outside {
        models: open_models(config)?,
        channels: Some(Arc::new(sender)),
        tools: Some(Arc::new(tools)),
        ..Outside::from(engine)
    };
    let (clock, manual) = clocks(config.test_mode);
    let opened = Node::open(node_config(config), Arc::new(log), outside, clock, manual)
        .await
        .map_err(|e| refused(e.to_string()))?;
    let api = api_config(config).map_err(|e| refused(format!("the folder for uploads cannot be made: {e}")))?;
    let root_key = opened.root_key.map(|key| Secret::new(key.reveal()));
    Ok(Server { url: url_of(address), root_key, listener, node: opened.node, api })
}

impl Server {
    /// Serves until `stop` is ready, then finishes what runs and closes everything.
    pub(crate) async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<()> {
        let served = api::serve(self.listener, self.node.clone(), self.api, stop).await;
        self.node.shutdown().await;
        served.map_err(|e| Failure::local("serving ended", e))
    }
}

fn refused(message: String) -> Failure {
    Failure::new("CONFIG_INVALID", message)
}

fn open_log(config: &Config) -> Result<LocalLog> {
    LocalLog::open(&config.data_dir.join("log"), &commit_log::Config::STANDARD).map_err(|error| match error {
        commit_log::Error::InUse { .. } => Failure::new("DATA_IN_USE", error),
        other => refused(other.to_string()),
    })
}

fn open_engine(config: &Config) -> Result<Engine> {
    let key = private_key(&config.data_dir.join("cache.key"))
        .map_err(|e| refused(format!("the key of compiled components cannot be used: {e}")))?;
    let settings = engine::Config {
        cache_dir: config.data_dir.join("cache"),
        cache_key: key,
        cache_disk_bytes_max: CACHE_DISK_BYTES_MAX,
        cache_memory_bytes_max: CACHE_MEMORY_BYTES_MAX,
        component_bytes_max: engine::Config::COMPONENT_BYTES_MAX,
        instances_max: u32::try_from(config.runs_max).unwrap_or(u32::MAX),
        queue_max: u32::try_from(config.runs_max.saturating_mul(4)).unwrap_or(u32::MAX),
        memory_bytes_max: limits(config).memory_bytes_max,
        tmp_dir: config.data_dir.join("tmp"),
        private_networks_allowed: config.allow_private_networks,
        tls_roots_extra: Vec::new(),
        http_connect_timeout: HTTP_CONNECT_TIMEOUT,
    };
    Engine::new(settings).map_err(|e| refused(e.to_string()))
}

fn open_models(config: &Config) -> Result<Option<Arc<dyn Models>>> {
    let Some(config) = config.models.clone() else { return Ok(None) };
    Ok(Some(Arc::new(ai::Providers::new(config).map_err(|e| refused(e.to_string()))?)))
}

/// 32 random bytes of this folder, made once. A damaged file is replaced: what it vouched for is compiled anew.
fn private_key(path: &Path) -> io::Result<[u8; 32]> {
    match std::fs::read(path).map(<[u8; 32]>::try_from) {
        Ok(Ok(key)) => return Ok(key),
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        Ok(Err(_)) | Err(_) => {}
    }
    let key: [u8; 32] = rand::random();
    private_file::write(path, &key)?;
    Ok(key)
}

fn limits(config: &Config) -> Limits {
    let overrides = LimitOverrides {
        memory_mb: Some(config.memory_mb),
        cpu_ms: Some(config.cpu_ms),
        timeout_ms: Some(config.timeout_ms),
    };
    // A manifest may only lower; the server's own settings may also raise.
    let ceiling = Limits { memory_bytes_max: u64::MAX, cpu: Duration::MAX, wall: Duration::MAX, ..Limits::STANDARD };
    overrides.apply(ceiling)
}

fn node_config(config: &Config) -> runtime::Config {
    runtime::Config {
        objects_open_max: config.objects_open_max,
        runs_max: config.runs_max,
        object_runs_max: config.object_runs_max,
        functions_max: config.functions_max,
        runs_kept: config.runs_kept,
        limits: limits(config),
        new_root_key: config.new_root_key,
        faults: types::Faults::none(),
        public_url: config.public_url.clone(),
        locations: config.locations.iter().map(|(name, dir)| location(name, dir)).collect(),
        ..runtime::Config::standard(config.data_dir.clone(), config.default_ns.clone())
    }
}

fn location(name: &str, dir: &Path) -> runtime::Location {
    runtime::Location { name: name.to_owned(), dir: dir.to_owned() }
}

fn api_config(config: &Config) -> io::Result<api::Config> {
    let uploads = config.data_dir.join("uploads");
    // What a crash left of an upload is of no use to anybody.
    match std::fs::remove_dir_all(&uploads) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        Ok(()) | Err(_) => private_file::make_folder(&uploads)?,
    }
    let rate = |requests: Option<u32>| requests.map(|requests| api::Rate { requests, per: Duration::from_secs(60) });
    Ok(api::Config {
        rate_anonymous: rate(config.anonymous_per_minute),
        rate_key: rate(config.key_per_minute),
        connections_max: config.connections_max,
        replies: api::Replies {
            slack_signing_secret: config
                .channels
                .slack_signing_secret
                .as_ref()
                .map(|secret| secret.expose().to_owned()),
            sms_login: config.channels.sms_login.clone().map(|(user, secret)| (user, secret.expose().to_owned())),
        },
        ..api::Config::standard(uploads)
    })
}

fn clocks(test_mode: bool) -> (Arc<dyn Clock>, Option<Arc<ManualClock>>) {
    if test_mode {
        let manual = Arc::new(ManualClock::new(SystemClock.now()));
        return (manual.clone(), Some(manual));
    }
    (Arc::new(SystemClock), None)
}

/// Where a client on this machine finds it.
fn url_of(mut address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    format!("http://{address}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_one_that_can_be_asked() {
        for (listen, url) in [
            ("127.0.0.1:80", "http://127.0.0.1:80"),
            ("0.0.0.0:81", "http://127.0.0.1:81"),
            ("[::]:82", "http://[::1]:82"),
        ] {
            assert_eq!(url_of(listen.parse().unwrap()), url);
        }
    }

    #[test]
    fn a_folder_keeps_its_key_and_replaces_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.key");
        let first = private_key(&path).unwrap();
        assert_eq!(private_key(&path).unwrap(), first);
        std::fs::write(&path, "short").unwrap();
        assert_ne!(private_key(&path).unwrap(), first);
    }
}
