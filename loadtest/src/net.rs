//! Clients with minimal cost, because they share the machine with the server under test.

pub(crate) mod http;
pub(crate) mod websocket;

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest wait for a connection or an answer.
pub(crate) const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Parses `address:port`. Refuses addresses beyond loopback, because this program overloads
/// servers.
pub(crate) fn loopback(text: &str) -> anyhow::Result<SocketAddr> {
    let address: SocketAddr = text.parse().with_context(|| format!("{text:?} is not ADDRESS:PORT"))?;
    ensure!(address.ip().is_loopback(), "{address} is not a loopback address; only servers on this machine are loaded");
    Ok(address)
}

/// A connection without Nagle's delay.
pub(crate) async fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    ensure!(address.ip().is_loopback(), "{address} is not a loopback address");
    let stream = timeout(PATIENCE, TcpStream::connect(address))
        .await
        .with_context(|| format!("connecting to {address} took longer than {PATIENCE:?}"))?
        .with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true).context("TCP_NODELAY")?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_accepted() {
        assert!(loopback("127.0.0.1:80").is_ok());
        assert!(loopback("[::1]:80").is_ok());
        for elsewhere in ["0.0.0.0:80", "10.0.0.1:80", "192.0.2.1:80", "localhost:80"] {
            assert!(loopback(elsewhere).is_err(), "{elsewhere}");
        }
    }
}
