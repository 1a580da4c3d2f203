//! A certificate authority of the tests, and servers with certificates of it.

use std::path::{Path, PathBuf};

use earcon_client::{Client, Trust, Workspace};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Server;
use earcon::app::Overrides;

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for this machine, and its key, both PEM.
    pub(crate) fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }
}

/// The files of a certificate.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn of(authority: &Authority) -> Self {
        let files = Self(TempDir::new().unwrap());
        files.write(authority.issue());
        std::fs::write(files.authority(), authority.pem()).unwrap();
        files
    }

    pub(crate) fn write(&self, (certificate, key): (String, String)) {
        std::fs::write(self.certificate(), certificate).unwrap();
        std::fs::write(self.key(), key).unwrap();
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.0.path().join("certificate.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }

    /// The authority's own certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.0.path().join("authority.pem")
    }

    /// A server with this certificate.
    pub(crate) async fn serve(&self, settings: &[(&str, Value)]) -> Server {
        let path = |path: &Path| json!(path.display().to_string());
        let mut all = vec![("tls.certificate", path(&self.certificate())), ("tls.key", path(&self.key()))];
        all.extend(settings.iter().cloned());
        Server::start_with(&all, Overrides::default()).await
    }
}

/// The workspace of an encrypted server, for a client that trusts these authorities.
pub(crate) fn trusting(server: &Server, pem: &str) -> Workspace {
    let trust = Trust::with_pem(pem.as_bytes()).unwrap();
    Client::trusting(&format!("https://{}", server.address()), trust).unwrap().workspace("local")
}

/// An HTTP client that trusts these authorities, and makes a connection for each request.
pub(crate) fn http(pem: &str) -> reqwest::Client {
    let trust = Trust::with_pem(pem.as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured((*trust.config()).clone());
    client.pool_max_idle_per_host(0).timeout(std::time::Duration::from_secs(60)).build().unwrap()
}
