//! Outgoing HTTPS, against a server on loopback whose certificate an authority of our own has signed.

use super::http::{allow, echo, request, send, state};
use super::*;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::TlsAcceptor;
use wasmtime_wasi_http::Error;

/// Signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: Vec<u8>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { issuer: Issuer::new(params, key), der }
    }

    /// A server with a certificate for `name`; it answers as the plain one does. Its port.
    async fn server(&self, name: &str) -> u16 {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // One that does not trust us hangs up here.
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                let served = hyper::server::conn::http1::Builder::new().serve_connection(
                    TokioIo::new(stream),
                    service_fn(|request| async { Ok::<_, hyper::Error>(echo(request).await) }),
                );
                tokio::spawn(served);
            }
        });
        port
    }

    /// An engine that trusts it.
    fn trusted(&self) -> Bench {
        Bench::with(|config| config.tls_roots_extra = vec![self.der.clone()])
    }
}

async fn get(bench: &Bench, url: &str) -> Result<(u16, String, String), Error> {
    let state = state(bench, allow(url), Limits::STANDARD);
    send(&state, request("GET", &format!("{url}/a")), "").await
}

#[tokio::test]
async fn a_request_over_tls_reaches_a_server_whose_authority_is_trusted() {
    let authority = Authority::new();
    let bench = authority.trusted();
    for host in ["localhost", "127.0.0.1"] {
        let port = authority.server(host).await;
        let answer = get(&bench, &format!("https://{host}:{port}")).await;
        assert_eq!(answer.unwrap(), (200, "-".into(), "GET /a - - ".into()), "{host}");
    }
}

#[tokio::test]
async fn a_server_whose_authority_is_not_trusted_is_told_nothing() {
    let port = Authority::new().server("localhost").await;
    let url = format!("https://localhost:{port}");
    for bench in [Bench::new(), Authority::new().trusted()] {
        let answer = get(&bench, &url).await;
        assert!(matches!(answer, Err(Error::Tls(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let port = authority.server("other.example").await;
    let answer = get(&authority.trusted(), &format!("https://localhost:{port}")).await;
    assert!(matches!(answer, Err(Error::Tls(_))), "{answer:?}");
}

#[tokio::test]
async fn a_rule_for_http_does_not_allow_https() {
    let authority = Authority::new();
    let (bench, port) = (authority.trusted(), authority.server("localhost").await);
    let state = state(&bench, allow(&format!("http://localhost:{port}")), Limits::STANDARD);
    let answer = send(&state, request("GET", &format!("https://localhost:{port}/")), "").await;
    assert!(matches!(answer, Err(Error::HttpRequestDenied)), "{answer:?}");
}
