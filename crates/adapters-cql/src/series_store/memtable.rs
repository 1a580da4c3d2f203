//! The memtable of a workspace: everything applied but not yet in the database.
//!
//! # Write timestamps
//! Every event has a *write timestamp* (microseconds) that all its writes carry: its commit time,
//! but at least two more than the previous event's. The head holds that of the last stored event,
//! so a node that continues after the cursor gives the same events the same write timestamps. They
//! order events like the log, even if clocks go back or the log begins a new epoch.
//!
//! # Memory
//! A row takes 64 bytes (up to twice that, because vectors grow by doubling) from `apply` until the
//! next `flush` is done. A series without such rows takes none.

use std::collections::HashMap;
use std::sync::Arc;

use super::head::Head;
use earcon_history::fold::HistoryChange;
use earcon_model::{Anomaly, AnomalyId, Event, KpiName, Labels, Sample, ScoredSample, Seq, SeriesId, SeriesSamples};
use earcon_ports::{SampleRow, SeriesQuery};

/// Distance between the write timestamps of two events. It leaves room for a deletion in between.
const SPACING: i64 = 2;
/// Write timestamps stay before the year 97,000, for any commit time.
const LATEST_WRITE_TIMESTAMP: i64 = 3_000_000_000_000_000_000;

/// A row and the write timestamp of its event.
#[derive(Debug, Clone, Copy)]
pub(super) struct VersionedRow {
    pub(super) row: SampleRow,
    pub(super) write_timestamp: i64,
}

/// Rows of one series that are not in the database.
struct SeriesBuffer {
    kpi: KpiName,
    labels: Labels,
    /// Rows that are being written now, in order of arrival.
    flushing: Arc<Vec<VersionedRow>>,
    /// Rows since the start of the last flush, in order of arrival.
    pending: Vec<VersionedRow>,
}

/// An anomaly that changed since the last flush.
#[derive(Debug, Clone)]
pub(super) struct ChangedAnomaly {
    pub(super) anomaly: Anomaly,
    /// Write timestamp of the event that changed it last.
    pub(super) write_timestamp: i64,
}

/// The changes that one flush writes.
pub(super) struct FlushBatch {
    pub(super) cursor: Seq,
    /// Write timestamp of the last event in it.
    pub(super) write_timestamp: i64,
    pub(super) series: Vec<FlushSeries>,
    pub(super) anomalies: Vec<ChangedAnomaly>,
}

/// The rows of one series to write, in order of arrival.
pub(super) struct FlushSeries {
    pub(super) id: SeriesId,
    pub(super) kpi: KpiName,
    pub(super) labels: Labels,
    pub(super) rows: Arc<Vec<VersionedRow>>,
}

/// A series that a query matches, with its rows in memory in time order.
pub(super) struct Matching {
    pub(super) id: SeriesId,
    pub(super) labels: Labels,
    pub(super) rows: Vec<SampleRow>,
}

/// The memtable. One lock guards it; the lock is never held across an await.
#[derive(Default)]
pub(super) struct Memtable {
    /// Whether the head was read.
    loaded: bool,
    log_epoch: i64,
    applied: Seq,
    write_timestamp: i64,
    series: HashMap<SeriesId, SeriesBuffer>,
    anomalies: HashMap<AnomalyId, ChangedAnomaly>,
}

impl Memtable {
    /// Whether the cursor is known.
    pub(super) fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// Nothing is waiting for a flush.
    pub(super) fn is_empty(&self) -> bool {
        self.series.is_empty() && self.anomalies.is_empty()
    }

    /// The last applied event.
    pub(super) fn applied(&self) -> Seq {
        self.applied
    }

    /// Compares the memtable with the stored head. Drops its content if the head is as far, or of a
    /// new log epoch: this node or the new owner has then stored it.
    pub(super) fn sync_to(&mut self, head: &Head) {
        if self.loaded && head.log_epoch < self.log_epoch {
            // Read from a replica that is behind.
            return;
        }
        let same_epoch = self.loaded && head.log_epoch == self.log_epoch;
        if !same_epoch || head.cursor >= self.applied {
            self.series.clear();
            self.anomalies.clear();
            self.applied = head.cursor;
            self.log_epoch = head.log_epoch;
        }
        self.write_timestamp =
            if same_epoch { self.write_timestamp.max(head.write_timestamp) } else { head.write_timestamp };
        self.loaded = true;
    }

    /// The write timestamp of the next event. It changes nothing.
    pub(super) fn next_write_timestamp(&self, event: &Event) -> i64 {
        let wanted = event.time_ms.saturating_mul(1_000).min(LATEST_WRITE_TIMESTAMP);
        wanted.max(self.write_timestamp.saturating_add(SPACING))
    }

