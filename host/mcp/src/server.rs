//! One server outside: its connection, and the calls that go over it.

use crate::answer::{self, ANSWER_BYTES_MAX, cut};
use crate::config::ServerConfig;
use rmcp::model::{CallToolRequestParams, ClientConfig, Implementation, PaginatedRequestParams, Tool};
use rmcp::service::{ClientInitializeError, RunningService, ServiceError};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{RoleClient, ServiceExt};
use serde_json::Value;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Semaphore};
use types::exec::ServerTool;
use types::{Fault, FaultKind, Json, ToolSpec};

/// Calls that a server gets at once; more wait.
const CONCURRENCY_MAX: usize = 16;
/// Pages of a list that are read, and tools in all of them.
const PAGES_MAX: usize = 32;
const TOOLS_MAX: usize = 512;
/// For name resolution, connection and handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

type Connection = RunningService<RoleClient, ClientConfig>;

pub(crate) struct Server {
    config: ServerConfig,
    http: reqwest::Client,
    places: Semaphore,
    /// None: it was not needed yet, or was lost.
    connected: Mutex<Option<Arc<Connection>>>,
}

impl Server {
    pub(crate) fn new(config: ServerConfig) -> Result<Self, reqwest::Error> {
        // A provider that is there already is this one: nothing else in the program installs any.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder()
            .user_agent(concat!("org.ai/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirect would carry the token to where the operator did not send it.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { config, http, places: Semaphore::new(CONCURRENCY_MAX), connected: Mutex::default() })
    }

    /// All that it offers.
    pub(crate) async fn list(&self) -> Result<Vec<ServerTool>, Fault> {
        let listing = async {
            let _place = self.places.acquire().await.map_err(|_| Fault::internal())?;
            match self.list_by(&*self.connection().await?).await {
                Ok(listed) => listed,
                // It may have started anew since the connection was made; a list can be asked for again.
                Err(_) => {
                    self.forget().await;
                    let connection = self.connection().await?;
                    self.list_by(&connection).await.map_err(|error| self.unavailable(&error))?
                }
            }
        };
        let late = || self.late("did not list its tools");
        tokio::time::timeout(self.config.timeout, listing).await.map_err(|_| late())?
    }

    async fn list_by(&self, connection: &Connection) -> Result<Result<Vec<ServerTool>, Fault>, ServiceError> {
        let (mut tools, mut cursor) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let params = PaginatedRequestParams::default().with_cursor(cursor);
            let page = connection.list_tools(Some(params)).await?;
            tools.extend(page.tools.into_iter().map(listed));
            cursor = page.next_cursor;
            if cursor.is_none() || tools.len() > TOOLS_MAX {
                break;
            }
        }
        if cursor.is_some() || tools.len() > TOOLS_MAX {
            let message = format!("{} offers more than {TOOLS_MAX} tools", self.config.name);
            return Ok(Err(Fault::limit("TOOLS_LIMIT", message)));
        }
        Ok(Ok(tools))
    }

    /// Calls a tool, once.
    pub(crate) async fn call(&self, tool: String, args: &Json) -> Result<Json, Fault> {
        let Value::Object(arguments) = args.to_value() else {
            return Err(Fault::invalid("ARGUMENTS_INVALID", format!("the arguments of {tool} are no object")));
        };
        let what = format!("{tool} of {}", self.config.name);
        let calling = async {
            let _place = self.places.acquire().await.map_err(|_| Fault::internal())?;
            let connection = self.connection().await?;
            let params = CallToolRequestParams::new(tool).with_arguments(arguments);
            match connection.call_tool(params).await {
                Ok(answered) => answer::result(&what, answered),
                Err(error) => Err(self.failed(&what, &error).await),
            }
        };
        let late = || self.late(&format!("did not answer a call of {what}, which may have been done,"));
        tokio::time::timeout(self.config.timeout, calling).await.map_err(|_| late())?
    }

    /// The connection, made if there is none. Whoever else needs it meanwhile waits.
    async fn connection(&self) -> Result<Arc<Connection>, Fault> {
        let mut connected = self.connected.lock().await;
        if let Some(connection) = connected.as_ref().filter(|connection| is_open(connection)) {
            return Ok(connection.clone());
        }
        let mut config = StreamableHttpClientTransportConfig::with_uri(self.config.url.as_str())
            .max_concurrent_requests(CONCURRENCY_MAX)
            .max_json_response_size(ANSWER_BYTES_MAX)
            .max_sse_event_size(ANSWER_BYTES_MAX);
        if let Some(token) = &self.config.token {
            config = config.auth_header(token.reveal());
        }
        let transport = StreamableHttpClientTransport::with_client(self.http.clone(), config);
        let about = Implementation::new("org.ai", env!("CARGO_PKG_VERSION"));
        let connecting = ClientConfig::new(rmcp::model::ClientCapabilities::default(), about).serve(transport);
        let connection = connecting.await.map_err(|error: ClientInitializeError| self.unavailable(&error))?;
        let connection = Arc::new(connection);
        *connected = Some(connection.clone());
        Ok(connection)
    }

    async fn forget(&self) {
        *self.connected.lock().await = None;
    }

    /// Why a call has no answer.
    async fn failed(&self, what: &str, error: &ServiceError) -> Fault {
        if let ServiceError::McpError(said) = error {
            return Fault::failed("TOOL_FAILED", format!("{what} was not called: {}", cut(&said.message)));
        }
        self.forget().await;
        if was_not_sent(error) || error.auth_challenge().is_some() {
            return self.unavailable(error);
        }
        tracing::warn!(server = self.config.name, %error, "a call of a tool has no answer");
        let message =
            format!("uncertain: the connection was lost while {what} was called; it may have done what it does");
        Fault::new(FaultKind::Upstream, "TOOL_UNCERTAIN", message)
    }

    /// The reason is for the log: it can name what only the operator should see.
    fn unavailable(&self, error: &(dyn Error + 'static)) -> Fault {
        tracing::warn!(server = self.config.name, %error, "a server of tools cannot be used");
        let message = format!("the server of tools {} cannot be used now", self.config.name);
        Fault::new(FaultKind::Upstream, "TOOLS_UNAVAILABLE", message)
    }

    fn late(&self, what: &str) -> Fault {
        let (name, ms) = (&self.config.name, self.config.timeout.as_millis());
        Fault::new(FaultKind::Timeout, "TOOL_TIMEOUT", format!("{name} {what} within {ms} ms"))
    }
}

fn is_open(connection: &Connection) -> bool {
    !connection.is_closed() && !connection.peer().is_transport_closed()
}

/// Nobody was there to take it.
fn was_not_sent(error: &ServiceError) -> bool {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = source {
        if current.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect) {
            return true;
        }
        source = current.source();
    }
    false
}

fn listed(tool: Tool) -> ServerTool {
    let only_reads = tool.annotations.as_ref().and_then(|hints| hints.read_only_hint) == Some(true);
    let spec = ToolSpec {
        name: tool.name.into_owned(),
        description: tool.description.map(std::borrow::Cow::into_owned).unwrap_or_default(),
        parameters: Json::from_value(&Value::Object((*tool.input_schema).clone())),
    };
    ServerTool { spec, only_reads }
}
