//! Prometheus' types of metrics, which decide between counter and gauge before a suffix does.
//!
//! Version 2 states the type with each series. Version 1 sends the types of whole families in
//! requests of their own, once a minute; each workspace remembers them, on the node that received
//! them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use earcon_model::Reading;

/// Suffixes that a family's series have behind its name.
const SUFFIXES: [&str; 8] = ["_total", "_bucket", "_count", "_sum", "_created", "_info", "_gcount", "_gsum"];

/// The type of a metric. Both versions number the types alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MetricType {
    Unknown,
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    StateSet,
}

impl MetricType {
    /// A number from the wire.
    pub(super) fn from_number(number: u64) -> Self {
        match number {
            1 => Self::Counter,
            2 => Self::Gauge,
            3 => Self::Histogram,
            4 => Self::GaugeHistogram,
            5 => Self::Summary,
            6 => Self::Info,
            7 => Self::StateSet,
            _ => Self::Unknown,
        }
    }

    /// How the series with this name is read; `None` if the type does not say.
    pub(super) fn reading(self, name: &str) -> Option<Reading> {
        let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
        match self {
            Self::Unknown => None,
            // The time at which counting began.
            Self::Counter | Self::Histogram | Self::Summary if ends(&["_created"]) => Some(Reading::Gauge),
            Self::Counter => Some(Reading::Counter),
            Self::Histogram => ends(&["_bucket", "_count", "_sum"]).then_some(Reading::Counter),
            Self::Summary if ends(&["_count", "_sum"]) => Some(Reading::Counter),
            Self::Summary | Self::Gauge | Self::GaugeHistogram | Self::Info | Self::StateSet => Some(Reading::Gauge),
        }
    }
}

/// The types of the families that a workspace's senders of version 1 stated.
#[derive(Debug)]
pub(crate) struct Families {
    /// Maximum number of families. Further ones are not remembered.
    bound: usize,
    types: RwLock<HashMap<String, MetricType>>,
    /// Grows when a type changes: known series are then mapped again.
    version: AtomicU64,
}

impl Families {
    /// Remembers at most `bound` families.
    pub(crate) fn new(bound: usize) -> Self {
        Self { bound: bound.max(1), types: RwLock::default(), version: AtomicU64::new(0) }
    }

    /// Grows when a type changes.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Remembers types.
    pub(super) fn remember<'f>(&self, stated: impl Iterator<Item = (&'f str, MetricType)>) {
        let mut types = self.types.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = false;
        for (family, kind) in stated {
            if types.get(family) == Some(&kind) || (kind == MetricType::Unknown && !types.contains_key(family)) {
                continue;
            }
            if types.len() < self.bound || types.contains_key(family) {
                types.insert(family.to_owned(), kind);
                changed = true;
            }
        }
        if changed {
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    /// How the series with this name is read; `None` if no family says.
    pub(super) fn reading(&self, name: &str) -> Option<Reading> {
        let types = self.types.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(kind) = types.get(name) {
            return kind.reading(name);
        }
        let family = SUFFIXES.iter().find_map(|suffix| types.get(name.strip_suffix(suffix)?));
        family.and_then(|kind| kind.reading(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_found_by_name_and_by_family() {
        let families = Families::new(10);
        let stated = [
            ("active_count", MetricType::Gauge),
            ("requests", MetricType::Counter),
            ("latency", MetricType::Histogram),
            ("rpc", MetricType::Summary),
        ];
        families.remember(stated.into_iter());
        let expected = [
            ("active_count", Some(Reading::Gauge)),
            ("requests_total", Some(Reading::Counter)),
            ("requests_created", Some(Reading::Gauge)),
            ("latency_bucket", Some(Reading::Counter)),
            ("latency_sum", Some(Reading::Counter)),
            ("latency", None),
            ("rpc", Some(Reading::Gauge)),
            ("rpc_count", Some(Reading::Counter)),
            ("other_count", None),
        ];
        for (name, reading) in expected {
            assert_eq!(families.reading(name), reading, "{name}");
        }
    }

    #[test]
    fn only_a_changed_type_makes_a_new_version_and_the_bound_holds() {
        let families = Families::new(2);
        families.remember([("a", MetricType::Gauge), ("b", MetricType::Gauge)].into_iter());
        families.remember([("a", MetricType::Gauge), ("c", MetricType::Gauge)].into_iter());
        assert_eq!((families.version(), families.reading("c")), (1, None));
        families.remember([("a", MetricType::Counter)].into_iter());
        assert_eq!((families.version(), families.reading("a")), (2, Some(Reading::Counter)));
    }
}
