//! A server in this process, and clients for it.

pub(crate) mod authority;
pub(crate) mod cluster;
pub(crate) mod command;
pub(crate) mod cql;
pub(crate) mod ledger;
pub(crate) mod nats;
pub(crate) mod positions;
pub(crate) mod program;
pub(crate) mod raw;
pub(crate) mod socket;

use std::time::Duration;

use earcon::actors::admission::Receipt;
use earcon::app::{App, Overrides};
use earcon::config::Config;
use earcon_model::{Arrival, KpiBatch, KpiName, SeriesBatch, WorkspaceId};
use earcon_tenancy::Authorizer;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use ledger::Ledger;
pub(crate) use program::Program;
pub(crate) use socket::Socket;

/// Tests send samples of fixed times, which may be long ago when they run. In the environment of a
/// server, this keeps history for as long as every store can.
pub(crate) const KEEPS_FIXED_TIMES: (&str, &str) = ("EARCON_STORAGE__HISTORY_DAYS", "3650");

/// A running server with a data directory of its own.
pub(crate) struct Server {
    app: App,
    data: TempDir,
    http: reqwest::Client,
}

impl Server {
    /// Starts with the defaults.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[], Overrides::default()).await
    }

    /// Starts with settings changed, `section.key`.
    pub(crate) async fn start_with(settings: &[(&str, Value)], overrides: Overrides) -> Self {
        Self::start_in(TempDir::new().expect("a temporary directory"), settings, overrides).await
    }

    /// Starts on a data directory that may hold something already.
    pub(crate) async fn start_in(data: TempDir, settings: &[(&str, Value)], overrides: Overrides) -> Self {
        let mut all = vec![
            ("server.listen", json!("127.0.0.1:0")),
            ("storage.data", json!(data.path())),
            ("storage.history_days", json!(KEEPS_FIXED_TIMES.1.parse::<u32>().expect("a number"))),
        ];
        all.extend(settings.iter().cloned());
        let config = Config::load(None, &all).expect("the test's settings are valid");
        let app = App::start(&config, overrides).await.expect("the server starts");
        // A missing answer fails one test and does not block the others.
        let http = reqwest::Client::builder().timeout(Duration::from_secs(120)).build().expect("a client");
        Self { app, data, http }
    }

    /// Shuts the server down; returns the data directory.
    pub(crate) async fn shut_down(self) -> TempDir {
        self.app.shut_down().await;
        self.data
    }

    pub(crate) fn data_path(&self) -> String {
        self.data.path().display().to_string()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.app.address())
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.app.address()
    }

    pub(crate) fn workspace_url(&self, path: &str) -> String {
        self.url(&format!("/api/v1/workspaces/local{path}"))
    }

    pub(crate) fn statsd_address(&self) -> std::net::SocketAddr {
        self.app.statsd_address().expect("the server listens for StatsD")
    }

    pub(crate) fn accounts(&self) -> &earcon_accounts::Accounts {
        self.app.accounts()
    }

    pub(crate) fn outbound(&self) -> std::sync::Arc<dyn earcon_ports::HttpClient> {
        self.app.outbound()
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// Ingests a batch as the parsers of other protocols do.
    pub(crate) async fn take(&self, kpi: &str, series: SeriesBatch) -> Receipt {
        let pass = Authorizer::new().system(&WorkspaceId::new("local").expect("a legal name"));
        let batch = KpiBatch { kpi: KpiName::new(kpi).expect("a legal name"), series: vec![series] };
        let taken = self.app.directory().ingest(&pass, vec![batch], Arrival::Live).await;
        taken.expect("the batch is taken").0
    }

    /// Posts an ingest body; returns status and answer.
    pub(crate) async fn ingest(&self, body: &Value) -> (u16, Value) {
        let request = self.http.post(self.workspace_url("/kpis/ingest")).json(body);
        answer(request.send().await.expect("the server answers")).await
    }

    /// Posts samples of one series without labels, which must all be accepted.
    pub(crate) async fn post(&self, kpi: &str, samples: &[(i64, f64)]) -> Value {
        let rows: Vec<Value> =
            samples.iter().map(|(at, value)| json!({"kpi": kpi, "timestamp": at, "value": value})).collect();
        let (status, answer) = self.ingest(&json!({"samples": rows})).await;
        assert_eq!((status, answer["accepted"].as_u64()), (200, Some(samples.len() as u64)), "{answer}");
        answer
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.http.get(self.workspace_url(path)).send().await.expect("the server answers")).await
    }

    pub(crate) async fn send(&self, method: reqwest::Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.http.request(method, self.workspace_url(path)).json(&body);
        answer(request.send().await.expect("the server answers")).await
    }

    /// Connects to the events of the workspace.
    pub(crate) async fn follow(&self) -> Socket {
        Socket::connect(&format!("ws://{}/api/v1/workspaces/local/events", self.app.address())).await
    }

    /// Connects to the events with a very small receive buffer.
    pub(crate) async fn follow_narrowly(&self) -> Socket {
        let url = format!("ws://{}/api/v1/workspaces/local/events", self.app.address());
        Socket::connect_narrow(&url).await
    }

    /// Connects to the packets of the default mix.
    pub(crate) async fn listen(&self) -> Socket {
        Socket::connect(&format!("ws://{}/api/v1/workspaces/local/mixes/default/live", self.app.address())).await
    }

    /// The current value of a metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.http.get(self.url("/metrics")).send().await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no metric {name} in:\n{text}"))
    }
}

pub(crate) async fn answer(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Repeats `ask` until it returns a value. Panics after a minute of pauses, which only guards
/// against a test that hangs.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    for _ in 0..2_400 {
        if let Some(found) = ask().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("never happened: {what}");
}

/// Repeatable noise around `level`, one value per second from `start_ms`.
pub(crate) fn noise(start_ms: i64, count: usize, level: f64) -> Vec<(i64, f64)> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 31)
    };
    // The sum of four uniform values is close enough to a bell curve.
    let bell = move || (next() + next() + next() + next() - 2.0) * level * 0.05;
    let mut bell = bell;
    (0..count).map(|i| (start_ms + i as i64 * 1_000, level + bell())).collect()
}
