//! CQL databases for tests: the shared one (`EARCON_TEST_CQL`), a private one, and a proxy that
//! can stall the traffic to either.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::program::send_signal;

/// The address of the shared test database. Panics if there is none.
pub(crate) fn test_database() -> String {
    std::env::var("EARCON_TEST_CQL").expect("EARCON_TEST_CQL; scripts/servers/run.sh starts a database and sets it")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// A private Cassandra node, which a test may stop and start.
pub(crate) struct Cassandra {
    script: String,
    port: u16,
    internal: u16,
    data: TempDir,
    child: Option<Child>,
}

impl Cassandra {
    /// Starts a node. Panics if Cassandra is not installed.
    pub(crate) async fn start() -> Self {
        let script = std::env::var("EARCON_TEST_CASSANDRA");
        let script = script.expect("EARCON_TEST_CASSANDRA; scripts/servers/run.sh downloads Cassandra and sets it");
        let data = TempDir::new().expect("a temporary directory");
        let mut cassandra = Self { script, port: free_port(), internal: free_port(), data, child: None };
        cassandra.restart().await;
        cassandra
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills the node with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
        }
    }

    /// SIGSTOP: the process stays but does nothing.
    pub(crate) fn pause(&self) {
        send_signal("-STOP", self.child.as_ref().expect("Cassandra runs"));
    }

    /// SIGCONT: the process continues.
    pub(crate) fn wake(&self) {
        send_signal("-CONT", self.child.as_ref().expect("Cassandra runs"));
    }

    /// Starts the node on its old data; returns when it accepts connections.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        let child = Command::new(&self.script)
            .arg(self.data.path())
            .args([self.port.to_string(), self.internal.to_string(), "512".to_owned()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Cassandra starts");
        self.child = Some(child);
        for _ in 0..1_200 {
            if TcpStream::connect(self.address()).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("Cassandra does not take connections");
    }
}

impl Drop for Cassandra {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A TCP proxy that can hold all traffic back, as a server does that hangs.
pub(crate) struct StallingProxy {
    address: String,
    flowing: watch::Sender<bool>,
}

impl StallingProxy {
    /// Listens on a free port and forwards everything to `to`.
    pub(crate) async fn to(to: String) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (flowing, seen) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((here, _)) = listener.accept().await {
                let Ok(there) = TcpStream::connect(&to).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) = (here.into_split(), there.into_split());
                tokio::spawn(forward(from_client, to_server, seen.clone()));
                tokio::spawn(forward(from_server, to_client, seen.clone()));
            }
        });
        Self { address, flowing }
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// Holds back all bytes, in both directions. Connections stay open.
    pub(crate) fn stall(&self) {
        self.flowing.send_replace(false);
    }

    /// Lets the traffic flow again, beginning with the bytes held back.
    pub(crate) fn resume(&self) {
        self.flowing.send_replace(true);
    }
}

async fn forward(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut flowing: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1_024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if flowing.wait_for(|flowing| *flowing).await.is_err() || to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
}
