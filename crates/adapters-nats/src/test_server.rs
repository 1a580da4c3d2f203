//! NATS servers for tests: the shared one (`EARCON_TEST_NATS_URL`), and private ones that a test
//! may stop.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::Client;
use tempfile::TempDir;

use crate::NatsSettings;

/// A client of the shared test server. Panics if there is none.
pub(crate) async fn client() -> Client {
    let url = std::env::var("EARCON_TEST_NATS_URL");
    let url = url.expect("EARCON_TEST_NATS_URL; scripts/servers/run.sh starts a server and sets it");
    async_nats::connect(&url).await.unwrap_or_else(|error| panic!("{url}: {error}"))
}

/// A private server in its own directory. Dropping the value ends it.
pub(crate) struct PrivateServer {
    binary: PathBuf,
    port: u16,
    child: Child,
    /// Holds the configuration, the log and JetStream's data. Tests may add certificates.
    pub(crate) directory: TempDir,
}

impl PrivateServer {
    /// Starts a server with JetStream and `more` lines of configuration. `DIR` in them becomes its
    /// directory. Panics if no nats-server is installed.
    pub(crate) async fn start(more: &str) -> Self {
        let jetstream = "jetstream { store_dir: \"DIR/store\" }";
        Self::start_in(tempfile::tempdir().expect("a directory"), &format!("{jetstream}\n{more}")).await
    }

    /// Starts a server in `directory`, with this configuration and a free port.
    pub(crate) async fn start_in(directory: TempDir, config: &str) -> Self {
        let binary = binary().expect("a nats-server; scripts/servers/run.sh downloads it and sets the path");
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let path = directory.path().to_str().expect("a plain path");
        let config = format!("listen: \"127.0.0.1:{port}\"\n{}\n", config.replace("DIR", path));
        std::fs::write(directory.path().join("nats.conf"), config).expect("the configuration");
        let child = spawn(&binary, &directory);
        let mut server = Self { binary, port, child, directory };
        server.wait().await;
        server
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Settings that name this server, without credentials.
    pub(crate) fn settings(&self) -> NatsSettings {
        NatsSettings {
            servers: vec![self.url()],
            tls: false,
            ca_file: None,
            client_certificate: None,
            credentials_file: None,
            nkey_seed_file: None,
            login: None,
        }
    }

    /// A client with Earcon's connection options.
    pub(crate) async fn client(&self) -> Client {
        crate::connection::connect(&self.settings(), "test").await.expect("the server takes clients")
    }

    /// Kills the server, like a crash.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the server can be killed");
        self.child.wait().expect("the server ends");
    }

    /// Starts the server again, on the same port and directory.
    pub(crate) async fn start_again(&mut self) {
        self.child = spawn(&self.binary, &self.directory);
        self.wait().await;
    }

    async fn wait(&mut self) {
        for _ in 0..400 {
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return;
            }
            assert!(self.child.try_wait().expect("its state").is_none(), "nats-server ended: {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nats-server does not listen: {}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        let _ended = self.child.kill().is_ok() && self.child.wait().is_ok();
    }
}

fn binary() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("EARCON_TEST_NATS_SERVER") {
        return Some(path.into());
    }
    let cache = PathBuf::from(std::env::var_os("HOME")?).join(".cache/earcon/nats-server");
    cache.exists().then_some(cache)
}

fn spawn(binary: &PathBuf, directory: &TempDir) -> Child {
    Command::new(binary)
        .arg("--config")
        .arg(directory.path().join("nats.conf"))
        .arg("--log")
        .arg(directory.path().join("log"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("nats-server starts")
}
