//! The memtable of a workspace: its series, and everything applied but not yet flushed.
//!
//! # Memory
//! A row takes 48 bytes (up to twice that, because vectors grow by doubling) from `apply` until the
//! next `flush` has committed. The consumer that calls both decides the total. A series takes about
//! 300 bytes permanently.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::records::SeriesRecord;
use super::rows;
use earcon_history::fold::HistoryChange;
use earcon_model::{Anomaly, AnomalyId, Event, KpiName, Labels, Seq, SeriesId, SeriesSamples, SeriesTable};
use earcon_ports::{PortError, SampleRow};

/// A series and its rows that are not on disk.
pub(super) struct SeriesBuffer {
    pub(super) labels: Labels,
    kpi: KpiName,
    id: SeriesId,
    /// Its record is on disk.
    recorded: bool,
    /// Rows that are being written now, in order of arrival.
    flushing: Arc<Vec<SampleRow>>,
    /// Rows since the start of the last flush, in order of arrival.
    pending: Vec<SampleRow>,
}

impl SeriesBuffer {
    fn new(id: SeriesId, kpi: &KpiName, labels: &Labels) -> Self {
        let (kpi, labels) = (kpi.clone(), labels.clone());
        Self { labels, kpi, id, recorded: false, flushing: Arc::default(), pending: Vec::new() }
    }
}

/// The changes that one flush writes.
pub(super) struct FlushBatch {
    pub(super) cursor: Seq,
    pub(super) series: Vec<FlushSeries>,
    pub(super) anomalies: Vec<Anomaly>,
    /// The generation of the anomalies in this batch.
    generation: u64,
}

/// The rows of one series to write, in order of arrival.
pub(super) struct FlushSeries {
    pub(super) id: SeriesId,
    slot: usize,
    pub(super) rows: Arc<Vec<SampleRow>>,
    /// Set if the series has no record on disk yet.
    pub(super) record: Option<SeriesRecord>,
}

/// The memtable. One lock guards it; the lock is never held during a disk write.
pub(super) struct Memtable {
    applied: Seq,
    /// Buffers by slot. `None` for a slot whose series is forgotten.
    buffers: Vec<Option<SeriesBuffer>>,
    free: Vec<usize>,
    /// The slots of all series. `None` for a series that is forgotten: it keeps its number.
    kpis: HashMap<KpiName, SeriesTable<Option<usize>>>,
    /// Slots of series with pending or flushing rows.
    dirty: Vec<usize>,
    /// Anomalies that changed since the last flush, with the generation of the change.
    anomalies: HashMap<AnomalyId, (Anomaly, u64)>,
    generation: u64,
}

impl Memtable {
    pub(super) fn new(applied: Seq, known: Vec<(SeriesId, SeriesRecord)>) -> Self {
        let mut live = Self {
            applied,
            buffers: Vec::with_capacity(known.len()),
            free: Vec::new(),
            kpis: HashMap::new(),
            dirty: Vec::new(),
            anomalies: HashMap::new(),
            generation: 0,
        };
        for (id, SeriesRecord { kpi, labels }) in known {
            let slot = live.buffers.len();
            live.buffers.push(Some(SeriesBuffer { recorded: true, ..SeriesBuffer::new(id, &kpi, &labels) }));
            live.kpis.entry(kpi).or_default().get_or_insert_with(&labels, || Some(slot));
        }
        live
    }

    /// Takes in one event, unless it was taken in before. `stored` finds an anomaly on disk.
    pub(super) fn apply(
        &mut self,
        event: &Event,
        stored: impl Fn(AnomalyId) -> Result<Option<Anomaly>, PortError>,
    ) -> Result<(), PortError> {
        if event.seq <= self.applied {
            return Ok(());
        }
        match HistoryChange::from_event(event) {
            Some(HistoryChange::Rows(kpi, parts)) => self.add(kpi, parts),
            Some(change) => {
                let before = change.anomaly_id().map(|id| self.anomaly(id, stored)).transpose()?.flatten();
                if let Some(anomaly) = change.anomaly_after(before.as_ref()) {
                    self.put_anomaly(anomaly);
                }
            }
            None => {}
        }
        self.applied = event.seq;
        Ok(())
    }

    fn add(&mut self, kpi: &KpiName, parts: &[SeriesSamples]) {
        let Self { buffers, free, kpis, dirty, .. } = self;
        let has_rows = |part: &&SeriesSamples| !part.samples.is_empty() || !part.late.is_empty();
        let mut parts = parts.iter().filter(has_rows).peekable();
        if parts.peek().is_none() {
            return;
        }
        if !kpis.contains_key(kpi) {
            kpis.insert(kpi.clone(), SeriesTable::default());
        }
        let Some(table) = kpis.get_mut(kpi) else { return };
        for part in parts {
            let slot = *table.get_or_insert_with(&part.labels, || None).get_or_insert_with(|| {
                free.pop().unwrap_or_else(|| {
                    buffers.push(None);
                    buffers.len() - 1
                })
            });
            let new = || SeriesBuffer::new(SeriesId::of(kpi, &part.labels), kpi, &part.labels);
            let series = buffers[slot].get_or_insert_with(new);
            let was_clean = series.pending.is_empty() && series.flushing.is_empty();
            series.pending.extend(part.samples.iter().map(rows::scored));
            series.pending.extend(part.late.iter().map(rows::late));
            if was_clean {
                dirty.push(slot);
            }
        }
    }

