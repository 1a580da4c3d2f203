//! Watches a takeover from outside: which node claims a workspace, and on what evidence.

use std::time::Duration;

use serde_json::Value;
use tokio::task::{JoinHandle, JoinSet};

use crate::support::cluster::{LEASE, TestCluster};

/// How often each survivor is asked for its status.
const POLL_EVERY: Duration = Duration::from_millis(100);

/// Polls the survivors until one of them reports that it owns `local`.
pub(super) struct TakeoverWatch(JoinHandle<Takeover>);

/// The first report of a takeover.
pub(super) struct Takeover {
    /// The name of the new owner.
    pub(super) owner: String,
    /// How long the new owner had not heard from the old one, milliseconds.
    pub(super) silent_ms: i64,
}

impl TakeoverWatch {
    /// Begins to poll all running nodes but `owner`.
    pub(super) fn begin(cluster: &TestCluster, owner: usize) -> Self {
        let survivors = cluster.running().into_iter().filter(|number| *number != owner);
        let urls: Vec<String> =
            survivors.map(|number| format!("{}/api/v1/cluster", cluster.node(number).url())).collect();
        Self(tokio::spawn(poll(urls, format!("n{owner}"))))
    }

    /// Waits for the takeover. Asserts that the new owner claimed the workspace only after the
    /// lease of the old owner had run out.
    ///
    /// The new owner's own status is the evidence: it names the owner and the silence of the old
    /// owner in one consistent view. A slow machine can only make the reported silence longer.
    pub(super) async fn assert_lease_ran_out(self) -> Takeover {
        let takeover = self.0.await.expect("a survivor takes the workspace over");
        let lease_ms = LEASE as i64 * 1_000;
        let silent_ms = takeover.silent_ms;
        assert!(silent_ms > lease_ms, "{} claimed after {silent_ms} ms of a lease of {lease_ms} ms", takeover.owner);
        takeover
    }
}

/// Requests overlap, because a status takes seconds while the owner does not answer. Of all reports
/// of the takeover, the one with the shortest silence is nearest to the claim.
async fn poll(urls: Vec<String>, old: String) -> Takeover {
    let mut ticks = tokio::time::interval(POLL_EVERY);
    let mut asked = JoinSet::new();
    let mut reports: Vec<Takeover> = Vec::new();
    while reports.is_empty() {
        tokio::select! {
            _ = ticks.tick() => {
                for url in &urls {
                    asked.spawn(report(url.clone(), old.clone()));
                }
            }
            Some(answer) = asked.join_next() => reports.extend(answer.expect("no status makes the test panic")),
        }
    }
    reports.extend(asked.join_all().await.into_iter().flatten());
    reports.into_iter().min_by_key(|report| report.silent_ms).expect("there is a report")
}

/// The takeover, if the node at `url` reports that it owns `local` itself.
async fn report(url: String, old: String) -> Option<Takeover> {
    let status: Value = reqwest::get(url).await.ok()?.json().await.ok()?;
    let workspace = status["workspaces"].as_array()?.iter().find(|place| place["workspace"] == "local")?;
    if workspace["owner"] != status["node"] {
        return None;
    }
    let silent_ms = status["nodes"].as_array()?.iter().find(|node| node["node"] == *old)?["silent_ms"].as_i64()?;
    Some(Takeover { owner: workspace["owner"].as_str()?.to_owned(), silent_ms })
}
