//! A data directory that goes back to a copy: followers of both lives learn what they can go on
//! from. And one that does not: a restart begins an epoch, and followers lose nothing.

use std::path::Path;

use earcon::app::Overrides;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::Server;
use crate::support::positions::{CHANNELS, Position, Resumed, position, resume};

const START: i64 = 1_767_225_600_000;

fn copy(from: &Path) -> TempDir {
    fn copy_all(from: &Path, to: &Path) {
        for entry in std::fs::read_dir(from).unwrap() {
            let (entry, kind) = entry.map(|entry| (entry.path(), entry.file_type().unwrap())).unwrap();
            let target = to.join(entry.file_name().unwrap());
            if kind.is_dir() {
                std::fs::create_dir_all(&target).unwrap();
                copy_all(&entry, &target);
            } else {
                std::fs::copy(&entry, &target).unwrap();
            }
        }
    }
    let to = TempDir::new().unwrap();
    copy_all(from, to.path());
    to
}

/// Sends samples until event `to`, one event a sample, and returns the positions of all.
async fn write_to(server: &Server, to: u64) -> Vec<Position> {
    let mut written: Vec<Position> = Vec::new();
    let known = server.get("/kpis").await.1["seq"].as_u64().unwrap_or_default();
    for seq in known + 1..=to {
        let answer: Value = server.post("a", &[(START + seq as i64 * 1_000, 1.0)]).await;
        assert_eq!(answer["seq"], seq);
        written.push(position(&answer));
    }
    written
}

async fn start(data: TempDir) -> Server {
    Server::start_in(data, &[], Overrides::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_of_a_life_that_was_undone_get_a_snapshot_and_others_go_on() {
    let server = start(TempDir::new().unwrap()).await;
    let before_copy = write_to(&server, 10).await;
    let data = server.shut_down().await;
    let kept = copy(data.path());

    let server = start(data).await;
    let undone = write_to(&server, 20).await;
    assert_ne!(undone[0].0, before_copy[0].0, "a restart begins an epoch");
    for channel in CHANNELS {
        let missed = resume(channel, &server.workspace_url("/events"), &before_copy[3], 20).await;
        let expected: Vec<_> = before_copy[4..].iter().chain(&undone).cloned().collect();
        assert_eq!(missed, Resumed::Events(expected), "{channel:?} names the epoch of each event");
    }
    drop(server.shut_down().await);

    let server = start(kept).await;
    let written = write_to(&server, 30).await;
    for channel in CHANNELS {
        let url = server.workspace_url("/events");
        for (i, since) in before_copy.iter().enumerate() {
            let expected: Vec<_> = before_copy[i + 1..].iter().chain(&written).cloned().collect();
            assert_eq!(
                resume(channel, &url, since, 30).await,
                Resumed::Events(expected),
                "{channel:?} after {since:?}"
            );
        }
        for since in &undone {
            assert_eq!(resume(channel, &url, since, 30).await, Resumed::Snapshot(30), "{channel:?} after {since:?}");
        }
    }
    let (status, _) = server.get("/kpis/a").await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_of_a_running_epoch_does_not_hide_what_was_written_after_it() {
    // The first life goes on in the epoch that the copy has, as after a copy of a running system.
    let server = start(TempDir::new().unwrap()).await;
    write_to(&server, 5).await;
    let data = server.shut_down().await;
    let server = start(data).await;
    let shared = write_to(&server, 8).await;
    let kept = copy(Path::new(&server.data_path()));
    let undone = write_to(&server, 12).await;
    assert_eq!(undone[0].0, shared[0].0, "one epoch");
    drop(server.shut_down().await);

    let server = start(kept).await;
    write_to(&server, 20).await;
    for channel in CHANNELS {
        let url = server.workspace_url("/events");
        let Resumed::Events(missed) = resume(channel, &url, &shared[2], 20).await else { panic!("not recovered") };
        assert_eq!(missed.iter().map(|(_, seq)| *seq).collect::<Vec<_>>(), (9..=20).collect::<Vec<_>>());
        for since in &undone {
            assert_eq!(resume(channel, &url, since, 20).await, Resumed::Snapshot(20), "{channel:?} after {since:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn follower_over_three_restarts_gets_every_event_once() {
    let mut server = start(TempDir::new().unwrap()).await;
    let mut written = write_to(&server, 3).await;
    let mut at = CHANNELS.map(|_| written[0].clone());
    let mut seen = CHANNELS.map(|_| vec![written[0].clone()]);
    for round in 1..=3 {
        server = start(server.shut_down().await).await;
        let to = 3 + round * 5;
        written.extend(write_to(&server, to).await);
        for (i, channel) in CHANNELS.into_iter().enumerate() {
            let resumed = resume(channel, &server.workspace_url("/events"), &at[i], to).await;
            let Resumed::Events(events) = resumed else { panic!("{channel:?} was not recovered in round {round}") };
            at[i] = events.last().unwrap().clone();
            seen[i].extend(events);
        }
    }
    for seen in seen {
        assert_eq!(seen, written);
    }
    let epochs: std::collections::BTreeSet<_> = written.iter().map(|(epoch, _)| epoch).collect();
    assert_eq!(epochs.len(), 4);
}
