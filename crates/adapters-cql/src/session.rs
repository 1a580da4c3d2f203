//! Connecting to the database.

use std::sync::Arc;

use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::policies::load_balancing::DefaultPolicy;

use crate::settings::{Consistency, CqlSettings};
use earcon_ports::{ErrorKind, PortError};

/// Connects to the database without selecting a keyspace.
///
/// # Errors
/// `Invalid` when a certificate cannot be used. `Unavailable` when no node answers, or the database
/// refuses the credentials.
pub async fn connect(settings: &CqlSettings) -> Result<Session, PortError> {
    let mut policy = DefaultPolicy::builder().token_aware(true);
    if let Some(datacenter) = &settings.datacenter {
        policy = policy.prefer_datacenter(datacenter.clone());
    }
    let profile = ExecutionProfile::builder()
        .consistency(consistency(settings.write_consistency))
        .request_timeout(Some(settings.request_timeout))
        .load_balancing_policy(policy.build())
        .build();
    let mut builder =
        SessionBuilder::new().known_nodes(&settings.nodes).default_execution_profile_handle(profile.into_handle());
    // The database may have many other keyspaces; this program does not need their metadata.
    builder = builder.keyspaces_to_fetch([&settings.keyspace]);
    if let Some((user, password)) = &settings.login {
        builder = builder.user(user, password.reveal());
    }
    if settings.tls {
        builder = builder.tls_context(Some(tls(settings)?));
    }
    builder.build().await.map_err(|error| {
        let context = format!("cannot connect to the database at {}", settings.nodes.join(", "));
        PortError::caused(ErrorKind::Unavailable, context, error)
    })
}

/// The driver's value for a consistency.
pub fn consistency(consistency: Consistency) -> scylla::statement::Consistency {
    match consistency {
        Consistency::One => scylla::statement::Consistency::One,
        Consistency::LocalOne => scylla::statement::Consistency::LocalOne,
        Consistency::Quorum => scylla::statement::Consistency::Quorum,
        Consistency::LocalQuorum => scylla::statement::Consistency::LocalQuorum,
        Consistency::All => scylla::statement::Consistency::All,
    }
}

fn tls(settings: &CqlSettings) -> Result<Arc<rustls::ClientConfig>, PortError> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;
    let Some(file) = &settings.ca_file else {
        return Err(PortError::new(ErrorKind::Invalid, "cql.ca_file: needed with cql.tls"));
    };
    let unusable = |error: String| {
        PortError::new(ErrorKind::Invalid, format!("cql.ca_file: {} cannot be used: {error}", file.display()))
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
