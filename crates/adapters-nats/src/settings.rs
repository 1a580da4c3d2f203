//! Settings of the connection to NATS.

use std::path::PathBuf;

use earcon_ports::Secret;

/// Addresses, TLS and credentials of a NATS server or cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct NatsSettings {
    /// At least one address.
    pub servers: Vec<String>,
    /// Require TLS.
    pub tls: bool,
    /// Certificates to trust in addition to the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Certificate and key of this client, PEM.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
    /// A `.creds` file: JWT and seed.
    pub credentials_file: Option<PathBuf>,
    /// A file with an NKEY seed.
    pub nkey_seed_file: Option<PathBuf>,
    /// User and password.
    pub login: Option<(String, Secret)>,
}
