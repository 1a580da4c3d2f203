//! Snapshots that wait to be saved, in the order in which the store has to get them.
//!
//! The store saves the snapshots of one call in any order, and a crash may leave some of them. The
//! parts of a state must be saved from the last one to the first (`earcon_streams`). So one call
//! gets the same part of all KPIs, and the last parts come first.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::actors::snapshot_turns::SnapshotTurn;
use earcon_model::KpiName;
use earcon_ports::Snapshot;

/// What waits, by part and KPI.
#[derive(Default)]
pub(super) struct Waiting(BTreeMap<u32, HashMap<KpiName, (Arc<Snapshot>, SnapshotTurn)>>);

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A newer snapshot of the same part replaces an older one.
    pub(super) fn push(&mut self, snapshot: Arc<Snapshot>, turn: SnapshotTurn) {
        self.0.entry(snapshot.part).or_default().insert(snapshot.kpi.clone(), (snapshot, turn));
    }

    /// Nothing of this KPI is to be saved.
    pub(super) fn remove(&mut self, kpi: &KpiName) {
        self.0.values_mut().for_each(|of_part| drop(of_part.remove(kpi)));
        self.0.retain(|_, of_part| !of_part.is_empty());
    }

    /// The snapshots to save next.
    pub(super) fn next(&self) -> Option<Vec<Arc<Snapshot>>> {
        let (_, of_part) = self.0.last_key_value()?;
        Some(of_part.values().map(|(snapshot, _)| snapshot.clone()).collect())
    }

    /// [`next`](Self::next) is saved; its turns end.
    pub(super) fn saved(&mut self) {
        self.0.pop_last();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::actors::snapshot_turns::SnapshotTurns;

    #[test]
    fn the_last_parts_of_all_kpis_are_saved_first() {
        let (turns, mut waiting) = (SnapshotTurns::default(), Waiting::default());
        let push = |waiting: &mut Waiting, kpi: &str, part, seq| {
            let snapshot = Snapshot { kpi: KpiName::new(kpi).unwrap(), part, seq, state: Vec::new() };
            waiting.push(Arc::new(snapshot), turns.take(1).now_or_never().flatten().unwrap());
        };
        for (kpi, part, seq) in
            [("a", 2, 1), ("b", 1, 2), ("a", 1, 3), ("c", 2, 4), ("a", 0, 5), ("b", 0, 6), ("a", 2, 7)]
        {
            push(&mut waiting, kpi, part, seq);
        }
        waiting.remove(&KpiName::new("c").unwrap());
        let mut saved = Vec::new();
        while let Some(next) = waiting.next() {
            let mut next: Vec<_> = next.iter().map(|one| (one.kpi.as_str().to_owned(), one.part, one.seq)).collect();
            next.sort();
            saved.push(next);
            waiting.saved();
        }
        let one = |kpi: &str, part, seq| (kpi.to_owned(), part, seq);
        assert_eq!(
            saved,
            [vec![one("a", 2, 7)], vec![one("a", 1, 3), one("b", 1, 2)], vec![one("a", 0, 5), one("b", 0, 6)]]
        );
        assert!(waiting.is_empty());
    }
}
