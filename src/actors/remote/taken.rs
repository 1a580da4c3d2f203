//! Which samples of a batch a log holds already. Pure.
//!
//! A batch was sent to an owner that froze or died before it answered. Its successor has opened the
//! log since, so the log accepts nothing more from it. What the log lacks now was not taken, and
//! may be sent again.

use std::collections::{HashMap, HashSet};

use crate::actors::admission::Receipt;
use earcon_model::{Event, EventBody, KpiBatch, KpiName, Labels, Reading, Sample, Seq, SeriesBatch, SeriesEvent};

/// The samples that a log holds of the series of a batch.
pub(super) struct Taken {
    series: HashMap<(KpiName, Labels), TakenSeries>,
    kpis: HashSet<KpiName>,
}

#[derive(Default)]
struct TakenSeries {
    /// The last one of each timestamp.
    samples: HashMap<i64, Logged>,
    ended_at_ms: Option<i64>,
}

struct Logged {
    /// `None` for a counter: the log holds its rates, not its totals.
    value: Option<f64>,
    late: bool,
    seq: Seq,
}

impl Taken {
    /// Looks for the series of `batches`.
    pub(super) fn new(batches: &[KpiBatch]) -> Self {
        let all = batches.iter().flat_map(|batch| batch.series.iter().map(|series| (&batch.kpi, &series.labels)));
        Self {
            series: all.map(|(kpi, labels)| ((kpi.clone(), labels.clone()), TakenSeries::default())).collect(),
            kpis: batches.iter().map(|batch| batch.kpi.clone()).collect(),
        }
    }

    /// Adds an event of the log. Events come in their order.
    pub(super) fn add(&mut self, event: &Event) {
        let (Some(kpi), EventBody::Series(body)) = (event.kpi(), &event.body) else { return };
        if !self.kpis.contains(kpi) {
            return;
        }
        match body {
            SeriesEvent::Samples(all) | SeriesEvent::Backfilled(all) => {
                for entry in all {
                    let Some(found) = self.series.get_mut(&(kpi.clone(), entry.labels.clone())) else { continue };
                    let counts = entry.counter.is_some();
                    let mut add = |timestamp_ms, value, late| {
                        let value = (!counts).then_some(value);
                        found.samples.insert(timestamp_ms, Logged { value, late, seq: event.seq });
                    };
                    let start = entry.counter.and_then(|counter| counter.start);
                    start.iter().for_each(|start| add(start.timestamp_ms, start.value, false));
                    entry.samples.iter().for_each(|scored| add(scored.timestamp_ms, scored.value, false));
                    entry.late.iter().for_each(|late| add(late.timestamp_ms, late.value, true));
                }
            }
            SeriesEvent::Ended { labels, timestamp_ms } => {
                if let Some(found) = self.series.get_mut(&(kpi.clone(), labels.clone())) {
                    found.ended_at_ms = found.ended_at_ms.max(Some(*timestamp_ms));
                }
            }
            SeriesEvent::Stalled { .. } | SeriesEvent::Restored { .. } => {}
        }
    }

    /// Removes from `batches` what the log holds, and adds it to the receipt.
    pub(super) fn remove_from(&self, batches: Vec<KpiBatch>, receipt: &mut Receipt) -> Vec<KpiBatch> {
        let mut rest = Vec::new();
        for KpiBatch { kpi, series } in batches {
            let series: Vec<SeriesBatch> = series
                .into_iter()
                .filter_map(|batch| match self.series.get(&(kpi.clone(), batch.labels.clone())) {
                    Some(taken) => taken.remove_from(batch, receipt),
                    None => Some(batch),
                })
                .collect();
            if !series.is_empty() {
                rest.push(KpiBatch { kpi, series });
            }
        }
        rest
    }
}

