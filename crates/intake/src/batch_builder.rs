//! Builds a batch: groups rows by KPI and series.
//!
//! While the series come in the order of an earlier request, none is looked up: see
//! `course`. Another raw series is looked up in the workspace's cache, once a
//! batch. Only a series that is not cached is validated and mapped by the rules.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::course::{Course, Following, RawName};
use super::error::IntakeError;
use super::keys::{KeyMap, Keys};
use super::opened::{Opened, merged};
use super::raw_series::{LabelPairs, Protocol, RawSeries, Stated};
use super::series_cache::{Mapped, SeriesCache, Target};
use earcon_model::{KpiBatch, KpiName, Meaning, Reading, RejectedRow, Sample, SeriesBatch};

/// Maximum number of series for which memory is reserved in advance.
const MOST_EXPECTED: usize = 16_384;

/// The most notes of a batch.
const NOTES: usize = 20;

/// Largest buffer for the bytes of one series that is kept.
const MOST_BYTES: usize = 64 << 10;

/// The destination of a raw series' samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination(Route);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// Index of the KPI's batch, and of the series in it.
    Series(u32, u32),
    /// Dropped without an error.
    Dropped,
    /// Rejected; index of the reason.
    Rejected(u32),
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
    /// What a sender should know about series that were taken, at most twenty sentences.
    pub notes: Vec<String>,
    /// The meanings of KPIs that senders stated with series that are new to this node.
    pub meanings: Vec<(KpiName, Meaning)>,
}

/// A row of Earcon's own protocols.
#[derive(Debug, Clone, PartialEq)]
pub struct NativeRow<'a> {
    /// The KPI.
    pub kpi: Cow<'a, str>,
    /// Its labels.
    pub labels: LabelPairs<'a>,
    /// Milliseconds UTC; `None` means now.
    pub timestamp_ms: Option<i64>,
    /// The value. A row without one only ends its series.
    pub value: Option<f64>,
    /// How the values are read, if the sender says so.
    pub reading: Option<Reading>,
    /// Whether the series ends at this time.
    pub ended: bool,
    /// What the sender says about the KPI.
    pub stated: Stated<'a>,
}

/// A batch under construction.
pub struct Batch<'c> {
    cache: &'c SeriesCache,
    now_ms: i64,
    max_rows: usize,
    rows: usize,
    tables: Scratch,
    path: Path,
    reasons: Vec<String>,
    /// The row has no value, and does not say how to read values.
    only_ends: bool,
    parsed: ParsedBatch,
}

/// How the series of a batch are found.
#[derive(Debug)]
enum Path {
    /// Nothing has come yet.
    Start,
    /// All series came in the order of an earlier request. The tables are empty.
    Follows(Following),
    /// They are looked up. `Some` while the order is learned: the key of the first series.
    LookUp(Option<u128>),
}

/// The tables of a batch. They are used again: growing tables costs more than filling them.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// By key of the raw series.
    destinations: KeyMap<Destination>,
    /// By key of the mapped series: several raw series may map to one.
    targets: KeyMap<Opened>,
    kpis: HashMap<KpiName, u32>,
    /// The KPI of the series that was opened last.
    last_kpi: u32,
    /// Bytes of a raw series.
    bytes: Vec<u8>,
    /// The series of this batch in order, while they are learned.
    course: Course,
}

impl Scratch {
    /// Empties the tables. Returns whether they are worth keeping: huge ones are not.
    pub(super) fn clear(&mut self) -> bool {
        let kept = self.destinations.capacity().max(self.targets.capacity()) <= 2 * MOST_EXPECTED
            && self.course.is_small()
            && self.bytes.capacity() <= MOST_BYTES;
        if kept {
            self.destinations.clear();
            self.targets.clear();
            self.kpis.clear();
            self.course.clear();
            self.last_kpi = 0;
        }
        kept
    }
}

