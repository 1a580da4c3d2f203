//! Builds a batch: groups rows by KPI and series.
//!
//! Each raw series is looked up in the workspace's cache, once a batch. Only a series that is not
//! cached is validated and mapped by the rules.

use std::borrow::Cow;
use std::collections::HashMap;

use super::IntakeError;
use super::keys::{KeyMap, Keys};
use super::raw_series::{LabelPairs, Protocol, RawSeries};
use super::series_cache::{Mapped, SeriesCache, Target};
use earcon_model::{KpiBatch, KpiName, Labels, Reading, RejectedRow, Sample, SeriesBatch};

/// Maximum number of series for which memory is reserved in advance.
const MOST_EXPECTED: usize = 16_384;

/// The destination of a raw series' samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(Where);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// Index of the KPI's batch, and of the series in it.
    At(u32, u32),
    /// Dropped without an error.
    Dropped,
    /// Rejected; index of the reason.
    Refused(u32),
}

/// The result of parsing a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ParsedBatch {
    /// The accepted rows by KPI.
    pub batches: Vec<KpiBatch>,
    /// The rejected rows, in no particular order.
    pub rejected: Vec<RejectedRow>,
    /// Samples that are legal in their protocol but cannot be scored: dropped without an error.
    pub ignored: usize,
}

/// A batch under construction.
pub struct Batch<'c> {
    catalogue: &'c SeriesCache,
    now_ms: i64,
    max_rows: usize,
    rows: usize,
    /// By key of the raw series.
    places: KeyMap<Place>,
    /// By key of the mapped series: several raw series may map to one.
    targets: KeyMap<Place>,
    kpis: HashMap<KpiName, u32>,
    reasons: Vec<String>,
    gathered: ParsedBatch,
    scratch: Vec<u8>,
}

impl<'c> Batch<'c> {
    /// An empty batch. Rows without a timestamp get `now_ms`.
    pub fn new(catalogue: &'c SeriesCache, now_ms: i64, max_rows: usize) -> Self {
        Self {
            catalogue,
            now_ms,
            max_rows,
            rows: 0,
            places: KeyMap::default(),
            targets: KeyMap::default(),
            kpis: HashMap::new(),
            reasons: Vec::new(),
            gathered: ParsedBatch::default(),
            scratch: Vec::new(),
        }
    }

    /// Reserves memory for a body of `bytes` bytes with at least `each` bytes a sample: growing
    /// tables costs more than filling them.
    pub(super) fn expect(&mut self, bytes: usize, each: usize) {
        let series = (bytes / each).min(self.max_rows).min(MOST_EXPECTED);
        self.places.reserve(series);
        self.targets.reserve(series);
    }

