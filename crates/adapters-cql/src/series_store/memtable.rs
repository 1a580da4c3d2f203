//! What a workspace's history holds in memory: everything that was applied and is not in the database yet.
//!
//! # Write timestamps
//! Every event gets a *stamp*, the write timestamp (microseconds) of whatever comes from it: the time of its commit, but at
//! least two more than the stamp of the event before. The stamp of the last event stored is part of the head, so whoever
//! goes on behind a cursor gives the same events the same stamps. Stamps order events as the log does, even where clocks
//! go backwards or the log begins a new life.
//!
//! # How much memory
//! 64 bytes a row (and up to as many again, because vectors grow by doubling), from `apply` until the next `flush` is
//! done, and nothing for series without such rows.

use std::collections::HashMap;
use std::sync::Arc;

use super::head::Head;
use earcon_model::{
    Anomaly, AnomalyId, Event, EventBody, KpiName, Labels, Sample, ScoredSample, Seq, SeriesId, SeriesSamples,
};
use earcon_ports::{SampleRow, SeriesQuery, acknowledge, carry_over_feedback};

/// Between the stamps of two events, so that upkeep finds one in between.
const SPACING: i64 = 2;
/// Stamps stay before the year 97,000 whatever an event says.
const LATEST_STAMP: i64 = 3_000_000_000_000_000_000;

/// A row and the stamp of the event it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct StampedRow {
    pub(super) row: SampleRow,
    pub(super) stamp: i64,
}

/// Rows of one series that are not in the database.
struct LiveSeries {
    kpi: KpiName,
    labels: Labels,
    /// Being written right now, in the order they came.
    flushing: Arc<Vec<StampedRow>>,
    /// Came since the last flush began, in the order they came.
    pending: Vec<StampedRow>,
}

/// An anomaly that changed since the last flush.
#[derive(Debug, Clone)]
pub(super) struct ChangedAnomaly {
    pub(super) anomaly: Anomaly,
    /// Of the event that changed it last.
    pub(super) stamp: i64,
}

/// What one flush has to write.
pub(super) struct FlushBatch {
    pub(super) cursor: Seq,
    /// Of the last event in it.
    pub(super) stamp: i64,
    pub(super) series: Vec<UnflushedSeries>,
    pub(super) anomalies: Vec<ChangedAnomaly>,
}

/// The rows of one series to write, in the order they came.
pub(super) struct UnflushedSeries {
    pub(super) id: SeriesId,
    pub(super) kpi: KpiName,
    pub(super) labels: Labels,
    pub(super) rows: Arc<Vec<StampedRow>>,
}

/// A series that a query matches, with its rows in memory in time order.
pub(super) struct Matching {
    pub(super) id: SeriesId,
    pub(super) labels: Labels,
    pub(super) rows: Vec<SampleRow>,
}

/// The state. Guarded by one lock, which is never held across a wait.
#[derive(Default)]
pub(super) struct Live {
    /// Whether the head was read.
    loaded: bool,
    life: i64,
    applied: Seq,
    stamp: i64,
    series: HashMap<SeriesId, LiveSeries>,
    anomalies: HashMap<AnomalyId, ChangedAnomaly>,
}

impl Live {
    /// Where to go on is known.
    pub(super) fn is_loaded(&self) -> bool {
        self.loaded
    }

    /// Nothing is waiting for a flush.
    pub(super) fn is_empty(&self) -> bool {
        self.series.is_empty() && self.anomalies.is_empty()
    }

    /// The last event taken in.
    pub(super) fn applied(&self) -> Seq {
        self.applied
    }

    /// Takes notice of where the database stands. When it is as far as memory, or the log has begun again, then what is in
    /// memory was stored, here or by another node that owns the workspace now: it is forgotten.
    pub(super) fn adopt(&mut self, head: &Head) {
        if self.loaded && head.life < self.life {
            // Read from a replica that does not know yet.
            return;
        }
        let same_life = self.loaded && head.life == self.life;
        if !same_life || head.cursor >= self.applied {
            self.series.clear();
            self.anomalies.clear();
            self.applied = head.cursor;
            self.life = head.life;
        }
        self.stamp = if same_life { self.stamp.max(head.stamp) } else { head.stamp };
        self.loaded = true;
    }

    /// Stamps given from now on are above `stamp`.
    pub(super) fn stay_above(&mut self, stamp: i64) {
        self.stamp = self.stamp.max(stamp);
    }

