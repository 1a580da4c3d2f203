//! The two detectors of a running experiment, and the share of KPIs that each scores live.

use xxhash_rust::xxh3::xxh3_64;

use earcon_model::{DetectorRef, KpiName, WorkspaceId};

/// The two detectors of an experiment, and for which KPIs each is live.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The experiment's name. It decides, with the KPI's, which KPIs come first.
    pub name: String,
    /// The detector that was live before.
    pub baseline: DetectorRef,
    /// The detector that is tried out.
    pub candidate: DetectorRef,
    /// The percentage of KPIs for which the candidate is live.
    pub percent: f64,
    /// Two alerts mean the same if they open within this time.
    pub window_ms: i64,
}

impl Trial {
    /// Whether the candidate is live for a KPI. A KPI of one share is in every larger share.
    pub fn takes(&self, workspace: &WorkspaceId, kpi: &KpiName) -> bool {
        let place = xxh3_64(format!("{workspace}\0{kpi}\0{}", self.name).as_bytes()) % 10_000;
        (place as f64) < self.percent * 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_grow_and_nothing_leaves_them() {
        let workspace = WorkspaceId::new("w").unwrap();
        let kpis: Vec<_> = (0..2_000).map(|i| KpiName::new(&format!("kpi.{i}")).unwrap()).collect();
        let taken = |name: &str, percent| {
            let (baseline, candidate) = (DetectorRef::default(), DetectorRef::default());
            let trial = Trial { name: name.into(), baseline, candidate, percent, window_ms: 0 };
            kpis.iter().filter(|kpi| trial.takes(&workspace, kpi)).collect::<Vec<_>>()
        };
        let mut before = taken("e", 0.0);
        assert!(before.is_empty());
        for percent in [1.0, 5.0, 25.0, 100.0] {
            let now = taken("e", percent);
            assert!(before.iter().all(|kpi| now.contains(kpi)), "{percent}");
            let share = now.len() as f64 / kpis.len() as f64 * 100.0;
            assert!((share - percent).abs() <= 2.0 && !now.is_empty(), "{percent}: {share}");
            before = now;
        }
        assert_eq!(before.len(), kpis.len());
        assert_ne!(taken("e", 5.0), taken("another", 5.0), "not always the same KPIs come first");
    }
}
