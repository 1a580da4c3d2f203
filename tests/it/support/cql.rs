//! The database of the tests: the one `EARCON_TEST_CQL` names, one of a test's own, and a slow way to either.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The address of the test database, or `None`, saying so, where there is none. In CI that is a failure.
pub(crate) fn test_database(test: &str) -> Option<String> {
    let found = std::env::var("EARCON_TEST_CQL").ok();
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{test}: EARCON_TEST_CQL is not set");
        eprintln!("skipped: {test}: no CQL database; `make test` starts one");
    }
    found
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// A Cassandra node of the test's own, to be stopped and started.
pub(crate) struct Cassandra {
    script: String,
    port: u16,
    internal: u16,
    data: TempDir,
    child: Option<Child>,
}

impl Cassandra {
    pub(crate) async fn start(test: &str) -> Option<Self> {
        let Ok(script) = std::env::var("EARCON_TEST_CASSANDRA") else {
            assert!(std::env::var_os("CI").is_none(), "{test}: EARCON_TEST_CASSANDRA is not set");
            eprintln!("skipped: {test}: no Cassandra to start; `make test` fetches one");
            return None;
        };
        let data = TempDir::new().expect("a temporary directory");
        let mut cassandra = Self { script, port: free_port(), internal: free_port(), data, child: None };
        cassandra.restart().await;
        Some(cassandra)
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills it, unkindly.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
        }
    }

    /// Starts it on the data it had; returns when it takes connections.
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

/// A way to a server that takes a while.
pub(crate) struct SlowWay {
    address: String,
    delay_ms: Arc<AtomicU64>,
}

impl SlowWay {
    /// Listens on a free port and passes everything on to `to`.
    pub(crate) async fn to(to: String) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let delay_ms = Arc::new(AtomicU64::new(0));
        let delay = delay_ms.clone();
        tokio::spawn(async move {
            while let Ok((here, _)) = listener.accept().await {
                let Ok(there) = TcpStream::connect(&to).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) = (here.into_split(), there.into_split());
                tokio::spawn(pass_on(from_client, to_server, delay.clone()));
                tokio::spawn(pass_on(from_server, to_client, delay.clone()));
            }
        });
        Self { address, delay_ms }
    }

    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    /// From now on everything takes this much longer, each way.
    pub(crate) fn delay(&self, by: Duration) {
        self.delay_ms.store(by.as_millis() as u64, Ordering::Relaxed);
    }
}

async fn pass_on(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    delay_ms: Arc<AtomicU64>,
) {
    let mut buffer = vec![0; 64 * 1_024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        tokio::time::sleep(Duration::from_millis(delay_ms.load(Ordering::Relaxed))).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            break;
        }
    }
}