impl<'c> Batch<'c> {
    /// An empty batch. Rows without a timestamp get `now_ms`.
    pub fn new(cache: &'c SeriesCache, now_ms: i64, max_rows: usize) -> Self {
        Self {
            cache,
            now_ms,
            max_rows,
            rows: 0,
            tables: cache.take_scratch(),
            path: Path::Start,
            reasons: Vec::new(),
            only_ends: false,
            parsed: ParsedBatch::default(),
        }
    }

    /// Reserves memory for a body of `bytes` bytes with at least `each` bytes a sample: growing
    /// tables costs more than filling them.
    pub(super) fn expect(&mut self, bytes: usize, each: usize) {
        let series = (bytes / each).min(self.max_rows).min(MOST_EXPECTED);
        self.tables.destinations.reserve(series);
        self.tables.targets.reserve(series);
    }

    /// Makes keys of raw series.
    pub fn keys(&self) -> &'c Keys {
        self.cache.keys()
    }

    /// The cache of known series.
    pub(super) fn cache(&self) -> &'c SeriesCache {
        self.cache
    }

    /// The time of rows without a timestamp.
    pub(super) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Adds a row of Earcon's own protocols.
    ///
    /// # Errors
    /// The batch is full. A bad row is recorded as rejected and is no error.
    pub fn add(&mut self, row: u32, native: NativeRow<'_>) -> Result<(), IntakeError> {
        let bytes = self.native_name(&native);
        let NativeRow { kpi, labels, timestamp_ms, value, reading, ended, stated } = native;
        let name = RawName { protocol: Protocol::Native, head: &bytes, tail: None };
        let (keys, protocol) = (self.keys(), Protocol::Native);
        let raw = || {
            Meaning::new(&stated.unit, &stated.description)?;
            Ok(RawSeries { labels, reading, stated, ..RawSeries::new(protocol, kpi) })
        };
        self.only_ends = value.is_none() && reading.is_none();
        let destination = self.named(&name, || name.key(keys), raw);
        self.only_ends = false;
        self.tables.bytes = bytes;
        if let Some(value) = value {
            self.push(destination, row, timestamp_ms, value)?;
        }
        match destination.0 {
            Route::Series(kpi, series) if ended => {
                let at_ms = timestamp_ms.unwrap_or(self.now_ms);
                self.end(destination, at_ms)?;
                let series = &mut self.parsed.batches[kpi as usize].series[series as usize];
                match (value, series.ended_at_ms) {
                    (None, Some(_)) => series.ended_row = Some(row),
                    (None, None) => {
                        let error = "the series has a newer sample in this request, so it has not ended".to_owned();
                        self.parsed.rejected.push(RejectedRow { row, error });
                    }
                    (Some(_), _) => {}
                }
                Ok(())
            }
            Route::Rejected(reason) if value.is_none() => self.reject(row, self.reasons[reason as usize].clone()),
            _ => Ok(()),
        }
    }

    /// The destination of the raw series with this name, whose key is `key`. `raw` describes the
    /// series if it is not cached, or returns the reason why it is invalid.
    #[inline]
    pub(super) fn named<'s>(
        &mut self,
        name: &RawName<'_>,
        key: impl FnOnce() -> u128,
        raw: impl FnOnce() -> Result<RawSeries<'s>, String>,
    ) -> Destination {
        if let Path::Follows(following) = &mut self.path {
            if let Some(stop) = following.step(name) {
                return Destination(self.visit(stop));
            }
            self.leave_course();
        }
        let key = key();
        if matches!(self.path, Path::Start)
            && let Some(route) = self.set_out(name, key)
        {
            return Destination(route);
        }
        if let Some(destination) = self.tables.destinations.get(&key) {
            return *destination;
        }
        let (route, opened) = self.look_up(key, raw);
        if let Path::LookUp(learned) = &mut self.path {
            let refused = matches!(route, Route::Rejected(_));
            if learned.is_some() && (refused || !self.tables.course.push(name, route, opened)) {
                *learned = None;
            }
        }
        Destination(route)
    }

    /// The destination of the raw series with this key. `raw` describes the series if it is not
    /// cached, or returns the reason why it is invalid.
    #[inline]
    pub fn destination<'s>(&mut self, key: u128, raw: impl FnOnce() -> Result<RawSeries<'s>, String>) -> Destination {
        if matches!(self.path, Path::Follows(_)) {
            self.leave_course();
        }
        self.path = Path::LookUp(None);
        if let Some(destination) = self.tables.destinations.get(&key) {
            return *destination;
        }
        Destination(self.look_up(key, raw).0)
    }

    /// Begins a batch with its first series. Returns its route if an earlier request began with it.
    #[cold]
    fn set_out(&mut self, name: &RawName<'_>, key: u128) -> Option<Route> {
        if let Some(course) = self.cache.course(key) {
            let mut following = Following::new(name.protocol, course);
            let stop = following.step(name);
            self.path = Path::Follows(following);
            if let Some(stop) = stop {
                return Some(self.visit(stop));
            }
        }
        self.path = Path::LookUp(self.cache.trials().next().then_some(key));
        None
    }

    /// Opens the series of a stop if it is visited for the first time. Stops are visited in order,
    /// so each series gets the place that it had in the batch from which the course was learned.
    #[inline]
    fn visit(&mut self, stop: usize) -> Route {
        let Path::Follows(following) = &mut self.path else { return Route::Dropped };
        let first = following.visits(stop);
        let stop = &following.course.stops[stop];
        if let (true, Route::Series(at, _), Some(target)) = (first, stop.route, &stop.opens) {
            let batches = &mut self.parsed.batches;
            if at as usize == batches.len() {
                let series = Vec::with_capacity(following.course.reserved(at));
                batches.push(KpiBatch { kpi: target.kpi.clone(), series });
            }
            batches[at as usize].series.push(opened(target));
        }
        stop.route
    }

    /// Fills the tables with the series that were found without them. From now on, series are
    /// looked up.
    #[cold]
    fn leave_course(&mut self) {
        let Path::Follows(following) = std::mem::replace(&mut self.path, Path::Start) else { return };
        let learns = self.cache.trials().next();
        let course = &following.course;
        for (at, stop) in course.stops[..following.visited].iter().enumerate() {
            let key = following.name(at).key(self.cache.keys());
            self.tables.destinations.insert(key, Destination(stop.route));
            if let (Some(target), Route::Series(kpi, _)) = (&stop.opens, stop.route) {
                let (reading, sent) = (target.reading, target.sent);
                self.tables.targets.insert(target.key, Opened { route: stop.route, reading, sent });
                self.tables.kpis.entry(target.kpi.clone()).or_insert(kpi);
            }
        }
        let first = learns.then(|| following.name(0).key(self.cache.keys()));
        if learns {
            self.tables.course.copy_from(course, following.visited);
        }
        self.path = Path::LookUp(first);
    }

    /// Looks up a series that this batch has not had. Returns its target if that was opened.
    fn look_up<'s>(
        &mut self,
        key: u128,
        raw: impl FnOnce() -> Result<RawSeries<'s>, String>,
    ) -> (Route, Option<Arc<Target>>) {
        let cache = self.cache;
        let known = cache.with(key, |mapped| self.route(mapped));
        let (route, opened) = known.unwrap_or_else(|| match raw().and_then(|raw| Ok((cache.map(&raw)?, raw.stated))) {
            Ok((mapped, stated)) => {
                let found = self.route(&mapped);
                if let Mapped::Series(target) = &mapped {
                    self.state(target, &stated);
                    if cache.was_sent_otherwise(target) && self.parsed.notes.len() < NOTES {
                        self.parsed.notes.push(merged(target));
                    }
                }
                cache.insert(key, mapped);
                found
            }
            Err(reason) => {
                self.reasons.push(reason);
                (Route::Rejected(self.reasons.len() as u32 - 1), None)
            }
        });
        self.tables.destinations.insert(key, Destination(route));
        (route, opened)
    }

    /// Keeps what the sender says about the values of a series, as they are stored.
    fn state(&mut self, target: &Target, stated: &Stated<'_>) {
        let meaning = Meaning::made_legal(&stated.unit, &stated.description);
        let meaning = if target.reading == Reading::Counter { meaning.per_second() } else { meaning };
        let meanings = &mut self.parsed.meanings;
        let is_new = meanings.last().is_none_or(|(kpi, last)| *last != meaning || *kpi != target.kpi);
        if !meaning.is_empty() && is_new {
            meanings.push((target.kpi.clone(), meaning));
        }
    }

    fn route(&mut self, mapped: &Mapped) -> (Route, Option<Arc<Target>>) {
        match mapped {
            Mapped::Series(target) => {
                let (route, new) = self.open(target);
                (route, new.then(|| target.clone()))
            }
            Mapped::Dropped => (Route::Dropped, None),
        }
    }

    /// Adds a sample to its destination. A rejection names `row`.
    ///
    /// # Errors
    /// The batch is full.
    #[inline]
    pub fn push(
        &mut self,
        destination: Destination,
        row: u32,
        timestamp_ms: Option<i64>,
        value: f64,
    ) -> Result<(), IntakeError> {
        self.count()?;
        match destination.0 {
            Route::Series(kpi, series) => {
                let timestamp_ms = timestamp_ms.unwrap_or(self.now_ms);
                let series = &mut self.parsed.batches[kpi as usize].series[series as usize];
                // With samples after its end it comes back: a counter begins anew.
                if let Some(ended) = series.ended_at_ms.filter(|ended| *ended < timestamp_ms) {
                    series.earlier_ends.push(ended);
                    (series.ended_at_ms, series.ended_row) = (None, None);
                }
                series.rows.push((row, Sample { timestamp_ms, value }));
            }
            Route::Dropped => self.parsed.ignored += 1,
            Route::Rejected(reason) => {
                let error = self.reasons[reason as usize].clone();
                self.parsed.rejected.push(RejectedRow { row, error });
            }
        }
        Ok(())
    }

    /// Adds a total of a counter, of which the sender says when counting began.
    ///
    /// # Errors
    /// The batch is full.
    pub fn push_counted(
        &mut self,
        destination: Destination,
        row: u32,
        timestamp_ms: Option<i64>,
        value: f64,
        start_ms: i64,
    ) -> Result<(), IntakeError> {
        self.push(destination, row, timestamp_ms, value)?;
        if let Route::Series(kpi, series) = destination.0 {
            let starts = &mut self.parsed.batches[kpi as usize].series[series as usize].starts_ms;
            if starts.last() != Some(&start_ms) {
                starts.push(start_ms);
            }
        }
        Ok(())
    }

    /// Records the sender's marker that the series ends at this time.
    ///
    /// # Errors
    /// The batch is full.
    pub fn end(&mut self, destination: Destination, timestamp_ms: i64) -> Result<(), IntakeError> {
        self.count()?;
        if let Route::Series(kpi, series) = destination.0 {
            let series = &mut self.parsed.batches[kpi as usize].series[series as usize];
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
        self.parsed.rejected.push(RejectedRow { row, error });
        Ok(())
    }

    /// Counts a sample that is legal in its protocol but cannot be scored.
    ///
    /// # Errors
    /// The batch is full.
    pub fn ignore(&mut self) -> Result<(), IntakeError> {
        self.count()?;
        self.parsed.ignored += 1;
        Ok(())
    }

    /// The finished batch.
    pub fn finish(self) -> ParsedBatch {
        let Self { cache, tables, path, mut parsed, .. } = self;
        match path {
            Path::Follows(_) => cache.trials().success(),
            Path::LookUp(Some(first)) => cache.keep_course(first, &tables.course),
            Path::LookUp(None) | Path::Start => {}
        }
        cache.keep_scratch(tables);
        for batch in &mut parsed.batches {
            // A series whose end marker was taken back has no content.
            batch.series.retain(|series| !series.rows.is_empty() || series.ended_at_ms.is_some());
        }
        parsed.batches.retain(|batch| !batch.series.is_empty());
        parsed
    }

    fn count(&mut self) -> Result<(), IntakeError> {
        self.rows += 1;
        if self.rows > self.max_rows {
            return Err(IntakeError::TooMany { max_rows: self.max_rows });
        }
        Ok(())
    }

    /// The bytes that name a series of Earcon's own protocols, in the buffer of the tables.
    fn native_name(&mut self, native: &NativeRow<'_>) -> Vec<u8> {
        let NativeRow { kpi, labels, reading, stated, .. } = native;
        let mut bytes = std::mem::take(&mut self.tables.bytes);
        bytes.clear();
        let mut add = |text: &str| {
            // Length prefixes make the bytes unambiguous.
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        };
        add(kpi);
        labels.iter().for_each(|(key, value)| {
            add(key);
            add(value);
        });
        if reading.is_some() || !stated.is_empty() {
            // No text is that long.
            add(&stated.unit);
            add(&stated.description);
            bytes.extend_from_slice(&u32::MAX.to_le_bytes());
            bytes.push(reading.map_or(0, |reading| 1 + reading as u8));
        }
        bytes
    }

    /// The place of a target in this batch, and whether it is new.
    fn open(&mut self, target: &Target) -> (Route, bool) {
        if let Some(opened) = self.tables.targets.get_mut(&target.key) {
            if opened.reading != target.reading && opened.sent == target.sent {
                // A row that only ends a series says nothing about its values.
                if self.only_ends {
                    return (opened.route, false);
                }
                if let Route::Series(kpi, series) = opened.route {
                    let series = &mut self.parsed.batches[kpi as usize].series[series as usize];
                    if series.rows.is_empty() {
                        (series.reading, opened.reading) = (target.reading, target.reading);
                        // Another request may not have samples behind the end.
                        if let Path::LookUp(learned) = &mut self.path {
                            *learned = None;
                        }
                    }
                }
            }
            let route = match opened.difference(target) {
                None => opened.route,
                Some(reason) => self.refuse(reason),
            };
            return (route, false);
        }
        let at = self.kpi(&target.kpi);
        let series = &mut self.parsed.batches[at as usize].series;
        series.push(opened(target));
        let route = Route::Series(at, series.len() as u32 - 1);
        let (reading, sent) = (target.reading, target.sent);
        self.tables.targets.insert(target.key, Opened { route, reading, sent });
        (route, true)
    }

    #[cold]
    fn refuse(&mut self, reason: String) -> Route {
        self.reasons.push(reason);
        Route::Rejected(self.reasons.len() as u32 - 1)
    }

    /// The index of the KPI's batch. Senders mostly send the series of a KPI one after the other.
    fn kpi(&mut self, kpi: &KpiName) -> u32 {
        let batches = &mut self.parsed.batches;
        let last = self.tables.last_kpi;
        if batches.get(last as usize).is_some_and(|batch| batch.kpi.is_clone_of(kpi)) {
            return last;
        }
        let at = match self.tables.kpis.get(kpi) {
            Some(at) => *at,
            None => {
                let at = batches.len() as u32;
                self.tables.kpis.insert(kpi.clone(), at);
                batches.push(KpiBatch { kpi: kpi.clone(), series: Vec::new() });
                at
            }
        };
        self.tables.last_kpi = at;
        at
    }
}

/// A series without samples.
fn opened(target: &Target) -> SeriesBatch {
    let Target { labels, reading, max_series, .. } = target;
    SeriesBatch { reading: *reading, max_series: *max_series, ..SeriesBatch::gauge(labels.clone(), None) }
}