    /// Takes in one event, unless it was taken in before. `stored` holds the anomalies that the database knows, of those
    /// the event speaks of.
    pub(super) fn apply(&mut self, event: &Event, stored: &HashMap<AnomalyId, ChangedAnomaly>) {
        if event.seq <= self.applied {
            return;
        }
        let wanted = event.time_ms.saturating_mul(1_000).min(LATEST_STAMP);
        self.stamp = wanted.max(self.stamp.saturating_add(SPACING));
        match &event.body {
            EventBody::Samples(parts) | EventBody::Backfilled(parts) => {
                parts.iter().for_each(|part| self.add(&event.kpi, part))
            }
            EventBody::AnomalyOpened(anomaly)
            | EventBody::AnomalyUpdated(anomaly)
            | EventBody::AnomalyClosed(anomaly) => {
                let mut anomaly = anomaly.as_ref().clone();
                if let Some(known) = self.anomaly(anomaly.id, stored) {
                    carry_over_feedback(&mut anomaly, known);
                }
                self.put_anomaly(anomaly);
            }
            EventBody::AnomalyAcknowledged { id, acknowledgement, .. } => {
                // One that is not known has expired.
                if let Some(mut anomaly) = self.anomaly(*id, stored).cloned() {
                    acknowledge(&mut anomaly, acknowledgement);
                    self.put_anomaly(anomaly);
                }
            }
            EventBody::AnomalyJudged { id, feedback, .. } => {
                if let Some(mut anomaly) = self.anomaly(*id, stored).cloned() {
                    anomaly.feedback = Some(feedback.clone());
                    self.put_anomaly(anomaly);
                }
            }
            EventBody::SeriesStalled { .. }
            | EventBody::SeriesRestored { .. }
            | EventBody::SeriesEnded { .. }
            | EventBody::KpiParked { .. }
            | EventBody::KpiResumed
            | EventBody::DetectorChanged(_)
            | EventBody::DetectorTrained { .. }
            | EventBody::IncidentOpened(_)
            | EventBody::IncidentUpdated(_)
            | EventBody::IncidentClosed(_) => {}
        }
        self.applied = event.seq;
    }

    fn add(&mut self, kpi: &KpiName, part: &SeriesSamples) {
        if part.samples.is_empty() && part.late.is_empty() {
            return;
        }
        let stamp = self.stamp;
        let series = self.series.entry(SeriesId::of(kpi, &part.labels)).or_insert_with(|| LiveSeries {
            kpi: kpi.clone(),
            labels: part.labels.clone(),
            flushing: Arc::default(),
            pending: Vec::new(),
        });
        series.pending.extend(part.samples.iter().map(|sample| StampedRow { row: scored(sample), stamp }));
        series.pending.extend(part.late.iter().map(|sample| StampedRow { row: late(sample), stamp }));
    }

    fn anomaly<'a>(&'a self, id: AnomalyId, stored: &'a HashMap<AnomalyId, ChangedAnomaly>) -> Option<&'a Anomaly> {
        self.anomalies.get(&id).or_else(|| stored.get(&id)).map(|changed| &changed.anomaly)
    }

    fn put_anomaly(&mut self, anomaly: Anomaly) {
        self.anomalies.insert(anomaly.id, ChangedAnomaly { anomaly, stamp: self.stamp });
    }

    /// Hands out everything that is not in the database. It stays visible here until [`Self::end_flush`].
    pub(super) fn begin_flush(&mut self) -> FlushBatch {
        let mut series = Vec::with_capacity(self.series.len());
        for (id, live) in &mut self.series {
            let pending = std::mem::take(&mut live.pending);
            if live.flushing.is_empty() {
                live.flushing = Arc::new(pending);
            } else {
                // The flush before this one failed.
                Arc::make_mut(&mut live.flushing).extend(pending);
            }
            let (kpi, labels, rows) = (live.kpi.clone(), live.labels.clone(), live.flushing.clone());
            series.push(UnflushedSeries { id: *id, kpi, labels, rows });
        }
        let anomalies = self.anomalies.values().cloned().collect();
        FlushBatch { cursor: self.applied, stamp: self.stamp, series, anomalies }
    }

    /// Everything in `done` is in the database now.
    pub(super) fn end_flush(&mut self, done: &FlushBatch) {
        for flushed in &done.series {
            if let Some(live) = self.series.get_mut(&flushed.id) {
                live.flushing = Arc::default();
                if live.pending.is_empty() {
                    self.series.remove(&flushed.id);
                }
            }
        }
        self.anomalies.retain(|_, changed| changed.stamp > done.stamp);
    }