    /// Keeps later write timestamps above `write_timestamp`.
    pub(super) fn stay_above(&mut self, write_timestamp: i64) {
        self.write_timestamp = self.write_timestamp.max(write_timestamp);
    }

    /// Takes in one event, unless it was taken in before. `stored` holds the anomalies that the
    /// database knows, of those the event speaks of.
    pub(super) fn apply(&mut self, event: &Event, stored: &HashMap<AnomalyId, ChangedAnomaly>) {
        if event.seq <= self.applied {
            return;
        }
        self.write_timestamp = self.next_write_timestamp(event);
        match HistoryChange::from_event(event) {
            Some(HistoryChange::Rows(kpi, parts)) => parts.iter().for_each(|part| self.add(kpi, part)),
            Some(change) => {
                let before = change.anomaly_id().and_then(|id| self.anomaly(id, stored));
                if let Some(anomaly) = change.anomaly_after(before) {
                    self.put_anomaly(anomaly);
                }
            }
            None => {}
        }
        self.applied = event.seq;
    }

    fn add(&mut self, kpi: &KpiName, part: &SeriesSamples) {
        if part.samples.is_empty() && part.late.is_empty() {
            return;
        }
        let write_timestamp = self.write_timestamp;
        let series = self.series.entry(SeriesId::of(kpi, &part.labels)).or_insert_with(|| SeriesBuffer {
            kpi: kpi.clone(),
            labels: part.labels.clone(),
            flushing: Arc::default(),
            pending: Vec::new(),
        });
        series.pending.extend(part.samples.iter().map(|sample| VersionedRow { row: scored(sample), write_timestamp }));
        series.pending.extend(part.late.iter().map(|sample| VersionedRow { row: late(sample), write_timestamp }));
    }

    fn anomaly<'a>(&'a self, id: AnomalyId, stored: &'a HashMap<AnomalyId, ChangedAnomaly>) -> Option<&'a Anomaly> {
        self.anomalies.get(&id).or_else(|| stored.get(&id)).map(|changed| &changed.anomaly)
    }

    fn put_anomaly(&mut self, anomaly: Anomaly) {
        self.anomalies.insert(anomaly.id, ChangedAnomaly { anomaly, write_timestamp: self.write_timestamp });
    }

    /// Returns everything that is not in the database. It stays readable here until
    /// [`Self::end_flush`].
    pub(super) fn begin_flush(&mut self) -> FlushBatch {
        let mut series = Vec::with_capacity(self.series.len());
        for (id, live) in &mut self.series {
            let pending = std::mem::take(&mut live.pending);
            if live.flushing.is_empty() {
                live.flushing = Arc::new(pending);
            } else {
                // The previous flush failed.
                Arc::make_mut(&mut live.flushing).extend(pending);
            }
            let (kpi, labels, rows) = (live.kpi.clone(), live.labels.clone(), live.flushing.clone());
            series.push(FlushSeries { id: *id, kpi, labels, rows });
        }
        let anomalies = self.anomalies.values().cloned().collect();
        FlushBatch { cursor: self.applied, write_timestamp: self.write_timestamp, series, anomalies }
    }

    /// Drops the content of `done`, which is in the database now.
    pub(super) fn end_flush(&mut self, done: &FlushBatch) {
        for flushed in &done.series {
            if let Some(live) = self.series.get_mut(&flushed.id) {
                live.flushing = Arc::default();
                if live.pending.is_empty() {
                    self.series.remove(&flushed.id);
                }
            }
        }
        self.anomalies.retain(|_, changed| changed.write_timestamp > done.write_timestamp);
    }

    /// Series with rows in memory that match `query`. Each has its rows in the range, in time
    /// order.
    pub(super) fn matching(&self, query: &SeriesQuery) -> Vec<Matching> {
        let named = self.series.iter().filter(|(_, series)| series.kpi == query.kpi);
        let wanted = named.filter(|(_, series)| series.labels.contains(&query.labels));
        let range = query.from_ms..query.to_ms;
        let rows = |series: &SeriesBuffer| {
            let all = series.flushing.iter().chain(&series.pending);
            in_time_order(all.filter(|versioned| range.contains(&versioned.row.timestamp_ms)).copied().collect())
        };
        wanted
            .map(|(id, series)| Matching {
                id: *id,
                labels: series.labels.clone(),
                rows: rows(series).into_iter().map(|versioned| versioned.row).collect(),
            })
            .collect()
    }

    /// The current anomaly, if it changed since the last flush.
    pub(super) fn changed_anomaly(&self, id: AnomalyId) -> Option<&ChangedAnomaly> {
        self.anomalies.get(&id)
    }

    /// All anomalies that changed since the last flush.
    pub(super) fn changed_anomalies(&self) -> HashMap<AnomalyId, Anomaly> {
        self.anomalies.iter().map(|(id, changed)| (*id, changed.anomaly.clone())).collect()
    }
}

