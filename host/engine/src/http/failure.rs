//! Why a request was not answered, as it is written down, and back: a replay tells the guest what the first run did.

use serde_json::json;
use types::{Fault, FaultKind};
use wasmtime_wasi_http::Error;

const DENIED: &str = "HTTP_DENIED";
const URL: &str = "HTTP_URL";
const CONNECTIONS: &str = "HTTP_CONNECTION_LIMIT";
const REQUEST_BODY: &str = "HTTP_REQUEST_BODY_LIMIT";
const RESPONSE_BODY: &str = "HTTP_RESPONSE_BODY_LIMIT";
const NAME: &str = "HTTP_NAME_NOT_RESOLVED";
const NAME_TIMEOUT: &str = "HTTP_NAME_TIMEOUT";
const REFUSED: &str = "HTTP_CONNECTION_REFUSED";
const CONNECT_TIMEOUT: &str = "HTTP_CONNECT_TIMEOUT";
const READ_TIMEOUT: &str = "HTTP_ANSWER_TIMEOUT";
const BODY_TIMEOUT: &str = "HTTP_BODY_TIMEOUT";
const TLS: &str = "HTTP_TLS";
const CERTIFICATE: &str = "HTTP_CERTIFICATE";
const NOT_MADE: &str = "HTTP_NOT_MADE";
const BROKEN: &str = "HTTP_BROKEN";

/// The library's list has more than what comes to pass here; what it has beyond is a broken exchange to the guest.
pub fn to_fault(error: Error) -> Fault {
    let upstream = |code, message: &str| Fault::new(FaultKind::Upstream, code, message);
    match error {
        Error::HttpRequestDenied => Fault::new(
            FaultKind::Forbidden,
            DENIED,
            "the request is not allowed; the log says what the manifest would have to say",
        ),
        Error::HttpRequestUriInvalid => Fault::invalid(URL, "the request's URL names no host, or one and a user"),
        Error::ConnectionLimitReached => {
            Fault::limit(CONNECTIONS, "the function has as many requests open as it may (`http_concurrent_max`)")
        }
        Error::HttpRequestBodySize(max) => too_large(REQUEST_BODY, "request", max),
        Error::HttpResponseBodySize(max) => too_large(RESPONSE_BODY, "response", max),
        Error::DnsError { .. } => upstream(NAME, "the host's name cannot be resolved"),
        Error::DnsTimeout => upstream(NAME_TIMEOUT, "the host's name was not resolved in time"),
        Error::Connect(_) | Error::ConnectionRefused => upstream(REFUSED, "the host does not accept the connection"),
        Error::ConnectionTimeout => upstream(CONNECT_TIMEOUT, "the connection was not made in time"),
        Error::ConnectionReadTimeout => upstream(READ_TIMEOUT, "no answer came in time"),
        Error::HttpResponseTimeout => upstream(BODY_TIMEOUT, "the answer stopped in the middle"),
        Error::Tls(_) | Error::TlsProtocolError => upstream(TLS, "the host's TLS does not work or is not trusted"),
        Error::TlsCertificateError => upstream(CERTIFICATE, "the host's name is none that a certificate can have"),
        Error::ConfigurationError | Error::InternalError(_) => {
            Fault::new(FaultKind::Unavailable, NOT_MADE, "the request could not be made by this host")
        }
        _other => upstream(BROKEN, "the exchange with the host broke off"),
    }
}

fn too_large(code: &str, what: &str, max: Option<u64>) -> Fault {
    let max = max.unwrap_or_default();
    let message = format!("the body of the {what} has more than {max} bytes (`http_body_bytes_max`)");
    Fault::limit(code, message).with_details(&json!({ "bytesMax": max }))
}

/// By the code alone; one that is not of here is a broken exchange.
pub fn to_error(fault: &Fault) -> Error {
    let bytes_max = || fault.details.as_ref().and_then(|details| details.to_value()["bytesMax"].as_u64());
    match fault.code.as_str() {
        DENIED => Error::HttpRequestDenied,
        URL => Error::HttpRequestUriInvalid,
        CONNECTIONS => Error::ConnectionLimitReached,
        REQUEST_BODY => Error::HttpRequestBodySize(bytes_max()),
        RESPONSE_BODY => Error::HttpResponseBodySize(bytes_max()),
        NAME => Error::DnsError { rcode: None, info_code: None },
        NAME_TIMEOUT => Error::DnsTimeout,
        REFUSED => Error::ConnectionRefused,
        CONNECT_TIMEOUT => Error::ConnectionTimeout,
        READ_TIMEOUT => Error::ConnectionReadTimeout,
        BODY_TIMEOUT => Error::HttpResponseTimeout,
        TLS => Error::TlsProtocolError,
        CERTIFICATE => Error::TlsCertificateError,
        NOT_MADE => Error::InternalError(None),
        _ => Error::HttpProtocolError,
    }
}
