//! Counts traits that series of a workspace share, and how rare each is.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use earcon_model::{KpiName, Labels};

/// A trait of many series is distinctive if at most one in this many series has it.
const RARE_SHARE: u32 = 4;
/// A trait of at most this many series is distinctive if at most half of all series have it.
const FEW: u32 = 8;

/// Hash of a trait that series can share: a label pair, or the KPI's name up to its last dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Trait(u64);

impl Trait {
    fn from_text(text: &str) -> Self {
        // FNV-1a: the hash is part of the saved state, so it must be the same on every machine.
        Self(
            text.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)),
        )
    }
}

/// The traits of a series with their texts: `key:value` or `name.*`.
pub(super) fn traits(kpi: &KpiName, labels: &Labels) -> impl Iterator<Item = (Trait, String)> {
    let family = kpi.as_str().rsplit_once('.').map(|(family, _)| format!("{family}.*"));
    let pairs: Vec<_> = labels.pairs().map(|(key, value)| format!("{key}:{value}")).collect();
    family.into_iter().chain(pairs).map(|text| (Trait::from_text(&text), text))
}

/// The number of series that have each trait.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeriesInventory {
    total: u32,
    kpis: u32,
    counts: HashMap<Trait, u32>,
}

impl SeriesInventory {
    /// Counts the series of a workspace.
    pub fn from_series<'a>(series: impl IntoIterator<Item = (&'a KpiName, &'a Labels)>) -> Self {
        let mut inventory = Self::default();
        let mut names = HashSet::new();
        for (kpi, labels) in series {
            inventory.total += 1;
            names.insert(kpi);
            for (key, _) in traits(kpi, labels) {
                *inventory.counts.entry(key).or_default() += 1;
            }
        }
        inventory.kpis = names.len() as u32;
        inventory
    }

    /// How many KPIs there are; 0 while nothing was counted.
    pub(super) fn kpis(&self) -> u32 {
        self.kpis
    }

    /// The share of series that have a trait. Smaller is rarer.
    fn share(&self, key: Trait) -> f64 {
        f64::from(self.counts.get(&key).copied().unwrap_or(1)) / f64::from(self.total.max(1))
    }

    /// Whether a trait is rare enough to link two series.
    fn is_distinctive(&self, key: Trait) -> bool {
        let count = self.counts.get(&key).copied().unwrap_or(1);
        count.saturating_mul(RARE_SHARE) <= self.total || (count <= FEW && count * 2 <= self.total)
    }

    /// The rarest distinctive trait of a series that is among `present`, as text.
    pub(super) fn shared(&self, kpi: &KpiName, labels: &Labels, present: &BTreeSet<Trait>) -> Option<String> {
        traits(kpi, labels)
            .filter(|(key, _)| present.contains(key) && self.is_distinctive(*key))
            .min_by(|(a, _), (b, _)| self.share(*a).total_cmp(&self.share(*b)))
            .map(|(_, text)| text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(text: &str) -> (KpiName, Labels) {
        let (kpi, labels) = text.split_once('{').unwrap_or((text, ""));
        (KpiName::new(kpi).unwrap(), Labels::parse(labels.trim_end_matches('}')).unwrap())
    }

    fn shared(all: &[(KpiName, Labels)], a: &str, b: &str) -> Option<String> {
        let inventory = SeriesInventory::from_series(all.iter().map(|(kpi, labels)| (kpi, labels)));
        let (kpi, labels) = series(b);
        let present = traits(&kpi, &labels).map(|(key, _)| key).collect();
        let (kpi, labels) = series(a);
        inventory.shared(&kpi, &labels, &present)
    }

    #[test]
    fn rare_label_links_and_ubiquitous_label_does_not() {
        let all: Vec<_> = (0..40).map(|i| series(&format!("kpi{}{{host:h{},env:prod}}", i % 10, i / 10))).collect();
        assert_eq!(shared(&all, "kpi1{host:h2,env:prod}", "kpi5{host:h2,env:prod}"), Some("host:h2".into()));
        assert_eq!(shared(&all, "kpi1{host:h2,env:prod}", "kpi5{host:h3,env:prod}"), None);
    }

    #[test]
    fn name_family_links_unless_all_series_belong_to_it() {
        let names = ["shop.orders", "shop.errors", "db.latency", "db.locks", "net.in", "net.out"];
        let all: Vec<_> = names.iter().map(|name| series(name)).collect();
        assert_eq!(shared(&all, "shop.orders", "shop.errors"), Some("shop.*".into()));
        assert_eq!(shared(&all, "shop.orders", "db.locks"), None);
        let one_host: Vec<_> = ["host.cpu", "host.memory", "host.disk"].iter().map(|name| series(name)).collect();
        assert_eq!(shared(&one_host, "host.cpu", "host.memory"), None);
    }
}