fn scored(sample: &ScoredSample) -> SampleRow {
    SampleRow {
        timestamp_ms: sample.timestamp_ms,
        value: sample.value,
        score: sample.score.filter(|score| !score.is_nan()),
        expected: sample.expected,
        lower: sample.lower,
        upper: sample.upper,
    }
}

/// The row of a sample that arrived too late to be scored.
fn late(sample: &Sample) -> SampleRow {
    let (expected, lower, upper) = (f64::NAN, f64::NAN, f64::NAN);
    SampleRow { timestamp_ms: sample.timestamp_ms, value: sample.value, score: None, expected, lower, upper }
}

/// Sorts by timestamp. Of several rows with one timestamp, keeps the last in `rows`.
pub(super) fn in_time_order(mut rows: Vec<VersionedRow>) -> Vec<VersionedRow> {
    if rows.is_sorted_by(|a, b| a.row.timestamp_ms < b.row.timestamp_ms) {
        return rows;
    }
    rows.sort_by_key(|versioned| versioned.row.timestamp_ms);
    rows.dedup_by(|later, earlier| {
        let same = later.row.timestamp_ms == earlier.row.timestamp_ms;
        if same {
            *earlier = *later;
        }
        same
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::SeriesEvent;

    fn event(seq: Seq, time_ms: i64, at_ms: i64) -> Event {
        let late = vec![Sample { timestamp_ms: at_ms, value: seq as f64 }];
        let status = earcon_model::SeriesStatus::Normal;
        let part = SeriesSamples {
            labels: Labels::none(),
            samples: Default::default(),
            late,
            features: None,
            status,
            counter: None,
            looks_like: None,
        };
        Event::new(seq, time_ms, KpiName::new("k").unwrap(), SeriesEvent::Samples(vec![part]))
    }

    fn loaded(head: &Head) -> Memtable {
        let mut live = Memtable::default();
        live.sync_to(head);
        live
    }

    fn write_timestamps(live: &mut Memtable) -> Vec<i64> {
        let flushed = live.begin_flush();
        flushed.series.iter().flat_map(|series| series.rows.iter().map(|row| row.write_timestamp)).collect()
    }

    #[test]
    fn write_timestamps_grow_even_when_clocks_go_back() {
        let mut live = loaded(&Head::default());
        for (seq, time_ms) in [(1, 0), (2, 5), (3, 5), (4, 2), (5, 9), (6, i64::MAX), (7, 0)] {
            live.apply(&event(seq, time_ms, 0), &HashMap::new());
        }
        let all = write_timestamps(&mut live);
        assert_eq!(all[..5], [2, 5_000, 5_002, 5_004, 9_000]);
        assert!(all.is_sorted_by(|a, b| a + SPACING <= *b));
    }

    #[test]
    fn nodes_after_the_same_cursor_give_equal_write_timestamps() {
        let events: Vec<Event> = (1..9).map(|seq| event(seq, 7 - (seq as i64 % 4), 0)).collect();
        let mut first = loaded(&Head::default());
        events[..4].iter().for_each(|event| first.apply(event, &HashMap::new()));
        let done = first.begin_flush();
        let mut second =
            loaded(&Head { cursor: done.cursor, write_timestamp: done.write_timestamp, log_epoch: 0, samples: 4 });
        first.end_flush(&done);
        for live in [&mut first, &mut second] {
            events.iter().for_each(|event| live.apply(event, &HashMap::new()));
        }
        assert_eq!(write_timestamps(&mut first), write_timestamps(&mut second));
    }

    #[test]
    fn rows_stored_by_another_node_are_dropped() {
        let mut live = loaded(&Head::default());
        live.apply(&event(1, 0, 10), &HashMap::new());
        live.apply(&event(2, 0, 20), &HashMap::new());
        live.sync_to(&Head { cursor: 1, write_timestamp: 2, log_epoch: 0, samples: 1 });
        assert!(!live.is_empty() && live.applied() == 2, "the second event is not stored");
        live.sync_to(&Head { cursor: 5, write_timestamp: 10, log_epoch: 0, samples: 5 });
        assert!(live.is_empty() && live.applied() == 5);
        live.sync_to(&Head { cursor: 0, write_timestamp: 11, log_epoch: 1, samples: 5 });
        assert_eq!(live.applied(), 0, "a new log_epoch begins at its beginning");
    }

    #[test]
    fn failed_flush_is_returned_again_with_later_rows() {
        let mut live = loaded(&Head::default());
        live.apply(&event(1, 0, 10), &HashMap::new());
        assert_eq!(live.begin_flush().series[0].rows.len(), 1);
        live.apply(&event(2, 0, 20), &HashMap::new());
        let again = live.begin_flush();
        assert_eq!((again.cursor, again.series[0].rows.len()), (2, 2));
        live.end_flush(&again);
        assert!(live.is_empty());
    }
}