    /// Makes keys of raw series.
    pub fn keys(&self) -> &'c Keys {
        self.catalogue.keys()
    }

    /// The cache of known series.
    pub(super) fn catalogue(&self) -> &'c SeriesCache {
        self.catalogue
    }

    /// The time of rows without a timestamp.
    pub(super) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Adds a row of Earcon's own protocols.
    ///
    /// # Errors
    /// The batch is full. A bad row is recorded as rejected and is no error.
    pub fn add(
        &mut self,
        row: u32,
        kpi: Cow<'_, str>,
        labels: LabelPairs<'_>,
        timestamp_ms: Option<i64>,
        value: f64,
    ) -> Result<(), IntakeError> {
        let key = self.native_key(&kpi, &labels);
        let sent =
            || Ok(RawSeries { protocol: Protocol::Native, name: kpi, labels, resource: Vec::new(), reading: None });
        let place = self.place(key, sent);
        self.push(place, row, timestamp_ms, value)
    }

    /// The destination of the raw series with this key. `raw` describes the series if it is not
    /// cached, or returns the reason why it is invalid.
    #[inline]
    pub fn place<'s>(&mut self, key: u128, sent: impl FnOnce() -> Result<RawSeries<'s>, String>) -> Place {
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        let mapped = match self.catalogue.find(key) {
            Some(found) => {
                if found.fading {
                    self.catalogue.remember(key, found.mapped.clone());
                }
                Ok(found.mapped)
            }
            None => sent().and_then(|sent| self.catalogue.map(&sent)).inspect(|mapped| {
                self.catalogue.remember(key, mapped.clone());
            }),
        };
        let place = Place(match mapped {
            Ok(Mapped::Series(target)) => self.open(target),
            Ok(Mapped::Dropped) => Where::Dropped,
            Err(reason) => {
                self.reasons.push(reason);
                Where::Refused(self.reasons.len() as u32 - 1)
            }
        });
        self.places.insert(key, place);
        place
    }

    /// Adds a sample to its destination. A rejection names `row`.
    ///
    /// # Errors
    /// The batch is full.
    #[inline]
    pub fn push(&mut self, place: Place, row: u32, timestamp_ms: Option<i64>, value: f64) -> Result<(), IntakeError> {
        self.count()?;
        match place.0 {
            Where::At(kpi, series) => {
                let timestamp_ms = timestamp_ms.unwrap_or(self.now_ms);
                let series = &mut self.gathered.batches[kpi as usize].series[series as usize];
                // A series with samples after its end has not ended.
                series.ended_at_ms = series.ended_at_ms.filter(|ended| *ended >= timestamp_ms);
                series.rows.push((row, Sample { timestamp_ms, value }));
            }
            Where::Dropped => self.gathered.ignored += 1,
            Where::Refused(reason) => {
                let error = self.reasons[reason as usize].clone();
                self.gathered.rejected.push(RejectedRow { row, error });
            }
        }
        Ok(())
    }

    /// Records the sender's marker that the series ends at this time.
    ///
    /// # Errors
    /// The batch is full.
    pub fn end(&mut self, place: Place, timestamp_ms: i64) -> Result<(), IntakeError> {
        self.count()?;
        if let Where::At(kpi, series) = place.0 {
            let series = &mut self.gathered.batches[kpi as usize].series[series as usize];
            let newest = series.rows.iter().map(|(_, sample)| sample.timestamp_ms).max();
            if newest.is_none_or(|newest| newest <= timestamp_ms) {
                series.ended_at_ms = series.ended_at_ms.max(Some(timestamp_ms));
            }
        }
        Ok(())
    }

    /// Records a row that could not be parsed.
    ///
    /// # Errors
    /// The batch is full.
    pub fn reject(&mut self, row: u32, error: String) -> Result<(), IntakeError> {
        self.count()?;
        self.gathered.rejected.push(RejectedRow { row, error });
        Ok(())
    }

    /// Counts a sample that is legal in its protocol but cannot be scored.
    ///
    /// # Errors
    /// The batch is full.
    pub fn ignore(&mut self) -> Result<(), IntakeError> {
        self.count()?;
        self.gathered.ignored += 1;
        Ok(())
    }

    /// The finished batch.
    pub fn finish(self) -> ParsedBatch {
        let mut gathered = self.gathered;
        for batch in &mut gathered.batches {
            // A series whose end marker was taken back has no content.
            batch.series.retain(|series| !series.rows.is_empty() || series.ended_at_ms.is_some());
        }
        gathered.batches.retain(|batch| !batch.series.is_empty());
        gathered
    }

    fn count(&mut self) -> Result<(), IntakeError> {
        self.rows += 1;
        if self.rows > self.max_rows {
            return Err(IntakeError::TooMany { max_rows: self.max_rows });
        }
        Ok(())
    }

    fn native_key(&mut self, kpi: &str, labels: &LabelPairs<'_>) -> u128 {
        self.scratch.clear();
        let pairs = labels.iter().flat_map(|(key, value)| [key.as_ref(), value.as_ref()]);
        for text in std::iter::once(kpi).chain(pairs) {
            // Length prefixes make the bytes unambiguous.
            self.scratch.extend_from_slice(&(text.len() as u32).to_le_bytes());
            self.scratch.extend_from_slice(text.as_bytes());
        }
        self.catalogue.keys().of(Protocol::Native, &self.scratch)
    }

    fn open(&mut self, target: Target) -> Where {
        let Target { kpi, labels, reading, max_series, key } = target;
        if let Some(place) = self.targets.get(&key) {
            return place.0;
        }
        let batches = &mut self.gathered.batches;
        let at = match self.kpis.get(&kpi) {
            Some(at) => *at,
            None => {
                let at = batches.len() as u32;
                self.kpis.insert(kpi.clone(), at);
                batches.push(KpiBatch { kpi, series: Vec::new() });
                at
            }
        };
        let series = &mut batches[at as usize].series;
        series.push(of(labels, reading, max_series));
        let place = Where::At(at, series.len() as u32 - 1);
        self.targets.insert(key, Place(place));
        place
    }
}

fn of(labels: Labels, reading: Reading, max_series: Option<u32>) -> SeriesBatch {
    // Most requests have one row a series.
    SeriesBatch { reading, max_series, ..SeriesBatch::gauge(labels, Vec::with_capacity(1)) }
}