    fn anomaly(
        &self,
        id: AnomalyId,
        stored: impl Fn(AnomalyId) -> Result<Option<Anomaly>, PortError>,
    ) -> Result<Option<Anomaly>, PortError> {
        match self.anomalies.get(&id) {
            Some((anomaly, _)) => Ok(Some(anomaly.clone())),
            None => stored(id),
        }
    }

    fn put_anomaly(&mut self, anomaly: Anomaly) {
        self.anomalies.insert(anomaly.id, (anomaly, self.generation));
    }

    /// The last event taken in.
    pub(super) fn applied(&self) -> Seq {
        self.applied
    }

    /// Takes events up to this one as taken in.
    pub(super) fn skip_to(&mut self, seq: Seq) {
        self.applied = self.applied.max(seq);
    }

    /// Accepts events from sequence number 1 again.
    pub(super) fn rewind(&mut self) {
        self.applied = 0;
    }

    /// Returns everything that is not on disk. It stays readable here until [`Self::end_flush`].
    pub(super) fn begin_flush(&mut self) -> FlushBatch {
        let generation = self.generation;
        self.generation += 1;
        let mut series = Vec::with_capacity(self.dirty.len());
        for slot in &self.dirty {
            let Some(live) = &mut self.buffers[*slot] else { continue };
            let pending = std::mem::take(&mut live.pending);
            if live.flushing.is_empty() {
                live.flushing = Arc::new(pending);
            } else {
                // The previous flush failed.
                Arc::make_mut(&mut live.flushing).extend(pending);
            }
            let record = SeriesRecord { kpi: live.kpi.clone(), labels: live.labels.clone() };
            let record = (!live.recorded).then_some(record);
            series.push(FlushSeries { id: live.id, slot: *slot, rows: live.flushing.clone(), record });
        }
        let anomalies = self.anomalies.values().map(|(anomaly, _)| anomaly.clone()).collect();
        FlushBatch { cursor: self.applied, series, anomalies, generation }
    }

    /// Drops the content of `done`, which is on disk now.
    pub(super) fn end_flush(&mut self, done: &FlushBatch) {
        for flushed in &done.series {
            if let Some(live) = &mut self.buffers[flushed.slot] {
                live.flushing = Arc::default();
                live.recorded = true;
            }
        }
        let buffers = &self.buffers;
        self.dirty.retain(|slot| buffers[*slot].as_ref().is_some_and(|live| !live.pending.is_empty()));
        self.anomalies.retain(|_, (_, generation)| *generation > done.generation);
    }

    /// Series of `kpi` whose labels contain `wanted`, in order of labels. Each has its rows in
    /// memory between `from_ms` and `last_ms`, in time order.
    pub(super) fn matching(
        &self,
        kpi: &KpiName,
        wanted: &Labels,
        from_ms: i64,
        last_ms: i64,
    ) -> Vec<(SeriesId, Labels, Vec<SampleRow>)> {
        let all = self.kpis.get(kpi).into_iter().flat_map(SeriesTable::by_labels);
        all.filter(|(labels, _)| labels.contains(wanted))
            .filter_map(|(_, slot)| self.buffers[(*slot)?].as_ref())
            .map(|series| {
                let inside = |row: &&SampleRow| (from_ms..=last_ms).contains(&row.timestamp_ms);
                let rows = series.flushing.iter().chain(&series.pending).filter(inside).copied().collect();
                (series.id, series.labels.clone(), rows::in_time_order(rows))
            })
            .collect()
    }

    /// The current anomaly, if it changed since the last flush.
    pub(super) fn changed_anomaly(&self, id: AnomalyId) -> Option<&Anomaly> {
        self.anomalies.get(&id).map(|(anomaly, _)| anomaly)
    }

    /// All anomalies that changed since the last flush.
    pub(super) fn changed_anomalies(&self) -> HashMap<AnomalyId, Anomaly> {
        self.anomalies.iter().map(|(id, (anomaly, _))| (*id, anomaly.clone())).collect()
    }

    pub(super) fn series_ids(&self) -> Vec<SeriesId> {
        self.buffers.iter().flatten().map(|series| series.id).collect()
    }

    /// Returns the `candidates` without rows in memory, and marks them as having no record on disk,
    /// so that their records may be removed. If rows arrive before the removal is done, the next
    /// flush writes the record again.
    pub(super) fn begin_forgetting(&mut self, candidates: Vec<SeriesId>) -> Vec<SeriesId> {
        let candidates: HashSet<SeriesId> = candidates.into_iter().collect();
        let mut idle = Vec::new();
        for live in self.buffers.iter_mut().flatten() {
            if candidates.contains(&live.id) && live.pending.is_empty() && live.flushing.is_empty() {
                live.recorded = false;
                idle.push(live.id);
            }
        }
        idle
    }

    /// Drops series whose records were removed, except those that received rows in the meantime.
    pub(super) fn end_forgetting(&mut self, removed: &[SeriesId]) {
        let removed: HashSet<SeriesId> = removed.iter().copied().collect();
        for (slot, buffer) in self.buffers.iter_mut().enumerate() {
            let forgotten = buffer.take_if(|live| removed.contains(&live.id) && live.pending.is_empty());
            let Some(SeriesBuffer { kpi, labels, .. }) = forgotten else { continue };
            self.free.push(slot);
            if let Some(table) = self.kpis.get_mut(&kpi) {
                *table.get_or_insert_with(&labels, || None) = None;
                if table.iter().all(|(_, slot)| slot.is_none()) {
                    self.kpis.remove(&kpi);
                }
            }
        }
    }
}
