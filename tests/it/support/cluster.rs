//! Several real nodes on a private NATS server and the shared test database, in a new keyspace.

use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use super::nats::NatsServer;
use super::{Ledger, Program, eventually};

/// Clusters run one at a time: each has several processes and leases of a few seconds.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// The lease of the nodes, seconds.
pub(crate) const LEASE: u64 = 3;
/// Time limit for one batch to be acknowledged. Only guards against a test that hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The streams that hold logs of workspaces of this name.
pub(crate) async fn log_streams(context: &async_nats::jetstream::Context, workspace: &str) -> Vec<String> {
    let prefix = format!("earcon_log_default={workspace}~");
    let mut names = context.stream_names();
    let mut found = Vec::new();
    while let Some(Ok(name)) = names.next().await {
        found.extend(name.starts_with(&prefix).then_some(name));
    }
    found
}

pub(crate) struct TestCluster {
    /// One, or three that store the same.
    pub(crate) nats: Vec<NatsServer>,
    cql: String,
    keyspace: String,
    nodes: Vec<Option<Program>>,
    http: reqwest::Client,
    _turn: MutexGuard<'static, ()>,
}

impl TestCluster {
    /// Starts `count` nodes on the shared test database. Panics if NATS or the database is missing.
    pub(crate) async fn start(count: usize) -> Self {
        Self::start_on(count, super::cql::test_database()).await
    }

    /// Starts `count` nodes on the database at `cql`.
    pub(crate) async fn start_on(count: usize, cql: String) -> Self {
        let turn = ONE_AT_A_TIME.lock().await;
        let nats = vec![NatsServer::start().await];
        Self::start_with(count, nats, cql, turn).await
    }

    /// Starts `count` nodes on three NATS servers and the shared test database.
    pub(crate) async fn start_replicated(count: usize) -> Self {
        let turn = ONE_AT_A_TIME.lock().await;
        let nats = NatsServer::start_cluster(3).await;
        Self::start_with(count, nats, super::cql::test_database(), turn).await
    }

    async fn start_with(count: usize, nats: Vec<NatsServer>, cql: String, turn: MutexGuard<'static, ()>) -> Self {
        let keyspace = format!("it_{}", uuid::Uuid::new_v4().simple());
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        let mut cluster = Self { nats, cql, keyspace, nodes: Vec::new(), http, _turn: turn };
        cluster.migrate();
        for _ in 0..count {
            cluster.add();
        }
        cluster.settled(count).await;
        cluster
    }

    fn migrate(&self) {
        let output = Command::new(env!("CARGO_BIN_EXE_earcon"))
            .arg("migrate")
            .envs(self.environment(0))
            .output()
            .expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn environment(&self, number: usize) -> Vec<(String, String)> {
        let set = |key: &str, value: String| (format!("EARCON_{key}"), value);
        vec![
            set("STORAGE__LOG", "jetstream".into()),
            set("STORAGE__HISTORY", "cql".into()),
            set("STORAGE__META", "cql".into()),
            set("STORAGE__FLUSH_SECONDS", "1".into()),
            set("STREAMS__SNAPSHOT_SECONDS", "2".into()),
            set("NATS__SERVERS", self.nats.iter().map(NatsServer::url).collect::<Vec<_>>().join(",")),
            set("NATS__REPLICAS", self.nats.len().to_string()),
            set("CQL__NODES", self.cql.clone()),
            set("CQL__KEYSPACE", self.keyspace.clone()),
            set("CLUSTER__ENABLED", "true".into()),
            set("CLUSTER__NODE", format!("n{number}")),
            set("CLUSTER__LEASE_SECONDS", LEASE.to_string()),
            set("LOG__LEVEL", "info".into()),
        ]
    }

    /// Starts one more node; returns its number.
    pub(crate) fn add(&mut self) -> usize {
        let number = self.nodes.len();
        let program = Program::serve(&format!("n{number}"), &[], &self.environment(number));
        self.nodes.push(Some(program));
        number
    }

    pub(crate) fn node(&self, number: usize) -> &Program {
        self.nodes[number].as_ref().expect("the node runs")
    }

    pub(crate) fn take(&mut self, number: usize) -> Program {
        self.nodes[number].take().expect("the node runs")
    }

    /// The numbers of the running nodes.
    pub(crate) fn running(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|number| self.nodes[*number].is_some()).collect()
    }

    /// The keyspace of all nodes.
    pub(crate) fn keyspace(&self) -> &str {
        &self.keyspace
    }

    /// A connection to the database, past any proxy.
    pub(crate) async fn cql_session(&self) -> scylla::client::session::Session {
        let builder = scylla::client::session_builder::SessionBuilder::new();
        builder.known_node(super::cql::test_database()).build().await.expect("the test database answers")
    }

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The cluster's status as node `number` reports it.
    pub(crate) async fn status(&self, number: usize) -> Option<Value> {
        let answer = self.http.get(format!("{}/api/v1/cluster", self.node(number).url())).send().await.ok()?;
        answer.json().await.ok()
    }

    /// Waits until every node sees `count` nodes alive.
    pub(crate) async fn settled(&self, count: usize) {
        for number in self.running() {
            eventually("the nodes see each other", async || {
                let status = self.status(number).await?;
                let alive = status["nodes"].as_array()?.iter().filter(|node| node["state"] == "alive").count();
                (alive == count).then_some(())
            })
            .await;
        }
    }

    /// The node that owns a workspace, as node `asked` reports it. Waits until the owner answers.
    pub(crate) async fn owner_by(&self, asked: usize, workspace: &str) -> usize {
        eventually("the workspace has an owner that answers", async || {
            let status = self.status(asked).await?;
            let place = status["workspaces"].as_array()?.iter().find(|place| place["workspace"] == workspace)?.clone();
            place["seq"].as_u64()?;
            place["owner"].as_str()?.trim_start_matches('n').parse().ok()
        })
        .await
    }

    /// The node that owns `local`, and two others.
    pub(crate) async fn roles(&self) -> (usize, usize, usize) {
        let owner = self.owner_by(0, "local").await;
        let others: Vec<usize> = self.running().into_iter().filter(|number| *number != owner).collect();
        (owner, others[0], others[1])
    }

    /// Sends batches to `node` for `how_long`, each until it is acknowledged. Returns the longest
    /// time until an acknowledgement, and the number of repeated sends.
    pub(crate) async fn feed(&self, ledger: &mut Ledger, node: usize, how_long: Duration) -> (Duration, usize) {
        let url = self.node(node).url().to_owned();
        let (began, mut longest, mut again) = (Instant::now(), Duration::ZERO, 0);
        while began.elapsed() < how_long {
            let (batch, sent) = (ledger.next(), Instant::now());
            while !ledger.send(&self.http, &url, &batch).await {
                assert!(sent.elapsed() < PATIENCE, "a batch is never acknowledged");
                again += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            longest = longest.max(sent.elapsed());
            // Enough load to have work in progress at any moment, and time left for other tests.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (longest, again)
    }
}
