use std::time::Duration;

use tokio::time::Instant;

use super::cache::POLICY;
use super::*;
use crate::services::testing::{MemoryMeta, pass};
use earcon_model::{KpiName, Labels, ManualClock};

const NOW: i64 = 1_772_323_200_000;

fn start() -> (Arc<MemoryMeta>, MuteService, WorkspacePass, Arc<ManualClock>) {
    let (meta, clock) = (Arc::new(MemoryMeta::default()), Arc::new(ManualClock::at(NOW)));
    let mutes = MuteService::new(meta.clone(), clock.clone());
    (meta, mutes, pass(), clock)
}

fn document(from: i64, until: i64) -> MuteDocument {
    let json = serde_json::json!({"name": "backup", "kpis": ["disk.*"], "from": from, "until": until});
    serde_json::from_value(json).unwrap()
}

fn covers(mutes: &Mutes) -> bool {
    mutes.covering(&KpiName::new("disk.a").unwrap(), &Labels::none(), NOW).is_some()
}

#[tokio::test(start_paused = true)]
async fn a_mute_holds_at_once_and_is_read_again_only_after_a_while() {
    let (meta, service, pass, _) = start();
    assert!(!covers(&*service.current(&pass).await));
    let made = service.create(&pass, document(NOW - 1, NOW + 1)).await.unwrap();
    let reads = meta.reads();
    assert!(covers(&*service.current(&pass).await));
    assert!(covers(&service.snapshot(pass.key())));
    assert_eq!(meta.reads(), reads, "it is known");
    // Another node removes it.
    meta.clear();
    tokio::time::advance(POLICY.fresh_for).await;
    assert!(!covers(&*service.current(&pass).await));
    assert!(matches!(service.remove(&pass, made.mute.id(), None).await, Err(MuteError::Unknown)));
}

#[tokio::test(start_paused = true)]
async fn older_mutes_hold_while_the_store_does_not_answer() {
    let (meta, service, pass, _) = start();
    service.create(&pass, document(NOW - 1, NOW + 1)).await.unwrap();
    meta.hang(true);
    tokio::time::advance(POLICY.fresh_for).await;
    let before = Instant::now();
    assert!(covers(&*service.current(&pass).await));
    assert!(before.elapsed() >= POLICY.wait_at_most);
    let again = Instant::now();
    assert!(covers(&*service.current(&pass).await));
    assert_eq!(again.elapsed(), Duration::ZERO, "no caller waits twice within a while");
}

#[tokio::test(start_paused = true)]
async fn a_reader_sees_changes_of_other_nodes_within_seconds_and_waits_for_none() {
    let (meta, service, pass, clock) = start();
    let other_node = MuteService::new(meta.clone(), clock);
    let reader = service.follow(&pass).await.unwrap();
    assert!(!covers(&reader.snapshot()));
    other_node.create(&pass, document(NOW - 1, NOW + 1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    assert!(covers(&reader.snapshot()), "although no samples came in");
    meta.clear();
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    assert!(!covers(&reader.snapshot()));
    let reads = {
        drop(reader);
        meta.reads()
    };
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(meta.reads(), reads);
}

#[tokio::test]
async fn mutes_that_are_long_over_make_room_and_changes_are_guarded() {
    let (meta, service, pass, clock) = start();
    let old = service.create(&pass, document(NOW - 10, NOW - 5)).await.unwrap();
    clock.advance(KEPT_AFTER_MS);
    let new = service.create(&pass, document(NOW, NOW + 5)).await.unwrap();
    assert!(service.one(&pass, old.mute.id()).await.unwrap().is_none());
    let stale = service.replace(&pass, new.mute.id(), document(1, 2), Some(7)).await;
    assert!(matches!(stale, Err(MuteError::Store(error)) if error.kind == ErrorKind::Conflict));
    let changed = service.replace(&pass, new.mute.id(), document(1, 2), None).await.unwrap();
    assert_eq!((changed.revision, changed.created_by), (2, new.created_by));
    let invalid = service.create(&pass, document(5, 5)).await;
    assert!(matches!(invalid, Err(MuteError::Invalid(problems)) if problems.len() == 1));
    assert_eq!(meta.largest_page(), crate::services::records::PAGE);
}

#[tokio::test]
async fn a_mute_that_cannot_be_read_is_left_out_reported_and_can_be_removed() {
    let (meta, service, pass, _) = start();
    service.create(&pass, document(NOW - 1, NOW + 1)).await.unwrap();
    meta.set("mute/odd", b"{}");
    let broken = MuteRecord { document: document(2, 1), created_at: 0, created_by: "me".to_owned() };
    meta.set("mute/broken", &serde_json::to_vec(&broken).unwrap());
    let list = service.list(&pass).await.unwrap();
    assert_eq!((list.mutes.len(), list.unreadable), (1, 2));
    assert!(covers(&*service.current(&pass).await));
    for id in ["odd", "broken"] {
        assert_eq!(service.one(&pass, id).await.unwrap_err().kind, ErrorKind::Corrupt);
        service.remove(&pass, id, None).await.unwrap();
    }
    assert_eq!(service.list(&pass).await.unwrap().unreadable, 0);
}
