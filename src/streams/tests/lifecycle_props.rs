//! The properties of `invariants` for counters, changes of reading, ends of series and history.

use proptest::prelude::*;

use super::signals::{START, fresh, labelled};
use crate::KpiState;
use earcon_model::{AnomalyEvent, Event, EventBody, Labels, Reading, SeriesBatch, SeriesEvent};

#[derive(Debug, Clone, Copy)]
enum Act {
    Sample(Reading, f64),
    End,
}

type Row = (u8, i64, Act);

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let step = prop_oneof![20 => Just(1_000i64), 3 => 0..5_000i64, 2 => -9_000..0i64, 1 => 50_000..10_000_000i64];
    let value = prop_oneof![20 => 0.0..1e4f64, 1 => -1e3..1e6f64, 1 => prop::num::f64::ANY];
    let act = prop_oneof![
        30 => value.clone().prop_map(|value| Act::Sample(Reading::Counter, value)),
        2 => value.prop_map(|value| Act::Sample(Reading::Gauge, value)),
        2 => Just(Act::End),
    ];
    prop::collection::vec((0u8..3, step, act), 1..300).prop_map(|rows| {
        let mut at = START;
        rows.into_iter()
            .map(|(series, step, act)| {
                at += step;
                (series, at, act)
            })
            .collect()
    })
}

const NOW: i64 = START + 5_000_000_000;

fn batches(rows: &[Row]) -> Vec<SeriesBatch> {
    let batch = |&(series, at, act): &Row| {
        let labels = format!("s:{series}");
        match act {
            Act::Sample(reading, value) => SeriesBatch { reading, ..labelled(&labels, [(at, value)]) },
            Act::End => SeriesBatch { ended_at_ms: Some(at), ..labelled(&labels, []) },
        }
    };
    // Like a sender: neighbours of one kind share a batch, which may end with the end of the
    // series.
    let mut batches: Vec<SeriesBatch> = Vec::new();
    for next in rows.iter().map(batch) {
        match batches.last_mut() {
            Some(last) if last.labels == next.labels && last.ended_at_ms.is_none() && last.reading == next.reading => {
                last.rows.extend(next.rows);
                last.ended_at_ms = next.ended_at_ms;
            }
            _ => batches.push(next),
        }
    }
    batches
}

/// All results for each series in order, independent of the batches.
fn essence(bodies: &[EventBody]) -> Vec<(Labels, Vec<String>, Vec<String>, u32)> {
    let mut all: Vec<(Labels, Vec<String>, Vec<String>, u32)> = Vec::new();
    fn entry_of<'a>(
        all: &'a mut Vec<(Labels, Vec<String>, Vec<String>, u32)>,
        labels: &Labels,
    ) -> &'a mut (Labels, Vec<String>, Vec<String>, u32) {
        let at = all.iter().position(|one| one.0 == *labels).unwrap_or_else(|| {
            all.push((labels.clone(), Vec::new(), Vec::new(), 0));
            all.len() - 1
        });
        &mut all[at]
    }
    for body in bodies {
        match body {
            EventBody::Series(SeriesEvent::Samples(parts)) | EventBody::Series(SeriesEvent::Backfilled(parts)) => {
                for part in parts {
                    let one = entry_of(&mut all, &part.labels);
                    one.1
                        .extend(part.counter.and_then(|counter| counter.start).map(|start| format!("start {start:?}")));
                    one.1.extend(part.samples.iter().map(|sample| format!("{sample:?}")));
                    one.1.extend(part.late.iter().map(|sample| format!("late {sample:?}")));
                    one.3 += part.counter.map_or(0, |counter| counter.late);
                }
            }
            EventBody::Anomaly(AnomalyEvent::Opened(anomaly))
            | EventBody::Anomaly(AnomalyEvent::Updated(anomaly))
            | EventBody::Anomaly(AnomalyEvent::Closed(anomaly)) => {
                entry_of(&mut all, &anomaly.labels).2.push(format!("{body:?}"));
            }
            EventBody::Series(SeriesEvent::Ended { labels, .. })
            | EventBody::Series(SeriesEvent::Restored { labels, .. }) => {
                entry_of(&mut all, labels).2.push(format!("{body:?}"));
            }
            other => panic!("{other:?}"),
        }
    }
    // Late samples of gauges come after all others of their batch.
    all.iter_mut().for_each(|one| one.1.sort());
    all.sort();
    all
}

fn restored(bytes: &[u8]) -> KpiState {
    let KpiState { workspace, kpi, settings, .. } = fresh();
    KpiState::restore(workspace, kpi, settings, bytes).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cutting_into_other_batches_changes_nothing(rows in rows(), cuts in prop::collection::vec(1usize..40, 1..20), history: bool) {
        let take = |state: &mut KpiState, rows: &[Row]| {
            let batches = batches(rows);
            if history { state.backfill(&batches, NOW) } else { state.push(&batches, NOW) }
        };
        let (mut at_once, mut cut) = (fresh(), fresh());
        let whole = take(&mut at_once, &rows);
        let (mut pieces, mut accepted, mut late) = (Vec::new(), 0, 0);
        let mut rest = &rows[..];
        for len in cuts.iter().cycle() {
            let (head, tail) = rest.split_at((*len).min(rest.len()));
            let pushed = take(&mut cut, head);
            pieces.extend(pushed.bodies);
            accepted += pushed.accepted;
            late += pushed.late;
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(cut.snapshot(), at_once.snapshot());
        prop_assert_eq!((accepted, late), (whole.accepted, whole.late));
        prop_assert_eq!(essence(&pieces), essence(&whole.bodies));
    }

    #[test]
    fn replaying_the_log_leads_to_the_live_state(rows in rows(), pushes in 1usize..40, history in 0usize..40, split in 0.0..1.0f64) {
        let mut live = fresh();
        let mut events: Vec<Event> = Vec::new();
        let mut middle = (live.snapshot(), 0);
        for (i, chunk) in rows.chunks(rows.len().div_ceil(pushes)).enumerate() {
            let now = chunk.iter().map(|row| row.1).max().unwrap_or(START) + i as i64;
            let mut bodies = live.check_stalls(now);
            let batches = batches(chunk);
            bodies.extend(if i < history % pushes { live.backfill(&batches, now) } else { live.push(&batches, now) }.bodies);
            for body in bodies {
                // As the log stores it.
                let bytes = postcard::to_stdvec(&body).unwrap();
                let body: EventBody = postcard::from_bytes(&bytes).unwrap();
                events.push(Event::new(events.len() as u64 + 1, now, fresh().kpi().clone(), body));
            }
            if (i as f64) < split * pushes as f64 {
                middle = (live.snapshot(), events.len());
            }
        }
        let mut replayed = fresh();
        events.iter().for_each(|event| replayed.replay(event));
        prop_assert_eq!(replayed.snapshot(), live.snapshot());
        let mut from_snapshot = restored(&middle.0);
        events[middle.1..].iter().for_each(|event| from_snapshot.replay(event));
        prop_assert_eq!(from_snapshot.snapshot(), live.snapshot());
        let again = live.push(&batches(&rows), NOW);
        prop_assert_eq!(format!("{again:?}"), format!("{:?}", replayed.push(&batches(&rows), NOW)));
    }
}
