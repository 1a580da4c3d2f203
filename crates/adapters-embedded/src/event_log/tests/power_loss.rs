//! A power cut leaves only what was synced. Every acknowledged event is there then.

use super::super::files::power;
use super::*;

/// The data directory after a power cut: logs, marks and the journals of the database as they were
/// synced. The other files of the database do not change in this test.
fn after_power_cut(scratch: &Scratch) -> Scratch {
    let cut = scratch.copied();
    std::fs::remove_dir_all(cut.path().join("log")).unwrap();
    for name in ["db.mark", "db/0.jnl"] {
        std::fs::remove_file(cut.path().join(name)).unwrap();
    }
    power::cut(scratch.path(), cut.path());
    cut
}

#[tokio::test]
async fn acknowledged_events_survive_a_power_cut_after_any_append() {
    let scratch = Scratch::new();
    power::watch(scratch.path());
    let store = open_small(&scratch).unwrap();
    let log = store.event_log();
    log.open(&pass("w")).await.unwrap();
    let mut last = 0;
    for count in [1, 5, 2, 9, 1, 30, 4, 12, 3, 20] {
        log.append(&pass("w"), events(last + 1..=last + count)).await.unwrap();
        last += count;
        let cut = after_power_cut(&scratch);
        assert_eq!(all(&open_small(&cut).unwrap()).await, events(1..=last), "{last} events were acknowledged");
    }
    assert!(segments(&scratch).len() > 2);
    let mark = std::fs::read(log_dir(&after_power_cut(&scratch)).join("MARK")).unwrap();
    assert_ne!(mark, std::fs::read(log_dir(&scratch).join("MARK")).unwrap(), "the mark of each append is not synced");
    log.record_end(&pass("w")).await.unwrap();
    let mark = std::fs::read(log_dir(&after_power_cut(&scratch)).join("MARK")).unwrap();
    assert_eq!(mark, std::fs::read(log_dir(&scratch).join("MARK")).unwrap(), "it is synced with every watermark");
}
