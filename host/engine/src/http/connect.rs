//! A connection to an address that was checked.

use super::rules::Target;
use crate::config::Config;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use wasmtime_wasi_http::Error;

/// What all runs' outgoing requests share.
pub struct Outside {
    /// Made at the first request that needs it: reading the system's certificates takes a while.
    tls: OnceLock<Option<TlsConnector>>,
    roots_extra: Vec<Vec<u8>>,
}

/// The connection's own work, which must be driven for the request to go on.
pub type Driver = std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

impl Outside {
    pub fn new(config: &Config) -> Self {
        Self { tls: OnceLock::new(), roots_extra: config.tls_roots_extra.clone() }
    }

    /// To the first of the addresses that answers.
    pub async fn open(
        &self,
        target: &Target,
        addresses: &[SocketAddr],
    ) -> Result<(SendRequest<Full<Bytes>>, Driver), Error> {
        let tcp = TcpStream::connect(addresses).await.map_err(Error::Connect)?;
        tcp.set_nodelay(true).ok();
        if !target.is_tls {
            return handshake(tcp).await;
        }
        let name = ServerName::try_from(target.host_to_resolve().to_owned()).map_err(|_| Error::TlsCertificateError)?;
        let tls = self.tls.get_or_init(|| self.connector()).as_ref().ok_or(Error::ConfigurationError)?;
        handshake(tls.connect(name, tcp).await.map_err(Error::Tls)?).await
    }

    fn connector(&self) -> Option<TlsConnector> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        roots.add_parsable_certificates(self.roots_extra.iter().map(|der| CertificateDer::from(der.as_slice())));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .inspect_err(|error| tracing::error!(%error, "outgoing TLS cannot be set up"))
            .ok()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Some(TlsConnector::from(Arc::new(config)))
    }
}

async fn handshake(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<(SendRequest<Full<Bytes>>, Driver), Error> {
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    Ok((sender, Box::pin(async move { connection.await.map_err(Error::from) })))
}
