//! The adapter of the conformance suite for clients. It follows the workspace `local` of the server
//! that the last argument names. It prints one JSON line for each event, snapshot and connection
//! change.

use std::io::Write;
use std::time::Duration;

use earcon_client::{Backoff, Client, Since, Update};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url =
        std::env::args().next_back().filter(|argument| argument.contains("://")).ok_or("give the server's URL")?;
    let mut follow = Client::new(&url)?.workspace("local").follow().since(Since::Snapshot);
    follow = follow.backoff(Backoff::new(Duration::from_millis(100), Duration::from_secs(2)));
    if let Some(ms) = std::env::var("EARCON_DEAD_AFTER_MS").ok().and_then(|ms| ms.parse().ok()) {
        follow = follow.silence(Duration::from_millis(ms));
    }
    let mut updates = follow.start();
    let mut snapshots = 0;
    while let Some(update) = updates.next().await {
        match update? {
            Update::Connected(_) => print(&json!({"kind": "state", "state": "live"}))?,
            Update::Disconnected { error, .. } => {
                print(&json!({"kind": "state", "state": "waiting", "reason": error.to_string()}))?;
            }
            Update::Snapshot(snapshot) => {
                let lost = snapshots > 0;
                snapshots += 1;
                print(&json!({"kind": "snapshot", "seq": snapshot.seq, "epoch": snapshot.epoch, "lost": lost}))?;
            }
            Update::Event(event) => {
                let (seq, epoch, name) = (event.seq, &event.epoch, event.data.name());
                print(&json!({"kind": "event", "seq": seq, "epoch": epoch, "type": name}))?;
            }
            Update::Gap(gap) => print(&json!({"kind": "gap", "from": gap.from, "to": gap.to}))?,
        }
    }
    Ok(())
}

fn print(line: &Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
