//! Finds samples of a file that will be late, because a newer one of their series is above them,
//! and those that replace another one.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::SourceSample;
use earcon_model::wording::counted;
use earcon_model::{KpiName, Labels};

/// Series that are followed. The samples of further ones are not looked at.
const MOST_SERIES: usize = 100_000;
/// Samples whose times are remembered, 16 bytes each. Further ones do not count as replacing.
const MOST_TIMES: usize = 1 << 20;

/// The newest sample of each series so far, and how many were not newer.
///
/// A sample of a time that its series already has replaces the earlier value, so the two may not be
/// about the same thing. It does not help to sort the file.
#[derive(Debug, Default)]
pub(super) struct SeriesOrder {
    newest: HashMap<KpiName, HashMap<Labels, i64>>,
    series: usize,
    late: u64,
    /// The first late one, as messages name it.
    first: Option<String>,
    /// Hashes of KPI, labels and time.
    times: HashSet<u64>,
    replaced: u64,
    /// The first one that replaces another, as messages name it.
    first_replaced: Option<String>,
}

impl SeriesOrder {
    /// Looks at the next sample.
    pub(super) fn see(&mut self, one: &SourceSample) {
        let at_ms = one.sample.timestamp_ms;
        let time = hash(one);
        if self.times.contains(&time) {
            self.replaced += 1;
            self.first_replaced.get_or_insert_with(|| super::admissible::named(one));
            return;
        }
        if self.times.len() < MOST_TIMES {
            self.times.insert(time);
        }
        match self.newest.get_mut(&one.kpi).and_then(|series| series.get_mut(&one.labels)) {
            Some(newest) if at_ms > *newest => *newest = at_ms,
            Some(_) => {
                self.late += 1;
                self.first.get_or_insert_with(|| super::admissible::named(one));
            }
            None if self.series < MOST_SERIES => {
                self.series += 1;
                self.newest.entry(one.kpi.clone()).or_default().insert(one.labels.clone(), at_ms);
            }
            None => {}
        }
    }

    /// How many samples replace an earlier one of their series and time.
    pub(super) fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Sentences about samples that are late or replace others. `None` if there are none.
    pub(super) fn warning(&self) -> Option<String> {
        super::chunks::join(self.late_warning(), self.replaced_warning())
    }

    fn late_warning(&self) -> Option<String> {
        let first = self.first.as_ref()?;
        let late = counted(self.late, "sample comes", "samples come");
        Some(format!(
            "{late} after one of the same series that is as new or newer, first {first}: those that \
             are accepted are late, so they are not scored; sort the file by time"
        ))
    }

    fn replaced_warning(&self) -> Option<String> {
        let first = self.first_replaced.as_ref()?;
        let replaced = counted(self.replaced, "sample has", "samples have");
        Some(format!(
            "{replaced} the same series and time as an earlier one, first {first}: the later value replaces the \
             earlier one; if a column tells them apart, write label.<name> as its name"
        ))
    }
}

fn hash(one: &SourceSample) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&one.kpi, &one.labels, one.sample.timestamp_ms).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::Sample;

    fn see(order: &mut SeriesOrder, kpi: &str, labels: &str, timestamp_ms: i64) {
        let (kpi, labels) = (KpiName::new(kpi).unwrap(), Labels::parse(labels).unwrap());
        order.see(&SourceSample { kpi, labels, sample: Sample { timestamp_ms, value: 1.0 } });
    }

    #[test]
    fn samples_behind_a_newer_one_of_their_series_are_counted() {
        let mut order = SeriesOrder::default();
        // Series one after the other are in order.
        for (labels, at) in [("r:eu", 1_000), ("r:eu", 2_000), ("r:us", 1_000), ("r:us", 2_000)] {
            see(&mut order, "a", labels, at);
        }
        see(&mut order, "b", "r:eu", 500);
        assert_eq!(order.warning(), None);
        see(&mut order, "a", "r:us", 1_500);
        see(&mut order, "a", "r:us", 1_750);
        let warning = order.warning().unwrap();
        assert!(warning.starts_with("2 samples come after") && warning.contains("first a{r:us} at 1970-"), "{warning}");
        // The server may refuse such a sample, because it is too old.
        assert!(warning.contains("those that are accepted are late") && !warning.contains("kept"), "{warning}");
    }

    #[test]
    fn samples_that_replace_another_are_not_told_to_be_sorted() {
        let mut order = SeriesOrder::default();
        for (labels, at) in [("", 1_000), ("", 2_000), ("r:eu", 1_000), ("", 1_000), ("", 2_000)] {
            see(&mut order, "a", labels, at);
        }
        let warning = order.warning().unwrap();
        assert!(
            warning.starts_with("2 samples have the same series and time") && warning.contains("label."),
            "{warning}"
        );
        assert!(!warning.contains("sort the file"), "{warning}");
        see(&mut order, "a", "", 1_500);
        let warning = order.warning().unwrap();
        assert!(warning.starts_with("1 sample comes after") && warning.contains("2 samples have"), "{warning}");
    }
}
