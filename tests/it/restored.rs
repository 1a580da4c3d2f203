//! A data directory that goes back to a copy: followers of both lives learn what they can go on
//! from. And one that does not: a restart begins an epoch, and followers lose nothing.

use std::path::Path;

use earcon::app::Overrides;
use earcon::app::doctor;
use earcon_adapters_embedded::{EmbeddedSettings, EmbeddedStore};
use earcon_model::WorkspaceId;
use earcon_tenancy::Authorizer;
use serde_json::{Value, json};
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

const SEGMENT: &str = "log/local/00000000000000000001.seg";

/// The bytes of the first segment, without its unused space.
fn written(data: &Path) -> usize {
    let bytes = std::fs::read(data.join(SEGMENT)).unwrap();
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

/// Resumes, and returns the answer and the message after it.
async fn first_answers(server: &Server, (epoch, seq): &Position) -> [Value; 2] {
    let mut socket = server.follow().await;
    socket.send(json!({"type": "subscribe", "since": seq, "epoch": epoch})).await;
    [socket.json().await, socket.json().await]
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_events_are_a_gap_and_a_follower_at_the_gap_gets_a_snapshot() {
    let server = start(TempDir::new().unwrap()).await;
    let mut positions = write_to(&server, 4).await;
    let from = written(Path::new(&server.data_path()));
    positions.extend(write_to(&server, 5).await);
    let to = written(Path::new(&server.data_path()));
    positions.extend(write_to(&server, 9).await);
    let data = server.shut_down().await;
    let mut bytes = std::fs::read(data.path().join(SEGMENT)).unwrap();
    bytes[(from + to) / 2] ^= 1;
    std::fs::write(data.path().join(SEGMENT), bytes).unwrap();
    let repairs = doctor::repair(data.path(), START).unwrap();
    assert_eq!(repairs.logs[0].missing[0].last, Some(5), "{:?}", repairs.logs);

    let server = start(data).await;
    let mut socket = server.follow().await;
    let (epoch, seq) = &positions[1];
    socket.send(json!({"type": "subscribe", "since": seq, "epoch": epoch})).await;
    assert_eq!(socket.json().await["recovered"], true, "the history contains the position");
    assert_eq!([socket.json().await["seq"].as_u64(), socket.json().await["seq"].as_u64()], [Some(3), Some(4)]);
    let gap = socket.json().await;
    assert_eq!((&gap["type"], &gap["from"], &gap["to"]), (&json!("gap"), &json!(5), &json!(5)), "{gap}");
    let [answer, snapshot] = first_answers(&server, &positions[3]).await;
    assert_eq!((&answer["recovered"], &snapshot["type"]), (&json!(false), &json!("snapshot")), "no second gap");
    let [answer, next] = first_answers(&server, &positions[4]).await;
    assert_eq!((&answer["recovered"], &next["seq"]), (&json!(true), &json!(6)), "nothing is missing behind the loss");
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_from_before_an_unknown_end_get_a_snapshot() {
    let server = start(TempDir::new().unwrap()).await;
    let positions = write_to(&server, 9).await;
    let cut = written(Path::new(&server.data_path())) - 20;
    let data = server.shut_down().await;
    std::fs::File::options().write(true).open(data.path().join(SEGMENT)).unwrap().set_len(cut as u64).unwrap();
    let repairs = doctor::repair(data.path(), START).unwrap();
    assert!(repairs.logs[0].missing.iter().any(|missing| missing.is_open), "{:?}", repairs.logs);
    let server = start(data).await;
    for since in &positions {
        let [answer, snapshot] = first_answers(&server, since).await;
        assert_eq!((&answer["recovered"], &snapshot["type"]), (&json!(false), &json!("snapshot")), "after {since:?}");
    }
    let receipt = server.post("a", &[(START + 90_000, 1.0)]).await;
    let [answer, _] = first_answers(&server, &(position(&receipt).0, positions[8].1)).await;
    assert_eq!(answer["recovered"], false, "the new epoch began behind that number");
}

/// Its samples have left the log, and the scoring snapshots are lost.
#[tokio::test(flavor = "multi_thread")]
async fn kpi_that_only_history_knows_is_listed_and_read_after_a_repair() {
    let server = start(TempDir::new().unwrap()).await;
    server.post("old", &[(START, 1.0), (START + 1_000, 2.0)]).await;
    let data = server.shut_down().await;
    let pass = Authorizer::new().system(&WorkspaceId::new("local").unwrap());
    let store = EmbeddedStore::open(data.path(), &EmbeddedSettings::default()).unwrap();
    let next = store.event_log().head(&pass).await.unwrap().unwrap().next;
    assert_eq!(store.event_log().trim(&pass, next).await.unwrap(), next, "the log holds nothing any more");
    // As a repair does that does not find all of them.
    store.snapshot_store().remove(&pass).await.unwrap();
    store.close().await.unwrap();
    std::fs::remove_file(data.path().join("db/version")).unwrap();
    let repairs = doctor::repair(data.path(), START).unwrap();
    let text = format!("{:?}", repairs.database);
    assert!(text.contains("0 records of the scoring snapshots were kept"), "{text}");

    let server = start(data).await;
    let (_, kpis) = server.get("/kpis").await;
    assert_eq!(kpis["kpis"][0]["kpi"], "old", "{kpis}");
    let (status, samples) = server.get("/kpis/old/samples?from=0&to=4102444800000").await;
    assert_eq!((status, samples["series"][0]["samples"].as_array().map(Vec::len)), (200, Some(2)), "{samples}");
    server.post("old", &[(START + 2_000, 3.0)]).await;
    assert_eq!(server.get("/kpis/old").await.0, 200);
}
