//! Gathers rows by KPI and series. What a series as sent means is looked up in the workspace's catalogue, once a batch;
//! only a series never seen before is validated and mapped by the rules.

use std::borrow::Cow;
use std::collections::HashMap;

use super::IntakeError;
use super::keys::{KeyMap, Keys};
use super::raw_series::{LabelPairs, Protocol, RawSeries};
use super::series_cache::{Mapped, SeriesCache, Target};
use earcon_model::{KpiBatch, KpiName, Labels, Reading, RejectedRow, Sample, SeriesBatch};

/// Most series that room is made for before they have been seen.
const MOST_EXPECTED: usize = 16_384;

/// Where the samples of a series as sent go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(Where);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Where {
    /// Index of the KPI's batch, and of the series in it.
    At(u32, u32),
    /// Nowhere, quietly.
    Dropped,
    /// Nowhere; index of the reason.
    Refused(u32),
}

/// What came of a batch.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ParsedBatch {
    /// The good rows by KPI.
    pub batches: Vec<KpiBatch>,
    /// The refused ones, in no particular order.
    pub rejected: Vec<RejectedRow>,
    /// Samples that are legal in their protocol and nothing that can be scored: dropped without complaint.
    pub ignored: usize,
}

/// A batch being gathered.
pub struct Batch<'c> {
    catalogue: &'c SeriesCache,
    now_ms: i64,
    max_rows: usize,
    rows: usize,
    /// By key of the series as sent.
    places: KeyMap<Place>,
    /// By key of the series it becomes: several series as sent may become one.
    targets: KeyMap<Place>,
    kpis: HashMap<KpiName, u32>,
    reasons: Vec<String>,
    gathered: ParsedBatch,
    scratch: Vec<u8>,
}

impl<'c> Batch<'c> {
    /// An empty batch; rows without a timestamp are of `now_ms`.
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

    /// Makes room for a body of so many bytes, of which each sample takes at least `each`: growing tables costs more than
    /// filling them.
    pub(super) fn expect(&mut self, bytes: usize, each: usize) {
        let series = (bytes / each).min(self.max_rows).min(MOST_EXPECTED);
        self.places.reserve(series);
        self.targets.reserve(series);
    }

    /// Makes keys of series as sent.
    pub fn keys(&self) -> &'c Keys {
        self.catalogue.keys()
    }

    /// The catalogue it is gathered with.
    pub(super) fn catalogue(&self) -> &'c SeriesCache {
        self.catalogue
    }

    /// The time of rows without one.
    pub(super) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Adds a row of Earcon's own protocols.
    ///
    /// # Errors
    /// When the batch is full; a bad row is noted and is no error.
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

    /// Where the series with this key goes; `sent` says what it is when it has not been seen before, or what is wrong with it.
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

    /// Adds a sample where it belongs; `row` is what a refusal will name.
    ///
    /// # Errors
    /// When the batch is full.
    #[inline]
    pub fn push(&mut self, place: Place, row: u32, timestamp_ms: Option<i64>, value: f64) -> Result<(), IntakeError> {
        self.count()?;
        match place.0 {
            Where::At(kpi, series) => {
                let timestamp_ms = timestamp_ms.unwrap_or(self.now_ms);
                let series = &mut self.gathered.batches[kpi as usize].series[series as usize];
                // A series that goes on after its end has not ended.
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

    /// The sender says that the series ends at this time.
    ///
    /// # Errors
    /// When the batch is full.
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

    /// Notes a row that could not be parsed.
    ///
    /// # Errors
    /// When the batch is full.
    pub fn reject(&mut self, row: u32, error: String) -> Result<(), IntakeError> {
        self.count()?;
        self.gathered.rejected.push(RejectedRow { row, error });
        Ok(())
    }

    /// Notes a sample that is legal in its protocol and nothing that can be scored.
    ///
    /// # Errors
    /// When the batch is full.
    pub fn ignore(&mut self) -> Result<(), IntakeError> {
        self.count()?;
        self.gathered.ignored += 1;
        Ok(())
    }

    /// What came of it.
    pub fn finish(self) -> ParsedBatch {
        let mut gathered = self.gathered;
        for batch in &mut gathered.batches {
            // A series whose only word was taken back has nothing to say.
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
            // Lengths in front, so that the bytes have one reading.
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
    // Most requests bring one row of a series.
    SeriesBatch { reading, max_series, ..SeriesBatch::gauge(labels, Vec::with_capacity(1)) }
}
