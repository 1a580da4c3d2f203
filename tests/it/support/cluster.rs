//! Several real nodes on a NATS server of their own and the test database, in a keyspace of their own.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::{Mutex, MutexGuard};

use super::nats::NatsServer;
use super::{Ledger, Program, eventually};

/// Clusters run one after the other: each is several processes, and their leases are measured in seconds.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// The lease of the nodes, seconds.
pub(crate) const LEASE: u64 = 3;

pub(crate) struct TestCluster {
    pub(crate) nats: NatsServer,
    cql: String,
    keyspace: String,
    nodes: Vec<Option<Program>>,
    http: reqwest::Client,
    _turn: MutexGuard<'static, ()>,
}

impl TestCluster {
    /// Starts `count` nodes, or says why the test is skipped. In CI there is no skipping.
    pub(crate) async fn start(test: &str, count: usize) -> Option<Self> {
        Self::start_on(test, count, super::cql::test_database(test)?).await
    }

    /// As [`Self::start`], on the database at `cql`.
    pub(crate) async fn start_on(test: &str, count: usize, cql: String) -> Option<Self> {
        let turn = ONE_AT_A_TIME.lock().await;
        let nats = NatsServer::start(test).await?;
        let keyspace = format!("it_{}", uuid::Uuid::new_v4().simple());
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        let mut cluster = Self { nats, cql, keyspace, nodes: Vec::new(), http, _turn: turn };
        cluster.migrate();
        for _ in 0..count {
            cluster.add();
        }
        cluster.settled(count).await;
        Some(cluster)
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
            set("NATS__SERVERS", self.nats.url()),
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

    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// What a node says of the cluster.
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

    /// The node that owns a workspace, as node `asked` sees it.
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
    pub(crate) async fn cast(&self) -> (usize, usize, usize) {
        let owner = self.owner_by(0, "local").await;
        let others: Vec<usize> = self.running().into_iter().filter(|number| *number != owner).collect();
        (owner, others[0], others[1])
    }

    /// Sends batches to `node` for `how_long`, each until it is acknowledged; returns the longest time one took, and how often
    /// one had to be sent again.
    pub(crate) async fn feed(&self, ledger: &mut Ledger, node: usize, how_long: Duration) -> (Duration, usize) {
        let url = self.node(node).url().to_owned();
        let (began, mut longest, mut again) = (Instant::now(), Duration::ZERO, 0);
        while began.elapsed() < how_long {
            let (batch, sent) = (ledger.next(), Instant::now());
            while !ledger.send(&self.http, &url, &batch).await {
                assert!(sent.elapsed() < Duration::from_secs(60), "a batch is never acknowledged");
                again += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            longest = longest.max(sent.elapsed());
            // Load enough to be in the middle of something at any moment; the machine has other tests to run.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        (longest, again)
    }
}
