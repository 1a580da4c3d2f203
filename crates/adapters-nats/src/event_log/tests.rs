mod against_model;
mod faults;
mod limits;
mod restored;
mod unfinished;

use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::Client;
use futures_util::StreamExt;

use super::lock::lock;
use super::{JetStreamLog, JetStreamLogSettings};
use crate::test_server;
use earcon_contract as contract;
use earcon_model::{Event, KpiEvent, KpiName, Seq, WorkspaceId};
use earcon_ports::{EventLog, Following, SharedLog};
use earcon_tenancy::{Authorizer, WorkspacePass};

/// Longer than any successful operation takes.
const PLENTY: Duration = Duration::from_secs(60);

async fn log(client: &Client) -> JetStreamLog {
    JetStreamLog::connect(client.clone(), JetStreamLogSettings::new(1, 1 << 30)).await.unwrap()
}

/// A new workspace.
fn fresh() -> WorkspacePass {
    Authorizer::new().system(&WorkspaceId::new(&format!("test-{}", uuid::Uuid::new_v4().simple())).unwrap())
}

fn event(seq: Seq, bytes: usize) -> Arc<Event> {
    let kpi = KpiName::new("k").unwrap();
    Arc::new(Event::new(seq, seq as i64 * 10, kpi, KpiEvent::Parked { reason: "x".repeat(bytes) }))
}

fn events(seqs: RangeInclusive<Seq>) -> Vec<Arc<Event>> {
    seqs.map(|seq| event(seq, 10)).collect()
}

/// Everything from `from` on, page by page.
async fn all(log: &JetStreamLog, pass: &WorkspacePass, from: Seq) -> Vec<Arc<Event>> {
    let mut found: Vec<Arc<Event>> = Vec::new();
    loop {
        let next = found.last().map_or(from, |event| event.seq + 1);
        let page = log.read(pass, next, 100).await.unwrap();
        if page.events.is_empty() {
            return found;
        }
        found.extend(page.events);
    }
}

/// The next `count` events of `following`, or a few more.
async fn next_events(following: &mut Following, count: usize) -> Vec<Arc<Event>> {
    let mut found = Vec::new();
    while found.len() < count {
        let next = tokio::time::timeout(PLENTY, following.next()).await;
        found.extend(next.expect("a follower receives events in time").expect("following goes on").unwrap().events);
    }
    found
}

/// Deletes the streams of these logs, because other tests share the server.
async fn clean(client: Client, logs: &[Arc<JetStreamLog>]) {
    let context = async_nats::jetstream::new(client);
    for log in logs {
        let names: Vec<_> = lock(&log.logs).values().map(|log| log.stream.name.clone()).collect();
        for name in names {
            // Another of these logs may have had the same workspace.
            let _gone = context.delete_stream(name).await.is_err();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn keeps_the_contracts() {
    let client = test_server::client().await;
    let made = Mutex::new(Vec::new());
    let make = || {
        let runtime = tokio::runtime::Handle::current();
        let log = Arc::new(tokio::task::block_in_place(|| runtime.block_on(log(&client))));
        made.lock().unwrap().push(log.clone());
        log
    };
    contract::event_log(|| make() as Arc<dyn EventLog>).await;
    contract::shared_log(|| make() as Arc<dyn SharedLog>).await;
    clean(client, &made.into_inner().unwrap()).await;
}