impl TakenSeries {
    fn remove_from(&self, mut batch: SeriesBatch, receipt: &mut Receipt) -> Option<SeriesBatch> {
        // A batch may have several values for one timestamp; the last one counts.
        let last: HashMap<i64, f64> =
            batch.rows.iter().map(|(_, sample)| (sample.timestamp_ms, sample.value)).collect();
        batch.rows.retain(|(_, Sample { timestamp_ms, .. })| {
            let Some(logged) = self.samples.get(timestamp_ms) else { return true };
            let same = |value: f64| last.get(timestamp_ms).is_some_and(|last| *last == value);
            let taken = match batch.reading {
                Reading::Counter => logged.value.is_none(),
                Reading::Gauge => logged.value.is_some_and(same),
            };
            if taken {
                receipt.accepted += 1;
                receipt.late += u64::from(logged.late);
                receipt.seq = receipt.seq.max(logged.seq);
            }
            !taken
        });
        batch.ended_at_ms = batch.ended_at_ms.filter(|ended| self.ended_at_ms.is_none_or(|logged| logged < *ended));
        (!batch.rows.is_empty() || batch.ended_at_ms.is_some()).then_some(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::{CounterSamples, ScoredSample, SeriesSamples, SeriesStatus};

    fn labels(text: &str) -> Labels {
        Labels::parse(text).unwrap()
    }

    fn kpi(name: &str) -> KpiName {
        KpiName::new(name).unwrap()
    }

    fn rows(samples: &[(i64, f64)]) -> Vec<(u32, Sample)> {
        (0..)
            .zip(samples.iter().map(|(timestamp_ms, value)| Sample { timestamp_ms: *timestamp_ms, value: *value }))
            .collect()
    }

    fn batch(name: &str, samples: &[(i64, f64)]) -> KpiBatch {
        KpiBatch { kpi: kpi(name), series: vec![SeriesBatch::gauge(labels("k:v"), rows(samples))] }
    }

    fn logged(seq: Seq, name: &str, samples: &[(i64, f64)], late: &[(i64, f64)]) -> Event {
        let scored = |(timestamp_ms, value): &(i64, f64)| ScoredSample {
            timestamp_ms: *timestamp_ms,
            value: *value,
            score: None,
            expected: f64::NAN,
            lower: f64::NAN,
            upper: f64::NAN,
        };
        let entry = SeriesSamples {
            labels: labels("k:v"),
            samples: samples.iter().map(scored).collect(),
            late: rows(late).into_iter().map(|(_, sample)| sample).collect(),
            features: None,
            status: SeriesStatus::Normal,
            counter: None,
            looks_like: None,
        };
        Event::new(seq, 0, kpi(name), SeriesEvent::Samples(vec![entry]))
    }

    /// What is left of the batches, and the receipt for the rest.
    fn check(batches: Vec<KpiBatch>, events: &[Event]) -> (Vec<KpiBatch>, Receipt) {
        let mut taken = Taken::new(&batches);
        events.iter().for_each(|event| taken.add(event));
        let mut receipt = Receipt::default();
        (taken.remove_from(batches, &mut receipt), receipt)
    }

    #[test]
    fn batch_that_the_log_lacks_stays_whole() {
        let batches = vec![batch("a", &[(1, 1.0)]), batch("b", &[(1, 1.0)])];
        let (rest, receipt) =
            check(batches.clone(), &[logged(7, "c", &[(1, 1.0)], &[]), logged(8, "a", &[(0, 1.0)], &[])]);
        assert_eq!((rest, receipt), (batches, Receipt::default()));
    }

    #[test]
    fn samples_in_the_log_are_not_sent_again() {
        let batches = vec![batch("a", &[(1, 1.0), (2, 2.0), (3, 3.0)]), batch("b", &[(1, 1.0)])];
        let events = [logged(7, "a", &[(2, 2.0)], &[(1, 1.0)]), logged(9, "b", &[(1, 1.0)], &[])];
        let (rest, receipt) = check(batches, &events);
        assert_eq!(rest.iter().flat_map(|batch| &batch.series[0].rows).map(|row| row.0).collect::<Vec<_>>(), [2]);
        assert_eq!((receipt.accepted, receipt.late, receipt.seq), (3, 1, 9));
    }

    #[test]
    fn correction_of_a_logged_sample_is_sent() {
        let events = [logged(7, "a", &[(1, 1.0)], &[]), logged(8, "a", &[], &[(1, 2.0)])];
        let (rest, _) = check(vec![batch("a", &[(1, 1.0)])], &events);
        assert_eq!(rest, [batch("a", &[(1, 1.0)])], "the log ends with the other value");
        let twice = batch("a", &[(1, 1.0), (1, 2.0)]);
        let (rest, receipt) = check(vec![twice], &events);
        assert_eq!((rest.len(), receipt.accepted), (0, 2), "the last of both is in the log");
    }

    #[test]
    fn totals_and_ends_of_series_are_found() {
        let mut counter = batch("a", &[(1, 10.0), (2, 30.0), (3, 60.0)]);
        counter.series[0].reading = Reading::Counter;
        counter.series[0].ended_at_ms = Some(5);
        let mut event = logged(7, "a", &[(2, 20.0)], &[]);
        let EventBody::Series(SeriesEvent::Samples(entries)) = &mut event.body else { panic!() };
        let start = Some(Sample { timestamp_ms: 1, value: 10.0 });
        entries[0].counter = Some(CounterSamples { start, raw: Some(30.0), late: 0 });
        let (rest, _) = check(vec![counter.clone()], &[event.clone()]);
        let left = &rest[0].series[0];
        assert_eq!((left.rows[0].0, left.rows.len(), left.ended_at_ms), (2, 1, Some(5)));
        let ended = SeriesEvent::Ended { labels: labels("k:v"), timestamp_ms: 5 };
        let (rest, _) = check(vec![counter], &[event, Event::new(8, 0, kpi("a"), ended)]);
        assert_eq!(rest[0].series[0].ended_at_ms, None);
    }
}
