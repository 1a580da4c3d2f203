//! The series a workspace's senders have named before, and what the rules made of each. Shared by all protocols and
//! requests: a series seen before costs one look, whatever the rules do.
//!
//! One a workspace, so that nothing crosses workspaces; another one when the rules change. Bounded: what has not been seen
//! for the longest time goes first, roughly (two generations), and is mapped again when it comes back.

use std::sync::{Mutex, PoisonError, RwLock};

use super::keys::{KeyMap, Keys};
use super::otlp::Buckets;
use super::raw_series::RawSeries;
use super::rules::{Meaning, Rules};
use earcon_model::{KpiName, Labels, Reading};

/// Shards keep threads from waiting for one another; a power of two.
const SHARDS: usize = 16;

/// The newest point of a histogram takes as much room as so many series.
const SERIES_A_HISTOGRAM: usize = 16;

/// What the rules make of a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapped {
    /// Its samples go here.
    Series(Target),
    /// Its samples are dropped quietly.
    Dropped,
}

/// Where the samples of a series go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The KPI.
    pub kpi: KpiName,
    /// The series of the KPI.
    pub labels: Labels,
    /// How its values are read.
    pub reading: Reading,
    /// Most series the KPI may have for this one to be added.
    pub max_series: Option<u32>,
    /// Key of KPI, labels and reading together: the same for all series as sent that become this one.
    pub key: u128,
}

/// Known series of one workspace under one set of rules.
#[derive(Debug)]
pub struct SeriesCache {
    rules: Rules,
    keys: Keys,
    /// Most series in a generation of a shard.
    shard_bound: usize,
    shards: [RwLock<Generations>; SHARDS],
    /// Newest points of cumulative histograms.
    pub(super) buckets: Mutex<Buckets>,
}

#[derive(Debug, Default)]
struct Generations {
    young: KeyMap<Mapped>,
    old: KeyMap<Mapped>,
}

/// A look into the catalogue.
pub(super) struct Found {
    pub(super) mapped: Mapped,
    /// Not seen for a while: to be put in again, or it will be forgotten.
    pub(super) fading: bool,
}

impl SeriesCache {
    /// Nothing known yet. Holds about `bound` series; `seed` must be unknown to senders.
    pub fn new(rules: Rules, bound: usize, seed: u64) -> Self {
        let shard_bound = (bound / SHARDS / 2).max(1);
        let buckets = Mutex::new(Buckets::new((bound / SERIES_A_HISTOGRAM).max(1)));
        Self { rules, keys: Keys::new(seed), shard_bound, shards: Default::default(), buckets }
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Makes keys of series as sent.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// How many series are known.
    pub fn len(&self) -> usize {
        let lengths = self.shards.iter().map(|shard| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            shard.young.len() + shard.old.len()
        });
        lengths.sum()
    }

    /// Whether no series is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn find(&self, key: u128) -> Option<Found> {
        // A poisoned shard holds whole entries all the same: nothing is left half done in it.
        let shard = self.shard(key).read().unwrap_or_else(PoisonError::into_inner);
        match shard.young.get(&key) {
            Some(mapped) => Some(Found { mapped: mapped.clone(), fading: false }),
            None => shard.old.get(&key).map(|mapped| Found { mapped: mapped.clone(), fading: true }),
        }
    }

    pub(super) fn remember(&self, key: u128, mapped: Mapped) {
        let mut shard = self.shard(key).write().unwrap_or_else(PoisonError::into_inner);
        if shard.young.len() >= self.shard_bound {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard.old.remove(&key);
        shard.young.insert(key, mapped);
    }

    /// Applies the rules.
    pub(super) fn map(&self, sent: &RawSeries<'_>) -> Result<Mapped, String> {
        let Some(Meaning { kpi, labels, reading, max_series }) = self.rules.map(sent)? else {
            return Ok(Mapped::Dropped);
        };
        let parent = self.keys.under(reading as u128, kpi.as_str().as_bytes());
        let key = self.keys.under(parent, labels.as_str().as_bytes());
        Ok(Mapped::Series(Target { kpi, labels, reading, max_series, key }))
    }

    fn shard(&self, key: u128) -> &RwLock<Generations> {
        &self.shards[(key >> 64) as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_any_more_is_forgotten_and_the_bound_holds() {
        let catalogue = SeriesCache::new(Rules::default(), 320, 7);
        let key = |i: u64| catalogue.keys().under(1, &i.to_le_bytes());
        for i in 0..10_000 {
            catalogue.remember(key(i), Mapped::Dropped);
            // Looked at all the time, so it must stay.
            if catalogue.find(key(0)).is_some_and(|found| found.fading) {
                catalogue.remember(key(0), Mapped::Dropped);
            }
        }
        assert!(catalogue.len() <= 320, "{}", catalogue.len());
        assert!(catalogue.find(key(0)).is_some());
        assert!(catalogue.find(key(1)).is_none());
        assert!(catalogue.find(key(9_999)).is_some());
    }
}
