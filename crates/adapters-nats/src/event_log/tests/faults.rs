//! Server crashes during an append, a read or a follow.

use std::sync::Arc;
use std::time::Duration;

use super::{JetStreamLog, JetStreamLogSettings, PLENTY, all, events, fresh, log, next_events};
use crate::test_server::PrivateServer;
use earcon_ports::{ErrorKind, EventLog, SharedLog};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn appends_during_server_crashes_are_neither_lost_nor_doubled() {
    let mut server = PrivateServer::start("").await;
    let (pass, writer, other) =
        (fresh(), Arc::new(log(&server.client().await).await), log(&server.client().await).await);
    let epochs = writer.open(&pass).await.unwrap().epochs;
    let mut following = other.follow(&pass, 1).await.unwrap();
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let (log, log_pass) = (writer.clone(), pass.clone());
    let appending = tokio::spawn(async move {
        let mut next = 1;
        while !*stopped.borrow_and_update() {
            log.append(&log_pass, events(next..=next + 2)).await.unwrap();
            next += 3;
        }
        next
    });
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        server.kill();
        tokio::time::sleep(Duration::from_millis(50)).await;
        server.start_again().await;
    }
    stop.send(true).unwrap();
    let next = tokio::time::timeout(PLENTY, appending).await.expect("it goes on").unwrap();
    assert!(next > 1);
    assert_eq!(all(&writer, &pass, 1).await, events(1..=next - 1));
    assert_eq!(next_events(&mut following, next as usize - 1).await, events(1..=next - 1));
    assert_eq!(all(&other, &pass, 1).await, events(1..=next - 1));
    let head = writer.open(&pass).await.unwrap();
    assert_eq!(head.next, next);
    assert!(head.epochs.contains(epochs.current(), next - 1), "no other writer opened the log");
    eprintln!("{} events over 3 crashes, none lost, none twice", next - 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn unanswered_append_is_resolved_by_opening_again() {
    let mut server = PrivateServer::start("").await;
    let pass = fresh();
    let settings = JetStreamLogSettings { retry_for: Duration::from_secs(1), ..JetStreamLogSettings::new(1, 1 << 30) };
    let log = JetStreamLog::connect(server.client().await, settings).await.unwrap();
    log.open(&pass).await.unwrap();
    log.append(&pass, events(1..=3)).await.unwrap();
    server.kill();
    assert_eq!(log.append(&pass, events(4..=6)).await.unwrap_err().kind, ErrorKind::Unavailable);
    server.start_again().await;
    // The last message may still arrive over the new connection. Reads must not see it before the
    // next open.
    let again = log.append(&pass, events(4..=6)).await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::Unavailable);
    let mut seen = log.read(&pass, 1, 100).await;
    for _ in 0..100 {
        if seen.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        seen = log.read(&pass, 1, 100).await;
    }
    assert_eq!(seen.unwrap().events, events(1..=3));
    assert!(log.read(&pass, 4, 100).await.unwrap().events.is_empty());
    let next = log.open(&pass).await.unwrap().next;
    assert!(next == 4 || next == 7, "all of an append or nothing: {next}");
    log.append(&pass, events(next..=next + 4)).await.unwrap();
    assert_eq!(all(&log, &pass, 1).await, events(1..=next + 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn followers_continue_over_a_crash() {
    let mut server = PrivateServer::start("").await;
    let (pass, writer, other) = (fresh(), log(&server.client().await).await, log(&server.client().await).await);
    writer.open(&pass).await.unwrap();
    // One follower that starts in the middle and has read nothing yet, and one that has read
    // events.
    writer.append(&pass, events(1..=10)).await.unwrap();
    let mut waiting = other.follow(&pass, 11).await.unwrap();
    let mut reading = other.follow(&pass, 5).await.unwrap();
    assert_eq!(next_events(&mut reading, 6).await, events(5..=10));
    server.kill();
    server.start_again().await;
    writer.append(&pass, events(11..=12)).await.unwrap();
    assert_eq!(next_events(&mut waiting, 2).await, events(11..=12));
    assert_eq!(next_events(&mut reading, 2).await, events(11..=12));
}
