//! The known raw series of a workspace, and the result of the rules for each. Shared by all
//! protocols and requests: a known series costs one lookup, however slow the rules are.
//!
//! There is one cache for each workspace, so that nothing crosses workspaces, and a new one when
//! the rules change. It is bounded by two generations: series that were not seen for the longest
//! time are dropped first, approximately, and mapped again if they return.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::batch_builder::Scratch;
use super::course::{Course, Courses, Trials};
use super::histogram::HistogramCache;
use super::keys::{KeyMap, Keys};
use super::naming;
use super::raw_series::RawSeries;
use super::remote_write::Families;
use super::rules::mapping::{MappedSeries, Rules};
use earcon_model::{KpiName, Labels, Reading};

/// Shards reduce lock contention between threads; a power of two.
const SHARDS: usize = 16;

/// The newest point of a histogram uses about as much memory as this many series.
const SERIES_A_HISTOGRAM: usize = 16;

/// The result of the rules for a raw series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapped {
    /// The destination of its samples.
    Series(Arc<Target>),
    /// Its samples are dropped without an error.
    Dropped,
}

/// The KPI and series that samples belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The KPI.
    pub kpi: KpiName,
    /// The series of the KPI.
    pub labels: Labels,
    /// How its values are read.
    pub reading: Reading,
    /// Maximum number of series of the KPI for this one to be added.
    pub max_series: Option<u32>,
    /// How it is sent. `None` if a rule changed the name, since a rule may map several to one.
    pub(super) sent: Option<Sent>,
    /// Key of KPI and labels together: equal for all raw series of this series.
    pub key: u128,
}

/// Properties of a series that its name and labels do not show. Series that differ in them alone
/// are different ones for their sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent {
    /// How the name was joined.
    pub(super) joint: u64,
    /// How the name and the keys of labels are spelled.
    spelling: u64,
    /// Which values of labels are no texts.
    pub(super) kinds: u64,
}

/// Known series of one workspace under one set of rules.
#[derive(Debug)]
pub struct SeriesCache {
    rules: Rules,
    keys: Keys,
    /// Maximum number of series in a generation of a shard.
    shard_bound: usize,
    shards: [RwLock<Generations>; SHARDS],
    /// Names of KPIs, so that all series of a KPI share one.
    kpis: Mutex<HashSet<KpiName>>,
    bound: usize,
    /// By key of the target: how it was sent first.
    sent: Mutex<KeyMap<(u64, u64)>>,
    /// Tables of finished batches, for the next ones.
    scratches: Mutex<Vec<Scratch>>,
    /// The orders in which requests name their series.
    courses: Mutex<Courses>,
    trials: Trials,
    /// Newest points of cumulative histograms.
    histograms: Mutex<HistogramCache>,
    /// Types of Prometheus' metric families.
    families: Families,
    /// The number of deleted KPIs that the known series follow.
    forgotten: AtomicU64,
}

#[derive(Debug, Default)]
struct Generations {
    young: KeyMap<Mapped>,
    old: KeyMap<Mapped>,
}

/// How many tables are kept for later batches.
const KEPT_SCRATCHES: usize = 8;

impl SeriesCache {
    /// An empty cache for about `bound` series. Senders must not know `seed`.
    pub fn new(rules: Rules, bound: usize, seed: u64) -> Self {
        let shard_bound = (bound / SHARDS / 2).max(1);
        let histograms = Mutex::new(HistogramCache::new((bound / SERIES_A_HISTOGRAM).max(1)));
        Self {
            rules,
            keys: Keys::new(seed),
            shard_bound,
            shards: Default::default(),
            kpis: Mutex::default(),
            bound,
            sent: Mutex::default(),
            scratches: Mutex::default(),
            courses: Mutex::new(Courses::new(bound)),
            trials: Trials::default(),
            histograms,
            families: Families::new(bound),
            forgotten: AtomicU64::new(0),
        }
    }

    /// The rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Makes keys of raw series.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Number of known series.
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

    /// Reads the entry of a known series; `None` if it is not known. A series of the old generation
    /// becomes young again.
    pub(super) fn with<T>(&self, key: u128, read: impl FnOnce(&Mapped) -> T) -> Option<T> {
        {
            // A poisoned shard still holds complete entries.
            let shard = self.shard(key).read().unwrap_or_else(PoisonError::into_inner);
            if let Some(mapped) = shard.young.get(&key) {
                return Some(read(mapped));
            }
            if shard.old.is_empty() {
                return None;
            }
        }
        let mapped = self.shard(key).write().unwrap_or_else(PoisonError::into_inner).old.remove(&key)?;
        let result = read(&mapped);
        self.insert(key, mapped);
        Some(result)
    }

    /// Forgets the known series: the next samples of each are mapped as those of a new one, with
    /// what they state. Newest points of histograms and types of metric families stay.
    pub fn forget_series(&self) {
        for shard in &self.shards {
            *shard.write().unwrap_or_else(PoisonError::into_inner) = Generations::default();
        }
        *self.courses.lock().unwrap_or_else(PoisonError::into_inner) = Courses::new(self.bound);
    }

