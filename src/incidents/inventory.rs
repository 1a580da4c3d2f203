//! What the series of a workspace have in common, and how rare that is.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use earcon_model::{KpiName, Labels};

/// At least one in so many series must lack a trait for it to say anything, when many series have it.
const RARE_SHARE: u32 = 4;
/// A trait of so few series needs only half of them to lack it.
const FEW: u32 = 8;

/// Something a series may share with others: a label pair, or the beginning of its KPI's name up to the last dot. Its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Trait(u64);

impl Trait {
    fn of(text: &str) -> Self {
        // FNV-1a, which is the same everywhere and for ever.
        Self(
            text.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)),
        )
    }
}

/// The traits of a series, each with its text: `key:value` or `name.*`.
pub(super) fn traits(kpi: &KpiName, labels: &Labels) -> impl Iterator<Item = (Trait, String)> {
    let family = kpi.as_str().rsplit_once('.').map(|(family, _)| format!("{family}.*"));
    let pairs: Vec<_> = labels.pairs().map(|(key, value)| format!("{key}:{value}")).collect();
    family.into_iter().chain(pairs).map(|text| (Trait::of(&text), text))
}

/// How many series have which traits.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeriesInventory {
    total: u32,
    counts: HashMap<Trait, u32>,
}

impl SeriesInventory {
    /// Counts the series of a workspace.
    pub fn of<'a>(series: impl IntoIterator<Item = (&'a KpiName, &'a Labels)>) -> Self {
        let mut population = Self::default();
        for (kpi, labels) in series {
            population.total += 1;
            for (key, _) in traits(kpi, labels) {
                *population.counts.entry(key).or_default() += 1;
            }
        }
        population
    }

    /// The share of series that have it, for ordering; smaller is rarer.
    fn share(&self, key: Trait) -> f64 {
        f64::from(self.counts.get(&key).copied().unwrap_or(1)) / f64::from(self.total.max(1))
    }

    /// Whether having it in common means something.
    fn is_telling(&self, key: Trait) -> bool {
        let count = self.counts.get(&key).copied().unwrap_or(1);
        count.saturating_mul(RARE_SHARE) <= self.total || (count <= FEW && count * 2 <= self.total)
    }

    /// The rarest telling trait of a series that is among `present`, as text.
    pub(super) fn shared(&self, kpi: &KpiName, labels: &Labels, present: &BTreeSet<Trait>) -> Option<String> {
        traits(kpi, labels)
            .filter(|(key, _)| present.contains(key) && self.is_telling(*key))
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
        let population = SeriesInventory::of(all.iter().map(|(kpi, labels)| (kpi, labels)));
        let (kpi, labels) = series(b);
        let present = traits(&kpi, &labels).map(|(key, _)| key).collect();
        let (kpi, labels) = series(a);
        population.shared(&kpi, &labels, &present)
    }

    #[test]
    fn rare_pairs_link_and_ubiquitous_ones_do_not() {
        let all: Vec<_> = (0..40).map(|i| series(&format!("kpi{}{{host:h{},env:prod}}", i % 10, i / 10))).collect();
        assert_eq!(shared(&all, "kpi1{host:h2,env:prod}", "kpi5{host:h2,env:prod}"), Some("host:h2".into()));
        assert_eq!(shared(&all, "kpi1{host:h2,env:prod}", "kpi5{host:h3,env:prod}"), None);
    }

    #[test]
    fn names_of_one_family_link_unless_all_are_of_it() {
        let names = ["shop.orders", "shop.errors", "db.latency", "db.locks", "net.in", "net.out"];
        let all: Vec<_> = names.iter().map(|name| series(name)).collect();
        assert_eq!(shared(&all, "shop.orders", "shop.errors"), Some("shop.*".into()));
        assert_eq!(shared(&all, "shop.orders", "db.locks"), None);
        let one_host: Vec<_> = ["host.cpu", "host.memory", "host.disk"].iter().map(|name| series(name)).collect();
        assert_eq!(shared(&one_host, "host.cpu", "host.memory"), None);
    }
}
