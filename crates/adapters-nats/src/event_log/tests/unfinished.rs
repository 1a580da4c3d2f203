//! Unfinished appends, and writers that do not stop.

use std::sync::Arc;
use std::time::Duration;

use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use futures_util::StreamExt;

use super::super::frame::{self, MessageId, POSITION_HEADER, Position};
use super::{JetStreamLog, JetStreamLogSettings, PLENTY, all, clean, event, events, fresh, log, next_events};
use crate::test_server;
use earcon_ports::{ErrorKind, EventLog, Followed, SharedLog};
use earcon_tenancy::WorkspacePass;

/// Publishes the first `sent` of `parts` parts of an append of the events from `seq` on, like a
/// present writer that dies.
async fn cut_off(client: &async_nats::Client, pass: &WorkspacePass, seq: u64, sent: u64, parts: u64) {
    let events = events(seq..=seq + 9);
    let bytes = frame::encode(&events).unwrap();
    let size = bytes.len().div_ceil(parts as usize);
    let context = async_nats::jetstream::new(client.clone());
    let stream = context.get_stream(format!("earcon_log_{}", pass.key().with_organisation('='))).await.unwrap();
    let last = stream.get_raw_message(stream.cached_info().state.last_sequence).await.unwrap();
    let position = Position::read(&last.headers).unwrap().unwrap();
    let fence = if position.is_fence() { last.sequence } else { position.fence };
    let id = MessageId::read(&last.headers);
    for part in 0..sent {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_MESSAGE_ID, MessageId::new(id.writer(), 1_000, part).as_str());
        let first = Position::from_events(&events, parts, fence).unwrap();
        headers.insert(POSITION_HEADER, Position { part, ..first }.to_header());
        let payload = bytes.slice(part as usize * size..bytes.len().min((part as usize + 1) * size));
        let subject = format!("earcon.log.{}", pass.key().with_organisation('.'));
        context.publish_with_headers(subject, headers, payload).await.unwrap().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn unfinished_append_is_never_visible() {
    let client = test_server::client().await;
    let (pass, one, other) = (fresh(), Arc::new(log(&client).await), Arc::new(log(&client).await));
    one.open(&pass).await.unwrap();
    one.append(&pass, events(1..=5)).await.unwrap();
    let mut following = other.follow(&pass, 1).await.unwrap();
    let mut seen = next_events(&mut following, 5).await;

    cut_off(&client, &pass, 6, 2, 3).await;
    assert_eq!(other.head(&pass).await.unwrap().unwrap().next, 6);
    assert_eq!(all(&other, &pass, 1).await, events(1..=5));
    assert!(other.read(&pass, 6, 10).await.unwrap().events.is_empty());
    assert_eq!(other.seq_at(&pass, 1_000).await.unwrap(), 6);
    assert_eq!(one.append(&pass, events(6..=6)).await.unwrap_err().kind, ErrorKind::Conflict);

    let mut from_the_end = other.follow(&pass, 6).await.unwrap();
    assert_eq!(one.open(&pass).await.unwrap().next, 6);
    // A second unfinished append, without a fence after it.
    cut_off(&client, &pass, 6, 1, 2).await;
    let head = other.open(&pass).await.unwrap();
    assert_eq!((head.first, head.next), (1, 6));
    other.append(&pass, events(6..=8)).await.unwrap();
    other.append(&pass, events(9..=9)).await.unwrap();
    for from in 1..=9 {
        assert_eq!(all(&one, &pass, from).await, events(from..=9), "from {from}");
    }
    for seq in 1..=9 {
        assert_eq!(other.seq_at(&pass, seq * 10).await.unwrap(), seq as u64);
    }
    seen.extend(next_events(&mut following, 4).await);
    assert_eq!(seen, events(1..=9));
    assert_eq!(next_events(&mut from_the_end, 4).await, events(6..=9));
    assert_eq!(other.trim(&pass, 6).await.unwrap(), 6);
    assert_eq!(other.head(&pass).await.unwrap().unwrap().first, 6);
    assert_eq!(all(&one, &pass, 1).await, events(6..=9));
    clean(client, &[one]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn busy_writer_is_taken_over() {
    let client = test_server::client().await;
    let (pass, old, new) = (fresh(), Arc::new(log(&client).await), Arc::new(log(&client).await));
    old.open(&pass).await.unwrap();
    let (writer, writer_pass) = (old.clone(), pass.clone());
    let busy = tokio::spawn(async move {
        let mut written = 0;
        loop {
            match writer.append(&writer_pass, events(written + 1..=written + 1)).await {
                Ok(()) => written += 1,
                Err(error) => return (written, error.kind),
            }
        }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let head = tokio::time::timeout(PLENTY, new.open(&pass)).await.expect("it gets its turn").unwrap();
    let (written, kind) = tokio::time::timeout(PLENTY, busy).await.expect("the old one is stopped").unwrap();
    assert_eq!(kind, ErrorKind::Conflict);
    assert!(written > 0);
    assert_eq!(head.next, written + 1);
    new.append(&pass, events(head.next..=head.next)).await.unwrap();
    assert_eq!(all(&old, &pass, 1).await, events(1..=head.next));
    assert_eq!(new.seq_at(&pass, written as i64 * 10).await.unwrap(), written);
    clean(client, &[new]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn halt_at_the_end_hides_nothing() {
    let client = test_server::client().await;
    let (pass, one) = (fresh(), Arc::new(log(&client).await));
    one.open(&pass).await.unwrap();
    one.append(&pass, events(1..=3)).await.unwrap();
    let context = async_nats::jetstream::new(client.clone());
    for _ in 0..3 {
        let halt =
            context.publish(format!("earcon.log.{}", pass.key().with_organisation('.')), "".into()).await.unwrap();
        halt.await.unwrap();
    }
    let other = log(&client).await;
    assert_eq!(other.head(&pass).await.unwrap().unwrap().next, 4);
    assert_eq!(all(&other, &pass, 2).await, events(2..=3));
    assert_eq!(other.trim(&pass, 3).await.unwrap(), 1);
    assert_eq!(other.open(&pass).await.unwrap().next, 4);
    other.append(&pass, events(4..=4)).await.unwrap();
    assert_eq!(all(&one, &pass, 1).await, events(1..=4));
    clean(client, &[one]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn follow_ends_with_an_error_at_lost_events() {
    let client = test_server::client().await;
    // Keeps the append to the deleted stream from being repeated for long.
    let settings = JetStreamLogSettings { retry_for: Duration::from_secs(1), ..JetStreamLogSettings::new(1, 1 << 30) };
    let one = Arc::new(JetStreamLog::connect(client.clone(), settings).await.unwrap());
    let (pass, other) = (fresh(), log(&client).await);
    assert_eq!(other.follow(&pass, 1).await.err().unwrap().kind, ErrorKind::Unavailable, "there is no log yet");
    let epochs = one.open(&pass).await.unwrap().epochs;
    // Large appends: the server stops sending to a follower that does not read, so the follower
    // cannot have received them already.
    let large = |seqs: std::ops::RangeInclusive<u64>| seqs.map(|seq| event(seq, 100_000)).collect::<Vec<_>>();
    for start in (1..=991).step_by(10) {
        one.append(&pass, large(start..=start + 9)).await.unwrap();
    }
    let mut following = other.follow(&pass, 1).await.unwrap();
    next_events(&mut following, 10).await;
    one.trim(&pass, 1_001).await.unwrap();
    let mut next = 11;
    let error = loop {
        match tokio::time::timeout(PLENTY, following.next()).await.expect("it ends").expect("it says why") {
            Ok(Followed { events, .. }) => {
                assert_eq!(events[0].seq, next, "no hole is passed over");
                next += events.len() as u64;
            }
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("trimmed"), "{error}");
    assert!(following.next().await.is_none());

    let mut following = other.follow(&pass, 1).await.unwrap();
    one.append(&pass, events(1_001..=1_001)).await.unwrap();
    assert_eq!(next_events(&mut following, 1).await, events(1_001..=1_001), "it begins with the oldest event held");
    let name = format!("earcon_log_{}", pass.key().with_organisation('='));
    async_nats::jetstream::new(client.clone()).delete_stream(&name).await.unwrap();
    assert!(one.append(&pass, events(1_002..=1_002)).await.is_err());
    let head = one.open(&pass).await.unwrap();
    assert_eq!(head.epochs.starts().count(), 1);
    assert!(!head.epochs.contains(epochs.current(), 0), "a new stream has no earlier epoch");
    assert_eq!((head.first, head.next), (1, 1));
    let ended = tokio::time::timeout(PLENTY, following.next()).await.expect("it ends").expect("it says why");
    assert_eq!(ended.unwrap_err().kind, ErrorKind::Invalid);
    one.append(&pass, events(1..=2)).await.unwrap();
    assert_eq!(all(&other, &pass, 1).await, events(1..=2));
    clean(client, &[one]).await;
}
