//! TLS with a certificate authority of the tests, over real sockets.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use earcon_model::ManualClock;
use earcon_ports::{ErrorKind, HttpClient, HttpErrorKind};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::NamedTempFile;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::support::{get, settings};
use crate::OutboundHttp;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn file(&self) -> NamedTempFile {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(self.0.pem().as_bytes()).unwrap();
        file
    }

    /// Serves one answer a connection, with a certificate for this name.
    async fn serve(&self, name: &str) -> SocketAddr {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let (acceptor, listener) =
            (TlsAcceptor::from(Arc::new(config)), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let mut request = vec![0; 4_096];
                let _read = stream.read(&mut request).await;
                let _gone = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nsafe").await;
                let _gone = stream.shutdown().await;
            }
        });
        address
    }
}

fn client(allow: &str, authority: Option<&NamedTempFile>) -> OutboundHttp {
    let mut settings = settings(&[allow]);
    settings.ca_file = authority.map(|file| file.path().to_owned());
    OutboundHttp::new(&settings, Arc::new(ManualClock::at(0))).unwrap()
}

#[tokio::test]
async fn a_configured_authority_is_trusted_and_another_is_not() {
    let (authority, other) = (Authority::new(), Authority::new());
    let address = authority.serve("localhost").await;
    let url = format!("https://localhost:{}/", address.port());
    let trusting = client("localhost", Some(&authority.file()));
    assert_eq!(trusting.send(get(&url)).await.unwrap().body.as_ref(), b"safe");
    for untrusting in [client("localhost", Some(&other.file())), client("localhost", None)] {
        let error = untrusting.send(get(&url)).await.unwrap_err();
        assert_eq!(error.kind, HttpErrorKind::Tls, "{error}");
        assert!(error.reason.contains("outbound.ca_file"), "{error}");
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let authority = Authority::new();
    let address = authority.serve("other.example").await;
    let url = format!("https://localhost:{}/", address.port());
    let error = client("localhost", Some(&authority.file())).send(get(&url)).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Tls, "{error}");
}

#[tokio::test]
async fn a_port_that_speaks_no_tls_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let mut rest = Vec::new();
        let _read = stream.read_to_end(&mut rest).await;
    });
    let error = client("127.0.0.1", None).send(get(&format!("https://{address}/"))).await.unwrap_err();
    assert!(error.kind == HttpErrorKind::Tls && error.reason.contains("may not speak TLS"), "{error}");
}

#[tokio::test]
async fn nothing_listens_there() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = client("127.0.0.1", None).send(get(&format!("https://{address}/"))).await.unwrap_err();
    assert_eq!(error.kind, HttpErrorKind::Unreachable, "{error}");
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_is_named() {
    let mut empty = NamedTempFile::new().unwrap();
    empty.write_all(b"no certificate").unwrap();
    for path in [empty.path().to_owned(), "/nonexistent/ca.pem".into()] {
        let mut settings = settings(&[]);
        settings.ca_file = Some(path.clone());
        let error = OutboundHttp::new(&settings, Arc::new(ManualClock::at(0))).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.to_string().contains("outbound.ca_file") && error.to_string().contains(&*path.to_string_lossy()));
    }
}
