//! Why a server did not start.

use std::io;
use std::net::SocketAddr;

use earcon_accounts::AccountsError;
use earcon_adapters_embedded::OpenError;
use earcon_ports::PortError;

/// Why a server did not start. Each message says how to fix it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The server cannot listen on the address.
    #[error(
        "cannot listen on {address}: {source}. Another program may be using the port; \
         choose another with --listen, for example --listen 127.0.0.1:0 for any free one"
    )]
    Listen {
        /// The configured address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// The server cannot listen for StatsD on the address.
    #[error("cannot listen for StatsD on {address}: {source}. Choose another address with statsd.listen")]
    Statsd {
        /// The configured address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error("{0}")]
    Storage(#[from] OpenError),
    /// NATS cannot be used as it is configured.
    #[error("{0}")]
    Nats(PortError),
    /// Requests to other servers cannot be sent as it is configured.
    #[error("{0}")]
    Outbound(PortError),
    /// The server's certificate or its key cannot be used.
    #[error("{0}")]
    Tls(String),
    /// The database cannot be used.
    #[error("{0}")]
    Database(PortError),
    /// A stored workspace cannot be opened.
    #[error("the stored workspaces cannot be opened: {0}")]
    Recovery(#[from] PortError),
    /// The accounts cannot be read.
    #[error("the accounts cannot be read: {0}")]
    Accounts(#[from] AccountsError),
    /// A setting whose fault shows only in use.
    #[error("{0}")]
    Settings(String),
}

impl StartError {
    /// Whether the configuration has to be changed.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Storage(error) => error.is_configuration(),
            Self::Outbound(_) | Self::Tls(_) => true,
            _ => false,
        }
    }

    /// Whether the system refused to read or write a file of the data directory.
    pub fn is_io(&self) -> bool {
        matches!(self, Self::Storage(error) if error.is_io())
    }
}
