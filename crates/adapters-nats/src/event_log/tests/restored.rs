//! A stream that goes back: JetStream's directory is replaced by an older copy of it.

use std::path::Path;
use std::sync::Arc;

use super::{JetStreamLog, PLENTY, all, event, events, fresh, log, next_events};
use crate::test_server::PrivateServer;
use earcon_model::{Event, Seq};
use earcon_ports::{EventLog, SharedLog};
use earcon_tenancy::WorkspacePass;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Replaces the server's data by the copy.
async fn restore(server: &mut PrivateServer) {
    server.kill();
    let (store, kept) = (server.directory.path().join("store"), server.directory.path().join("copy"));
    std::fs::remove_dir_all(&store).unwrap();
    copy(&kept, &store);
    server.start_again().await;
}

/// Makes a copy of the server's data.
async fn save(server: &mut PrivateServer) {
    server.kill();
    copy(&server.directory.path().join("store"), &server.directory.path().join("copy"));
    server.start_again().await;
}

async fn append(log: &JetStreamLog, pass: &WorkspacePass, events: Vec<Arc<Event>>) {
    log.append(pass, events).await.unwrap();
}

/// Events of the second life: they differ from those of the first with the same numbers.
fn others(seqs: std::ops::RangeInclusive<Seq>) -> Vec<Arc<Event>> {
    seqs.map(|seq| event(seq, 30)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn restored_copy_lacks_the_epochs_since_and_a_reader_of_both_lives_notices() {
    let mut server = PrivateServer::start("").await;
    let (pass, reader) = (fresh(), log(&server.client().await).await);
    let one = log(&server.client().await).await;
    let first = one.open(&pass).await.unwrap().epoch().to_owned();
    append(&one, &pass, events(1..=10)).await;
    append(&one, &pass, events(11..=40)).await;
    save(&mut server).await;
    // The first life goes on in the same epoch, and in a later one.
    append(&one, &pass, events(41..=50)).await;
    let second = one.open(&pass).await.unwrap().epoch().to_owned();
    append(&one, &pass, events(51..=60)).await;
    assert_eq!(all(&reader, &pass, 1).await, events(1..=60), "its index knows the first life");
    let mut following = reader.follow(&pass, 1).await.unwrap();
    next_events(&mut following, 60).await;
    drop(following);

    restore(&mut server).await;
    assert!(one.append(&pass, events(61..=61)).await.is_err(), "the writer of the first life is refused");
    let third = one.open(&pass).await.unwrap();
    assert_eq!((third.first, third.next), (1, 41));
    for start in (41..=95).step_by(5) {
        append(&one, &pass, others(start..=start + 4)).await;
    }

    let epochs = reader.head(&pass).await.unwrap().unwrap().epochs;
    assert!(epochs.contains(&first, 40) && epochs.contains(third.epoch(), 95));
    assert!(!epochs.contains(&first, 41), "the first life went on after the copy");
    assert!(!epochs.contains(&second, 60), "the head has passed it, but it is another history");
    let expected: Vec<_> = events(1..=40).into_iter().chain(others(41..=95)).collect();
    for from in [1, 35, 41, 52, 60, 95] {
        assert_eq!(all(&reader, &pass, from).await, expected[from as usize - 1..], "from {from}");
    }
    let mut following = reader.follow(&pass, 52).await.unwrap();
    let followed = tokio::time::timeout(PLENTY, futures_util::StreamExt::next(&mut following)).await;
    let followed = followed.expect("it is told in time").expect("it goes on").unwrap();
    assert_eq!((followed.epoch.as_str(), followed.events[0].seq), (third.epoch(), 52));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs NATS"]
async fn trimming_moves_the_epochs_along_and_costs_no_fence_when_nothing_is_old() {
    let mut server = PrivateServer::start("").await;
    let pass = fresh();
    let (one, other) = (log(&server.client().await).await, log(&server.client().await).await);
    let first = one.open(&pass).await.unwrap().epoch().to_owned();
    append(&one, &pass, events(1..=10)).await;
    let second = one.open(&pass).await.unwrap().epoch().to_owned();
    for start in (11..=91).step_by(10) {
        append(&one, &pass, events(start..=start + 9)).await;
    }
    let context = async_nats::jetstream::new(server.client().await);
    let messages = async || {
        let stream = context.get_stream(format!("earcon_log_{}", pass.key().with_organisation('='))).await.unwrap();
        stream.cached_info().state.last_sequence
    };
    assert_eq!(other.trim(&pass, 95).await.unwrap(), 11, "another process keeps the fence, which comes after 10");
    assert_eq!(one.trim(&pass, 55).await.unwrap(), 51);
    let before = messages().await;
    for (wanted, first) in [(55, 51), (66, 61), (66, 61), (101, 101), (101, 101)] {
        assert_eq!(one.trim(&pass, wanted).await.unwrap(), first);
    }
    assert_eq!(messages().await, before, "the fence of the first trim is behind all of them");
    server.kill();
    server.start_again().await;
    let head = log(&server.client().await).await.open(&pass).await.unwrap();
    assert!(head.epochs.contains(&second, 100) && !head.epochs.contains(&second, 101));
    assert!(!head.epochs.contains(&first, 10), "nothing is left that its reader could continue with");
}
