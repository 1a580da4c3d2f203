//! Prometheus' metadata of metrics. The type decides between counter and gauge before a suffix
//! does; unit and help become those of the KPI.
//!
//! Version 2 states it with each series. Version 1 sends the metadata of whole families in
//! requests of their own, once a minute; each workspace remembers them, on the node that received
//! them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::raw_series::{RawSeries, Stated};
use earcon_model::Reading;
use earcon_model::meaning::MAX_DESCRIPTION;

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

/// The metadata of a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Family<'a> {
    pub(super) kind: MetricType,
    pub(super) unit: Cow<'a, str>,
    pub(super) help: Cow<'a, str>,
}

impl Family<'_> {
    fn is_empty(&self) -> bool {
        self.kind == MetricType::Unknown && self.unit.is_empty() && self.help.is_empty()
    }

    /// The statement about the series with this name. A number of observations has no unit.
    fn stated(&self, name: &str) -> Stated<'static> {
        let counts = ["_count", "_bucket", "_created", "_info"].iter().any(|suffix| name.ends_with(suffix));
        let unit = if counts { String::new() } else { self.unit.clone().into_owned() };
        Stated { unit: unit.into(), description: self.help.clone().into_owned().into() }
    }

    /// The series with its metadata.
    pub(super) fn describe<'s>(&self, raw: RawSeries<'s>) -> RawSeries<'s> {
        RawSeries { reading: self.kind.reading(&raw.name), stated: self.stated(&raw.name), ..raw }
    }
}

/// The metadata of the families that a workspace's senders of version 1 stated.
#[derive(Debug)]
pub(crate) struct Families {
    /// Maximum number of families. Further ones are not remembered.
    bound: usize,
    known: RwLock<HashMap<String, Family<'static>>>,
    /// Grows when a family changes: known series are then mapped again.
    version: AtomicU64,
}

impl Families {
    /// Remembers at most `bound` families.
    pub(crate) fn new(bound: usize) -> Self {
        Self { bound: bound.max(1), known: RwLock::default(), version: AtomicU64::new(0) }
    }

    /// Grows when a family changes.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Remembers families by their names.
    pub(super) fn remember<'f>(&self, stated: impl Iterator<Item = (&'f str, Family<'f>)>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = false;
        for (name, family) in stated {
            let before = known.get(name);
            if before == Some(&family) || (before.is_none() && family.is_empty()) {
                continue;
            }
            if known.len() < self.bound || before.is_some() {
                let Family { kind, unit, help } = family;
                // Longer texts are not kept anyway.
                let kept = |text: Cow<'_, str>| Cow::Owned(text.chars().take(MAX_DESCRIPTION).collect::<String>());
                known.insert(name.to_owned(), Family { kind, unit: kept(unit), help: kept(help) });
                changed = true;
            }
        }
        if changed {
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    /// The series with the metadata of its family, if one is known.
    pub(super) fn describe<'s>(&self, raw: RawSeries<'s>) -> RawSeries<'s> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let name: &str = &raw.name;
        let of_family = || SUFFIXES.iter().find_map(|suffix| known.get(name.strip_suffix(suffix)?));
        match known.get(name).or_else(of_family) {
            Some(family) => family.describe(raw),
            None => raw,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw_series::Protocol;

    fn family(kind: MetricType, unit: &str) -> Family<'_> {
        Family { kind, unit: unit.into(), help: "".into() }
    }

    fn series<'s>(families: &Families, name: &'s str) -> RawSeries<'s> {
        let raw = RawSeries::new(Protocol::Prometheus, name.into());
        families.describe(raw)
    }

    #[test]
    fn metadata_is_found_by_name_and_by_family() {
        let families = Families::new(10);
        let stated = [
            ("active_count", MetricType::Gauge),
            ("requests", MetricType::Counter),
            ("latency", MetricType::Histogram),
            ("rpc", MetricType::Summary),
        ];
        families.remember(stated.into_iter().map(|(name, kind)| (name, family(kind, "seconds"))));
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
        let unit = |name| series(&families, name).stated.unit.into_owned();
        let units = ["latency_sum", "latency_count", "rpc", "other"].map(unit);
        assert_eq!(units, ["seconds", "", "seconds", ""], "a number of observations has no unit");
        for (name, reading) in expected {
            assert_eq!(series(&families, name).reading, reading, "{name}");
        }
    }

    #[test]
    fn only_a_changed_family_makes_a_new_version_and_the_bound_holds() {
        let families = Families::new(2);
        let gauges = |names: [&'static str; 2]| names.map(|name| (name, family(MetricType::Gauge, ""))).into_iter();
        families.remember(gauges(["a", "b"]));
        families.remember(gauges(["a", "c"]));
        assert_eq!((families.version(), series(&families, "c").reading), (1, None));
        families.remember([("a", family(MetricType::Counter, ""))].into_iter());
        assert_eq!((families.version(), series(&families, "a").reading), (2, Some(Reading::Counter)));
        families.remember([("a", family(MetricType::Counter, "bytes"))].into_iter());
        assert_eq!((families.version(), series(&families, "a").stated.unit), (3, "bytes".into()));
    }
}