    /// Series with rows in memory that `query` matches, each with those in its range, in time order.
    pub(super) fn matching(&self, query: &SeriesQuery) -> Vec<Matching> {
        let named = self.series.iter().filter(|(_, series)| series.kpi == query.kpi);
        let wanted = named.filter(|(_, series)| series.labels.contains(&query.labels));
        let range = query.from_ms..query.to_ms;
        let rows = |series: &LiveSeries| {
            let all = series.flushing.iter().chain(&series.pending);
            in_time_order(all.filter(|stamped| range.contains(&stamped.row.timestamp_ms)).copied().collect())
        };
        wanted
            .map(|(id, series)| Matching {
                id: *id,
                labels: series.labels.clone(),
                rows: rows(series).into_iter().map(|stamped| stamped.row).collect(),
            })
            .collect()
    }

    /// The anomaly as it stands, if it changed since the last flush.
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

/// A sample that came too late to be scored.
fn late(sample: &Sample) -> SampleRow {
    let (expected, lower, upper) = (f64::NAN, f64::NAN, f64::NAN);
    SampleRow { timestamp_ms: sample.timestamp_ms, value: sample.value, score: None, expected, lower, upper }
}

/// Sorts by timestamp; of several rows with one timestamp the last in `rows` stays.
pub(super) fn in_time_order(mut rows: Vec<StampedRow>) -> Vec<StampedRow> {
    if rows.is_sorted_by(|a, b| a.row.timestamp_ms < b.row.timestamp_ms) {
        return rows;
    }
    rows.sort_by_key(|stamped| stamped.row.timestamp_ms);
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

    fn event(seq: Seq, time_ms: i64, at_ms: i64) -> Event {
        let late = vec![Sample { timestamp_ms: at_ms, value: seq as f64 }];
        let status = earcon_model::SeriesStatus::Normal;
        let part =
            SeriesSamples { labels: Labels::none(), samples: Vec::new(), late, features: None, status, counter: None };
        Event { seq, time_ms, kpi: KpiName::new("k").unwrap(), body: EventBody::Samples(vec![part]) }
    }

    fn loaded(head: &Head) -> Live {
        let mut live = Live::default();
        live.adopt(head);
        live
    }

    fn stamps(live: &mut Live) -> Vec<i64> {
        let flushed = live.begin_flush();
        flushed.series.iter().flat_map(|series| series.rows.iter().map(|row| row.stamp)).collect()
    }

    #[test]
    fn stamps_grow_with_the_log_even_when_clocks_go_backwards() {
        let mut live = loaded(&Head::default());
        for (seq, time_ms) in [(1, 0), (2, 5), (3, 5), (4, 2), (5, 9), (6, i64::MAX), (7, 0)] {
            live.apply(&event(seq, time_ms, 0), &HashMap::new());
        }
        let all = stamps(&mut live);
        assert_eq!(all[..5], [2, 5_000, 5_002, 5_004, 9_000]);
        assert!(all.is_sorted_by(|a, b| a + SPACING <= *b));
    }

    #[test]
    fn whoever_goes_on_behind_the_cursor_gives_the_same_stamps() {
        let events: Vec<Event> = (1..9).map(|seq| event(seq, 7 - (seq as i64 % 4), 0)).collect();
        let mut first = loaded(&Head::default());
        events[..4].iter().for_each(|event| first.apply(event, &HashMap::new()));
        let done = first.begin_flush();
        let mut second = loaded(&Head { cursor: done.cursor, stamp: done.stamp, life: 0, samples: 4 });
        first.end_flush(&done);
        for live in [&mut first, &mut second] {
            events.iter().for_each(|event| live.apply(event, &HashMap::new()));
        }
        assert_eq!(stamps(&mut first), stamps(&mut second));
    }

    #[test]
    fn what_another_node_has_stored_is_forgotten() {
        let mut live = loaded(&Head::default());
        live.apply(&event(1, 0, 10), &HashMap::new());
        live.apply(&event(2, 0, 20), &HashMap::new());
        live.adopt(&Head { cursor: 1, stamp: 2, life: 0, samples: 1 });
        assert!(!live.is_empty() && live.applied() == 2, "the second event is not stored");
        live.adopt(&Head { cursor: 5, stamp: 10, life: 0, samples: 5 });
        assert!(live.is_empty() && live.applied() == 5);
        live.adopt(&Head { cursor: 0, stamp: 11, life: 1, samples: 5 });
        assert_eq!(live.applied(), 0, "a new life begins at its beginning");
    }

    #[test]
    fn a_flush_that_failed_is_handed_out_again_with_what_came_since() {
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
