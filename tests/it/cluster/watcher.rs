//! A client that follows a workspace during a whole test and must miss no event.

use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::Socket;
use crate::support::cluster::TestCluster;

pub(super) struct Watcher {
    seen: watch::Receiver<u64>,
    reading: JoinHandle<()>,
}

impl Watcher {
    /// Follows `local` on a node, from its first event, over one connection.
    pub(super) async fn on(cluster: &TestCluster, node: usize) -> Self {
        let url = cluster.node(node).workspace_url("/events").replace("http://", "ws://");
        let mut socket = Socket::connect(&url).await;
        socket.send(json!({"type": "subscribe", "since": 0})).await;
        assert_eq!(socket.until("subscribed").await["recovered"], true);
        let (sender, seen) = watch::channel(0);
        let reading = tokio::spawn(async move {
            for seq in 1.. {
                let Some(event) = socket.json_or_end().await else { break };
                assert_eq!(event["seq"], seq, "a follower of another node misses nothing: {event}");
                sender.send_replace(seq);
            }
        });
        Self { seen, reading }
    }

    /// Asserts that every event up to `head` arrives, in order and without a gap.
    pub(super) async fn assert_saw_everything_to(mut self, head: u64) {
        if self.seen.wait_for(|seen| *seen >= head).await.is_err() {
            self.reading.await.expect("the events come in order");
            panic!("the connection ended before event {head}");
        }
        self.reading.abort();
    }
}
