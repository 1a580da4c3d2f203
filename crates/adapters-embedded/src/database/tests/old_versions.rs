//! Memory of the database after many writes.

use crate::tests::{Scratch, pass};
use earcon_model::KpiName;
use earcon_ports::Snapshot;

/// Every memtable that becomes a table file makes a version of its table, and fjall would keep all
/// of them, with their memtables, until ten thousand snapshots have ended.
#[tokio::test]
async fn old_versions_of_the_tables_do_not_pile_up() {
    const COMMITS: u64 = 150;
    let scratch = Scratch::new();
    let store = scratch.open();
    let snapshots = store.snapshot_store();
    for seq in 1..=COMMITS {
        let kpi = KpiName::new(&format!("k{}", seq % 7)).unwrap();
        // Bytes that do not compress, so that files are as large as the writes.
        let state = (0..1u64 << 17).flat_map(|i| (i ^ seq).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes()).collect();
        snapshots.put(&pass("w"), Snapshot { kpi, part: 0, seq, state }).await.unwrap();
    }
    let old = store.database.current.writing().unwrap().old_versions();
    assert!(old < 15, "{old} old versions after {COMMITS} MiB");
    drop(snapshots);
    store.close().await.unwrap();
}
