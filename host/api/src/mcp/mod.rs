//! `/mcp`: an object as a server of the Model Context Protocol (spec MCP-3), by streamable HTTP.
//!
//! What the caller may invoke are [`tools`], what the object holds are [`resources`]. The protocol is rmcp's; here is what
//! it stands on. There are no sessions: each message is a request of its own with its own credential, so nothing is kept
//! for a client between two of them, any server may answer the next, and there is nothing to expire.

mod resources;
mod tools;

use crate::app::{Scope, Shared};
use crate::body;
use crate::caller::Who;
use crate::config::{Config, limits};
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, Implementation, InitializeResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse,
    ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer};
use runtime::Caller;
use std::sync::Arc;
use types::{Fault, FaultKind};

/// What a client shows its model of this server.
const INSTRUCTIONS: &str = "Tools are the functions of a durable object that you may invoke. Resources are the things in \
                            it, each at things://Noun/id; things://Noun/id@REF is an earlier state or another branch.";

/// One message of a client, and what is answered to it. Other methods than POST are for sessions: 405.
pub(crate) async fn answer(
    State(app): State<Shared>,
    Who { scope, caller }: Who,
    request: Request,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    check_origin(&app.config, &parts.headers)?;
    let text = body::read(&parts.headers, body, app.config.body_idle_timeout).await?;
    // It was unpacked.
    parts.headers.remove(header::CONTENT_ENCODING);
    parts.headers.remove(header::CONTENT_LENGTH);
    if let Err(problem) = body::json(&text) {
        return Ok(unreadable(&problem));
    }
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(limits::BODY_BYTES_MAX)
        .with_cancellation_token(app.stopping.clone())
        // Which hosts are served was looked at before anything else, and which origins just now.
        .disable_allowed_hosts();
    let server = move || Ok(Server { scope: scope.clone(), caller: caller.clone() });
    let service = StreamableHttpService::new(server, Arc::<NeverSessionManager>::default(), config);
    let response = service.handle(Request::from_parts(parts, Body::from(text))).await;
    let (parts, body) = response.into_parts();
    let is_json = parts.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if parts.status.as_u16() >= 400 && !is_json {
        let bytes = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let code = if parts.status.is_server_error() { "INTERNAL" } else { "BAD_REQUEST" };
        return Err(Problem::new(parts.status, code, String::from_utf8_lossy(&bytes)));
    }
    let mut response = Response::from_parts(parts, Body::new(body));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// JSON-RPC has an error of its own for what is no JSON.
fn unreadable(problem: &Problem) -> Response {
    let message = problem.as_json().to_value();
    let message = message["message"].as_str().unwrap_or("the body cannot be read");
    let error = serde_json::json!({ "jsonrpc": "2.0", "id": null, "error": { "code": -32700, "message": message } });
    let mut response = Response::new(Body::from(error.to_string()));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A page of another origin must not speak for whoever looks at it, also when its name suddenly leads here (DNS
/// rebinding). Hosts that this server does not know were refused before, so a page of the same host is one of its own.
///
/// # Errors
/// 403 for any other origin that is not configured.
fn check_origin(config: &Config, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let is_configured = config.cors_origins.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes());
    let authority = origin.to_str().ok().and_then(|text| text.split_once("://")).map(|(_, authority)| authority);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if is_configured || (authority.is_some() && authority == host) {
        return Ok(());
    }
    let message = "pages of this origin may not use /mcp; leave Origin out, or allow it in the server's settings";
    Err(Problem::from(Fault::forbidden(message)))
}

/// The object as its caller sees it, for one message.
struct Server {
    scope: Scope,
    caller: Caller,
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools().enable_resources().build();
        let about = Implementation::new("org.ai", env!("CARGO_PKG_VERSION"));
        InitializeResult::new(capabilities)
            .with_server_info(about.with_title(self.scope.object.namespace().as_str()))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        tools::list(&self.scope.object, &self.caller, cursor(request)).await
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        tools::call(&self.scope, &self.caller, &request.name, arguments).await.map(CallToolResponse::Complete)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        resources::list(&self.scope.object, &self.caller, cursor(request)).await
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(resources::templates())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let read = resources::read(&self.scope.object, &self.caller, &request.uri).await;
        read.map(ReadResourceResponse::Complete)
    }
}

fn cursor(request: Option<PaginatedRequestParams>) -> Option<String> {
    request.and_then(|request| request.cursor)
}

/// What went wrong with a message itself, and not within a tool.
fn protocol_error(fault: &Fault) -> ErrorData {
    let data = Some(serde_json::json!({ "code": fault.code }));
    let message = fault.message.clone();
    match fault.kind {
        FaultKind::NotFound | FaultKind::Gone => ErrorData::resource_not_found(message, data),
        FaultKind::Invalid => ErrorData::invalid_params(message, data),
        FaultKind::Unauthenticated
        | FaultKind::Forbidden
        | FaultKind::Conflict
        | FaultKind::Limit
        | FaultKind::RateLimited => ErrorData::invalid_request(message, data),
        FaultKind::Timeout
        | FaultKind::Cancelled
        | FaultKind::Failed
        | FaultKind::Upstream
        | FaultKind::Unavailable
        | FaultKind::Internal => ErrorData::internal_error(message, data),
    }
}
