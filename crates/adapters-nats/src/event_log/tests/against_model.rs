//! Random appends, takeovers and trims of a log, compared with a list in memory.

use std::sync::Arc;

use super::{JetStreamLog, event, fresh, log};
use crate::test_server::PrivateServer;
use earcon_model::{Event, Seq};
use earcon_ports::EventLog;
use earcon_tenancy::WorkspacePass;

/// A small random generator: the same seed gives the same run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

async fn check(log: &JetStreamLog, pass: &WorkspacePass, events: &[Arc<Event>], chance: &mut Chance, run: &str) {
    let head = log.head(pass).await.unwrap().unwrap();
    assert_eq!(head.next, events.len() as Seq + 1, "{run}");
    assert!((1..=head.next).contains(&head.first), "{run}");
    let from = chance.below(head.next + 3);
    let wanted = chance.below(30) as usize + 1;
    let page = log.read(pass, from, wanted).await.unwrap().events;
    let start = from.max(head.first) as usize;
    assert!(page.len() <= events.len() + 1 - start.min(events.len() + 1), "{run}: {from}");
    assert_eq!(page, events[(start - 1).min(events.len())..][..page.len()], "{run}: from {from}");
    assert!(
        page.len() >= wanted || start + page.len() == head.next as usize || start as Seq >= head.next,
        "{run}: {from}"
    );
    let time_ms = chance.below(head.next * 10 + 20) as i64;
    let expected = (head.first..head.next).find(|seq| *seq as i64 * 10 >= time_ms).unwrap_or(head.next);
    assert_eq!(log.seq_at(pass, time_ms).await.unwrap(), expected, "{run}: at {time_ms}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn log_matches_a_list_that_loses_its_beginning() {
    let server = PrivateServer::start("max_payload: 4096").await;
    for seed in 1..=12 {
        let mut chance = Chance(seed);
        let logs = [log(&server.client().await).await, log(&server.client().await).await];
        let (pass, mut events, mut owner) = (fresh(), Vec::new(), 0);
        logs[owner].open(&pass).await.unwrap();
        for step in 0..60 {
            let run = format!("seed {seed}, step {step}");
            let next = events.len() as Seq + 1;
            match chance.below(10) {
                0..=6 => {
                    let (count, bytes) = (chance.below(12) + 1, [5, 300, 6_000][chance.below(3) as usize]);
                    let append: Vec<_> = (next..next + count).map(|seq| event(seq, bytes)).collect();
                    logs[owner].append(&pass, append.clone()).await.unwrap();
                    events.extend(append);
                }
                7 => {
                    owner = chance.below(2) as usize;
                    assert_eq!(logs[owner].open(&pass).await.unwrap().next, next, "{run}");
                }
                8 => {
                    let before = chance.below(next + 2);
                    let first = logs[chance.below(2) as usize].trim(&pass, before).await.unwrap();
                    assert_eq!(logs[owner].head(&pass).await.unwrap().unwrap().first, first, "{run}");
                }
                _ => assert!(logs[1 - owner].append(&pass, vec![event(next, 5)]).await.is_err(), "{run}"),
            }
            for log in &logs {
                check(log, &pass, &events, &mut chance, &run).await;
            }
        }
    }
}
