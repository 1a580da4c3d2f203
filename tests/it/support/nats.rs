//! A private NATS server for one test, and clients with time limits.
//!
//! The server is private because all servers that use one NATS server share its ingest subjects.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::{Client, HeaderMap, Message, Subscriber};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use super::program::send_signal;

const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; killed when dropped.
pub(crate) struct NatsServer {
    program: PathBuf,
    port: u16,
    monitor: u16,
    more: Vec<String>,
    data: TempDir,
    child: Option<Child>,
}

impl NatsServer {
    /// Starts a server. Panics if no nats-server is installed.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts a server with additional arguments.
    pub(crate) async fn start_with(more: &[&str]) -> Self {
        let mut server = Self::new(more.iter().map(ToString::to_string).collect());
        server.restart().await;
        server
    }

    fn new(more: Vec<String>) -> Self {
        let program = program().expect("a nats-server; scripts/servers/run.sh downloads it and sets the path");
        let data = TempDir::new().expect("a temporary directory");
        Self { program, port: free_port(), monitor: free_port(), more, data, child: None }
    }

    /// Starts `count` servers as one cluster, with the pings and the syncing of the shipped
    /// configuration. Server `i` is called `nats-i`.
    pub(crate) async fn start_cluster(count: usize) -> Vec<Self> {
        let ports: Vec<u16> = (0..count).map(|_| free_port()).collect();
        let routes: Vec<String> = ports.iter().map(|port| format!("nats://127.0.0.1:{port}")).collect();
        let mut servers: Vec<Self> = (0..count).map(|_| Self::new(Vec::new())).collect();
        for (number, (server, port)) in servers.iter_mut().zip(&ports).enumerate() {
            let (everywhere, of_routes) = shipped_pings();
            let config = format!(
                "server_name: nats-{number}\njetstream {{ sync_interval: always }}\n{everywhere}\n\
                 cluster {{ name: test, listen: \"127.0.0.1:{port}\", routes: {routes:?}\n{of_routes}\n}}\n"
            );
            let file = server.data.path().join("nats.conf");
            std::fs::write(&file, config).expect("the configuration");
            server.more = vec!["--config".into(), file.display().to_string()];
            server.spawn();
        }
        for server in &servers {
            server.healthy().await;
        }
        servers
    }

    /// SIGSTOP: the process stays but does nothing.
    pub(crate) fn pause(&self) {
        self.signal("-STOP");
    }

    /// SIGCONT: the process continues.
    pub(crate) fn wake(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        send_signal(name, self.child.as_ref().expect("the server runs"));
    }

    /// Kills the server with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("the server can be killed");
            child.wait().expect("the server ends");
        }
    }

    /// Starts the server again on the same port.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        self.spawn();
        self.healthy().await;
    }

    fn spawn(&mut self) {
        let child = Command::new(&self.program)
            .args(["--addr", "127.0.0.1", "--port", &self.port.to_string(), "--http_port", &self.monitor.to_string()])
            .args(["--jetstream", "--store_dir"])
            .arg(self.data.path())
            .args(&self.more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts");
        self.child = Some(child);
    }

    /// Waits until the server is healthy: all its streams are up to date.
    pub(crate) async fn healthy(&self) {
        let health = format!("http://127.0.0.1:{}/healthz", self.monitor);
        super::eventually("nats-server is healthy", || async {
            reqwest::get(&health).await.ok()?.error_for_status().ok()
        })
        .await;
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Settings of an Earcon server that uses it.
    pub(crate) fn settings(&self) -> Vec<(&'static str, Value)> {
        vec![("nats.servers", json!(self.url())), ("storage.flush_seconds", json!(1))]
    }

    pub(crate) async fn client(&self) -> NatsClient {
        NatsClient(async_nats::connect(self.url()).await.expect("the server takes a client"))
    }

    /// A counter from the server's `/varz`.
    pub(crate) async fn figure(&self, name: &str) -> u64 {
        let url = format!("http://127.0.0.1:{}/varz", self.monitor);
        let varz: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        varz[name].as_u64().unwrap_or_else(|| panic!("no {name} in {varz}"))
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The lines about pings in the shipped configuration: those of all connections, and those of the
/// routes between servers.
fn shipped_pings() -> (String, String) {
    let shipped = include_str!("../../../config/nats-server.conf");
    let lines = |indent: &str| -> String {
        let pings =
            shipped.lines().filter(|line| line.strip_prefix(indent).is_some_and(|line| line.starts_with("ping_")));
        pings.map(|line| format!("{line}\n")).collect()
    };
    (lines(""), lines("  "))
}

fn program() -> Option<PathBuf> {
    let named = std::env::var_os("EARCON_TEST_NATS_SERVER").map(PathBuf::from);
    let cached = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/earcon/nats-server"));
    named.or_else(cached).filter(|path| path.is_file())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

pub(crate) struct NatsClient(pub(crate) Client);

impl NatsClient {
    /// Subscribes, and returns when the server knows it.
    pub(crate) async fn follow(&self, subject: &str) -> Follower {
        let subscriber = self.0.subscribe(subject.to_owned()).await.expect("a subscription");
        // The server handles commands in order. An echo of our own message proves the subscription.
        let inbox = self.0.new_inbox();
        let mut echo = self.0.subscribe(inbox.clone()).await.unwrap();
        self.0.publish(inbox, "".into()).await.unwrap();
        timeout(PATIENCE, echo.next()).await.expect("the server echoes");
        Follower(subscriber)
    }

    /// Sends a request; returns status, content type and answer.
    pub(crate) async fn ask(
        &self,
        subject: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> (u16, String, Value) {
        let mut map = HeaderMap::new();
        headers.iter().for_each(|(name, value)| map.insert(*name, *value));
        let body = body.into();
        let answer = self.0.request_with_headers(subject.to_owned(), map, body.into()).await.expect("an answer");
        let status = header(&answer, "Earcon-Status").parse().unwrap();
        let body = serde_json::from_slice(&answer.payload).expect("JSON");
        (status, header(&answer, "content-type"), body)
    }
}

pub(crate) struct Follower(Subscriber);

impl Follower {
    pub(crate) async fn next(&mut self) -> Message {
        timeout(PATIENCE, self.0.next()).await.expect("a message in time").expect("the subscription stays")
    }

    /// The next message, or `None` if none arrives in time.
    pub(crate) async fn next_within(&mut self, time: Duration) -> Option<Message> {
        timeout(time, self.0.next()).await.ok().map(|message| message.expect("the subscription stays"))
    }

    /// Reads until no message has arrived for `quiet`; returns how many arrived.
    pub(crate) async fn silence(&mut self, quiet: Duration) -> usize {
        let mut heard = 0;
        while timeout(quiet, self.0.next()).await.is_ok() {
            heard += 1;
        }
        heard
    }
}

/// A header of a message. Panics if the header is missing.
pub(crate) fn header(message: &Message, name: &str) -> String {
    let value = message.headers.as_ref().and_then(|headers| headers.get(name));
    value.unwrap_or_else(|| panic!("no header {name} in {message:?}")).to_string()
}

/// The payload as JSON.
pub(crate) fn body(message: &Message) -> Value {
    serde_json::from_slice(&message.payload).expect("JSON")
}