    /// Forgets the known series if another number of KPIs was deleted than at the last call.
    pub fn follow_deletions(&self, forgotten: u64) {
        if self.forgotten.swap(forgotten, Ordering::Relaxed) != forgotten {
            self.forget_series();
        }
    }

    pub(super) fn insert(&self, key: u128, mapped: Mapped) {
        let mut shard = self.shard(key).write().unwrap_or_else(PoisonError::into_inner);
        if shard.young.len() >= self.shard_bound {
            shard.old = std::mem::take(&mut shard.young);
        }
        shard.old.remove(&key);
        shard.young.insert(key, mapped);
    }

    /// The newest points of cumulative histograms.
    pub(super) fn histograms(&self) -> MutexGuard<'_, HistogramCache> {
        // A poisoned table still holds complete entries.
        self.histograms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The types of metric families that Prometheus sent.
    pub(super) fn families(&self) -> &Families {
        &self.families
    }

    /// Applies the rules.
    pub(super) fn map(&self, raw: &RawSeries<'_>) -> Result<Mapped, String> {
        let Some(MappedSeries { kpi, labels, reading, max_series }) = self.rules.map(raw)? else {
            return Ok(Mapped::Dropped);
        };
        let parent = self.keys.child_key(0, kpi.as_str().as_bytes());
        let key = self.keys.child_key(parent, labels.as_str().as_bytes());
        let spellings = raw.labels.iter().map(|(key, _)| naming::spelling(key));
        let spelling = spellings.fold(naming::spelling(&raw.name), |all, key| all.rotate_left(1) ^ key);
        let is_label = |key: &str| {
            let key = naming::label_key(key);
            labels.pairs().any(|(label, _)| label == key)
        };
        let kinds = raw.kinds(is_label);
        let is_own = raw.kpi_name().is_some_and(|name| name == kpi);
        let sent = is_own.then_some(Sent { joint: raw.joint, spelling, kinds });
        let kpi = self.shared_name(kpi);
        Ok(Mapped::Series(Arc::new(Target { kpi, labels, reading, max_series, sent, key })))
    }

    /// Whether this target was sent otherwise before, as another series of its sender. Remembers
    /// how it was sent first. Spellings do not count: they are one name, except within a request.
    pub(super) fn was_sent_otherwise(&self, target: &Target) -> bool {
        let Some(Sent { joint, kinds, .. }) = target.sent else { return false };
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = sent.get(&target.key) {
            return *first != (joint, kinds);
        }
        if sent.len() >= self.bound {
            sent.clear();
        }
        sent.insert(target.key, (joint, kinds));
        false
    }

    fn shared_name(&self, kpi: KpiName) -> KpiName {
        let mut kpis = self.kpis.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kpis.get(&kpi) {
            return known.clone();
        }
        if kpis.len() >= self.bound {
            kpis.clear();
        }
        kpis.insert(kpi.clone());
        kpi
    }

    /// Empty tables for a batch.
    pub(super) fn take_scratch(&self) -> Scratch {
        self.scratches.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Keeps the tables of a batch for a later one.
    pub(super) fn keep_scratch(&self, mut scratch: Scratch) {
        if !scratch.clear() {
            return;
        }
        let mut kept = self.scratches.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_SCRATCHES {
            kept.push(scratch);
        }
    }

    /// The series of an earlier request whose first one had this key.
    pub(super) fn course(&self, first: u128) -> Option<Arc<Course>> {
        self.courses.lock().unwrap_or_else(PoisonError::into_inner).get(first)
    }

    pub(super) fn keep_course(&self, first: u128, course: &Course) {
        self.courses.lock().unwrap_or_else(PoisonError::into_inner).keep(first, course);
    }

    pub(super) fn trials(&self) -> &Trials {
        &self.trials
    }

    fn shard(&self, key: u128) -> &RwLock<Generations> {
        &self.shards[(key >> 64) as usize % SHARDS]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_series_are_dropped_and_the_bound_holds() {
        let cache = SeriesCache::new(Rules::default(), 320, 7);
        let key = |i: u64| cache.keys().child_key(1, &i.to_le_bytes());
        for i in 0..10_000 {
            cache.insert(key(i), Mapped::Dropped);
            // Looked up in each round, so it must stay.
            let _known = cache.with(key(0), |_| ());
        }
        assert!(cache.len() <= 320, "{}", cache.len());
        assert!(cache.with(key(0), |_| ()).is_some());
        assert!(cache.with(key(1), |_| ()).is_none());
        assert!(cache.with(key(9_999), |_| ()).is_some());
    }

    #[test]
    fn known_series_are_forgotten_once_for_each_deletion() {
        let cache = SeriesCache::new(Rules::default(), 320, 7);
        let key = cache.keys().child_key(1, b"a");
        for (forgotten, known) in [(0, true), (1, false), (1, true), (2, false)] {
            cache.insert(key, Mapped::Dropped);
            cache.follow_deletions(forgotten);
            assert_eq!(!cache.is_empty(), known, "{forgotten}");
        }
    }
}
