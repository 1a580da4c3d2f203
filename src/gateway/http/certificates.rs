//! The certificate of this server. It is read again when its files change.
//!
//! Files are compared by content, because a change of a link, or of a file within the same second,
//! must be seen too. They are small. New content is used when two looks in a row saw it, so that a
//! certificate without its key yet is no error.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;
use tokio::time::sleep;

/// Time between looks at the files.
const LOOK: Duration = Duration::from_secs(2);

/// The files of a certificate, and how long browsers remember to use HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The certificate and those that lead to its authority, PEM.
    pub certificate: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
    /// For how many days browsers use only HTTPS afterwards. 0: no header asks them to.
    pub hsts_days: u64,
}

/// The present certificate. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Certificates {
    present: watch::Receiver<Arc<ServerConfig>>,
    hsts: Option<HeaderValue>,
}

impl Certificates {
    /// Reads the files. The future looks at them until it is dropped.
    ///
    /// # Errors
    /// The file and its fault, for people.
    pub async fn open(settings: TlsSettings) -> Result<(Self, impl Future<Output = ()> + Send), String> {
        let files = read(&settings).await?;
        let (sender, present) = watch::channel(config(&files, &settings)?);
        let hsts = (settings.hsts_days > 0).then(|| settings.hsts_days * 86_400);
        let hsts = hsts.and_then(|seconds| HeaderValue::try_from(format!("max-age={seconds}")).ok());
        Ok((Self { present, hsts }, follow(settings, Looks::new(files), sender)))
    }

    /// The certificate for the next connection.
    pub(super) fn present(&self) -> Arc<ServerConfig> {
        self.present.borrow().clone()
    }

    /// What answers say about later connections.
    pub(super) fn hsts(&self) -> Option<HeaderValue> {
        self.hsts.clone()
    }
}

/// Replaces the certificate whenever its files change.
async fn follow(settings: TlsSettings, mut looks: Looks, sender: watch::Sender<Arc<ServerConfig>>) {
    let path = settings.certificate.display();
    loop {
        sleep(LOOK).await;
        let replaced = match looks.look(read(&settings).await) {
            Look::Same => continue,
            Look::New(files) => config(&files, &settings),
            Look::Unreadable(problem) => Err(problem),
        };
        match replaced {
            Ok(config) => {
                sender.send_replace(config);
                tracing::info!("the certificate {path} was replaced; new connections use it");
            }
            Err(problem) => {
                tracing::error!("{problem}; connections go on with the certificate before");
            }
        }
    }
}

/// The content of both files.
#[derive(Clone, PartialEq, Eq)]
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

/// What a look at the files means.
enum Look {
    Same,
    New(Files),
    Unreadable(String),
}

/// The looks at the files. Each state of them is reported once.
struct Looks {
    judged: Result<Files, String>,
    before: Result<Files, String>,
}

impl Looks {
    fn new(files: Files) -> Self {
        Self { judged: Ok(files.clone()), before: Ok(files) }
    }

    fn look(&mut self, now: Result<Files, String>) -> Look {
        let steady = self.before == now;
        self.before = now;
        if !steady || self.before == self.judged {
            return Look::Same;
        }
        self.judged = self.before.clone();
        match &self.judged {
            Ok(files) => Look::New(files.clone()),
            Err(problem) => Look::Unreadable(problem.clone()),
        }
    }
}

async fn read(settings: &TlsSettings) -> Result<Files, String> {
    let unreadable =
        |key: &str, path: &PathBuf, error: io::Error| format!("{key}: {} cannot be read: {error}", path.display());
    let (certificate, key) = (&settings.certificate, &settings.key);
    Ok(Files {
        certificate: tokio::fs::read(certificate)
            .await
            .map_err(|error| unreadable("tls.certificate", certificate, error))?,
        key: tokio::fs::read(key).await.map_err(|error| unreadable("tls.key", key, error))?,
    })
}

/// TLS 1.2 and 1.3 with this certificate, for HTTP/1.1.
fn config(files: &Files, settings: &TlsSettings) -> Result<Arc<ServerConfig>, String> {
    let unusable =
        |key: &str, path: &PathBuf, reason: String| format!("{key}: {} cannot be used: {reason}", path.display());
    let wrong_certificate = |reason| unusable("tls.certificate", &settings.certificate, reason);
    let wrong_key = |reason| unusable("tls.key", &settings.key, reason);
    let chain = CertificateDer::pem_slice_iter(&files.certificate).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| wrong_certificate(error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong_certificate("it contains no certificate in PEM".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&files.key)
        .map_err(|error| wrong_key(format!("it contains no private key in PEM that is not encrypted ({error})")))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| wrong_key(error.to_string()))?.with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            wrong_key(format!("it is not the key of the certificate {}", settings.certificate.display()))
        }
        rustls::Error::InvalidCertificate(error) => wrong_certificate(error.to_string()),
        error => wrong_key(error.to_string()),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Clients come back without another handshake in full, and without memory here for each.
    config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(|error| wrong_key(error.to_string()))?;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(number: u8) -> Result<Files, String> {
        Ok(Files { certificate: vec![number], key: vec![number] })
    }

    /// What a look leads to: the number of the files that are tried, or the problem.
    fn look(looks: &mut Looks, now: Result<Files, String>) -> Option<Result<u8, String>> {
        match looks.look(now) {
            Look::Same => None,
            Look::New(files) => Some(Ok(files.key[0])),
            Look::Unreadable(problem) => Some(Err(problem)),
        }
    }

    #[test]
    fn new_files_are_used_once_they_stay_the_same() {
        let mut looks = Looks::new(files(1).unwrap());
        let half = Ok(Files { certificate: vec![2], key: vec![1] });
        let seen = [files(1), half, files(2), files(2), files(2), files(1), files(1)].map(|now| look(&mut looks, now));
        assert_eq!(seen, [None, None, None, Some(Ok(2)), None, None, Some(Ok(1))]);
    }

    #[test]
    fn files_that_are_gone_are_reported_once() {
        let gone = || Err("gone".to_owned());
        let problem = Some(Err("gone".to_owned()));
        let mut looks = Looks::new(files(1).unwrap());
        let seen = [gone(), files(1), gone(), gone(), gone(), files(1), files(1)].map(|now| look(&mut looks, now));
        assert_eq!(seen, [None, None, None, problem, None, None, Some(Ok(1))]);
    }
}
