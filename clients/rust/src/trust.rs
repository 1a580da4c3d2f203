//! Whose certificates a client trusts.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::error::Error;

/// Certificate authorities, for servers at `https://` addresses. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Trust(Arc<ClientConfig>);

impl Trust {
    /// Trusts the public authorities, as a list in this program has them.
    ///
    /// # Errors
    /// If this program has no TLS that works.
    pub fn public() -> Result<Self, Error> {
        Self::of(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
    }

    /// Trusts these authorities too: certificates in PEM.
    ///
    /// # Errors
    /// If the text contains no certificate, or one that cannot be used.
    pub fn with_pem(pem: &[u8]) -> Result<Self, Error> {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        let public = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| unusable(&error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable(&error.to_string()))?;
        }
        if roots.len() == public {
            return Err(unusable("there is no certificate in PEM"));
        }
        Self::of(roots)
    }

    /// The settings of TLS, for HTTP clients besides this one.
    pub fn config(&self) -> Arc<ClientConfig> {
        self.0.clone()
    }

    /// Whether this is why a connection failed: the other side has a certificate that is not
    /// trusted, such as one of an unknown authority, for another name, or an expired one.
    pub fn refused(error: &(dyn std::error::Error + 'static)) -> bool {
        let mut cause = Some(error);
        while let Some(error) = cause {
            // An I/O error does not name the error that it contains as its source.
            let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
            let tls = inner.and_then(|inner| inner.downcast_ref()).or_else(|| error.downcast_ref());
            if let Some(rustls::Error::InvalidCertificate(_)) = tls {
                return true;
            }
            cause = match inner {
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        false
    }

    fn of(roots: RootCertStore) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| unusable(&error.to_string()))?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

fn unusable(reason: &str) -> Error {
    Error::Trust { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_without_a_certificate_is_refused() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for text in ["", "no certificate", broken] {
            assert!(matches!(Trust::with_pem(text.as_bytes()), Err(Error::Trust { .. })), "{text:?}");
        }
    }
}
