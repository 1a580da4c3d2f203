//! Connecting to the database.

use std::sync::Arc;

use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::load_balancing::DefaultPolicy;

use crate::config::{Consistency, Scylla};
use crate::ports::{ErrorKind, PortError};

/// Connects to the database, without choosing a keyspace.
///
/// # Errors
/// `Invalid` when a certificate cannot be used; `Unavailable` when no node answers or it refuses the credentials.
pub async fn connect(scylla: &Scylla) -> Result<Session, PortError> {
    let mut policy = DefaultPolicy::builder().token_aware(true);
    if let Some(datacenter) = &scylla.datacenter {
        policy = policy.prefer_datacenter(datacenter.clone());
    }
    let profile = ExecutionProfile::builder()
        .consistency(consistency(scylla.write_consistency))
        .request_timeout(Some(scylla.request_timeout))
        .load_balancing_policy(policy.build())
        .build();
    let mut builder =
        SessionBuilder::new().known_nodes(&scylla.nodes).default_execution_profile_handle(profile.into_handle());
    // Other keyspaces of the database are no concern of this program, and there may be many.
    builder = builder.keyspaces_to_fetch([&scylla.keyspace]);
    if let Some((user, password)) = &scylla.login {
        builder = builder.user(user, password.reveal());
    }
    if scylla.tls {
        builder = builder.tls_context(Some(tls(scylla)?));
    }
    builder.build().await.map_err(|error| {
        let context = format!("cannot connect to the database at {}", scylla.nodes.join(", "));
        PortError::caused(ErrorKind::Unavailable, context, error)
    })
}

/// The driver's name for a consistency.
pub fn consistency(consistency: Consistency) -> scylla::statement::Consistency {
    match consistency {
        Consistency::One => scylla::statement::Consistency::One,
        Consistency::LocalOne => scylla::statement::Consistency::LocalOne,
        Consistency::Quorum => scylla::statement::Consistency::Quorum,
        Consistency::LocalQuorum => scylla::statement::Consistency::LocalQuorum,
        Consistency::All => scylla::statement::Consistency::All,
    }
}

fn tls(scylla: &Scylla) -> Result<Arc<rustls::ClientConfig>, PortError> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let Some(file) = &scylla.ca_file else {
        return Err(PortError::new(ErrorKind::Invalid, "scylla.ca_file: needed with scylla.tls"));
    };
    let unusable = |error: String| {
        PortError::new(ErrorKind::Invalid, format!("scylla.ca_file: {} cannot be used: {error}", file.display()))
    };
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unusable(error.to_string()))? {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
