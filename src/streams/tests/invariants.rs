//! Properties for every input: batches do not matter, replay is exact, snapshots lose nothing.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::signals::{START, fresh, labelled, with};
use crate::{DetectorName, KpiState, StreamOptions, StreamSettings};
use earcon_model::{
    Acknowledgement, AnomalyEvent, AnomalyId, Deletion, DeletionScope, Event, EventBody, EventType, Feedback,
    FeedbackOutcome, KpiEvent, Labels, SeriesBatch, SeriesEvent,
};

/// Samples of a few series, mostly ordinary, with spikes, duplicates, stragglers, gaps and extreme
/// values.
fn rows() -> impl Strategy<Value = Vec<(u8, i64, f64)>> {
    let step = prop_oneof![20 => Just(1_000i64), 2 => 0..5_000i64, 1 => -20_000..0i64, 1 => 50_000..10_000_000i64];
    let value = prop_oneof![
        30 => 0.0..10.0f64,
        10 => (0i32..3).prop_map(f64::from),
        2 => -1e6..1e6f64,
        1 => prop::num::f64::ANY,
    ];
    prop::collection::vec((0u8..3, step, value), 1..400).prop_map(|rows| {
        let mut at = START;
        rows.into_iter()
            .map(|(series, step, value)| {
                at += step;
                (series, at, value)
            })
            .collect()
    })
}

/// Later than every timestamp of `rows`.
const NOW: i64 = START + 5_000_000_000;

fn single(&(series, at, value): &(u8, i64, f64)) -> SeriesBatch {
    labelled(&format!("s:{series}"), [(at, value)])
}

/// Whether the announced check is no later than the first stall. It may be earlier: after a series
/// sends again, the state keeps the earlier time.
fn stalls_are_not_missed(state: &KpiState) -> bool {
    let mut scanned = state.clone();
    scanned.find_next_stall();
    scanned.next_stall_at().is_none_or(|exact| state.next_stall_at().is_some_and(|announced| announced <= exact))
}

/// The contents of the bodies, independent of the batches: all scored samples, and all else in
/// order.
fn essence(bodies: &[EventBody]) -> (Vec<String>, Vec<String>) {
    let (mut samples, mut others) = (Vec::new(), Vec::new());
    for body in bodies {
        match body {
            EventBody::Series(SeriesEvent::Samples(all)) => {
                for one in all {
                    samples.extend(one.samples.iter().map(|s| format!("{} {s:?}", one.labels)));
                    samples.extend(one.late.iter().map(|s| format!("{} late {s:?}", one.labels)));
                }
            }
            other => others.push(format!("{other:?}")),
        }
    }
    samples.sort();
    (samples, others)
}

/// Batches of one push in the order of the rows; consecutive rows of a series share a batch.
fn grouped(rows: &[(u8, i64, f64)]) -> Vec<SeriesBatch> {
    rows.chunk_by(|a, b| a.0 == b.0)
        .map(|run| labelled(&format!("s:{}", run[0].0), run.iter().map(|row| (row.1, row.2))))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn cutting_into_other_batches_changes_nothing(rows in rows(), cuts in prop::collection::vec(1usize..60, 1..20)) {
        let (mut one_by_one, mut at_once, mut cut) = (fresh(), fresh(), fresh());
        let mut singles = Vec::new();
        for row in &rows {
            singles.extend(one_by_one.push(&[single(row)], NOW).bodies);
        }
        let whole = at_once.push(&grouped(&rows), NOW).bodies;
        let mut pieces = Vec::new();
        let mut rest = &rows[..];
        for len in cuts.iter().cycle() {
            let (head, tail) = rest.split_at((*len).min(rest.len()));
            pieces.extend(cut.push(&grouped(head), NOW).bodies);
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(one_by_one.snapshot(), at_once.snapshot());
        prop_assert_eq!(cut.snapshot(), at_once.snapshot());
        prop_assert_eq!(essence(&singles), essence(&whole));
        prop_assert_eq!(essence(&pieces), essence(&whole));
    }

    #[test]
    fn a_snapshot_and_the_rest_equal_the_whole_run(rows in rows(), share in 0.0..1.0f64) {
        let (before, after) = rows.split_at((rows.len() as f64 * share) as usize);
        let mut whole = fresh();
        whole.push(&grouped(before), NOW);
        let bytes = whole.snapshot();
        let mut resumed = restored(&bytes);
        prop_assert_eq!(&resumed.snapshot(), &bytes);
        prop_assert!(stalls_are_not_missed(&resumed) && stalls_are_not_missed(&whole));
        let live = whole.push(&grouped(after), NOW);
        let again = resumed.push(&grouped(after), NOW);
        prop_assert_eq!(format!("{live:?}"), format!("{again:?}"));
        prop_assert_eq!(resumed.snapshot(), whole.snapshot());
    }

    #[test]
    fn replaying_the_log_leads_to_the_live_state(rows in rows(), pushes in 1usize..40, split in 0.0..1.0f64) {
        let mut live = fresh();
        let mut log = Log::default();
        let mut middle = (live.snapshot(), 0);
        let size = rows.len().div_ceil(pushes);
        for (i, chunk) in rows.chunks(size).enumerate() {
            let now = chunk.iter().map(|row| row.1).max().unwrap_or(START) + i as i64;
            // Stalls happen between pushes, acknowledgements right after them.
            log.record(live.check_stalls(now), now);
            log.record(live.push(&grouped(chunk), now).bodies, now);
            let acknowledged = acknowledge_open(&mut live, now);
            log.record(acknowledged, now);
            let feedback = feedback_on_newest(&mut live, &log, now);
            log.record(feedback, now);
            if (i as f64) < split * pushes as f64 {
                middle = (live.snapshot(), log.events.len());
            }
        }
        let mut replayed = fresh();
        log.events.iter().for_each(|event| replayed.replay(event));
        prop_assert_eq!(replayed.snapshot(), live.snapshot());
        prop_assert!(stalls_are_not_missed(&replayed) && stalls_are_not_missed(&live));

        let mut from_snapshot = restored(&middle.0);
        log.events[middle.1..].iter().for_each(|event| from_snapshot.replay(event));
        prop_assert_eq!(from_snapshot.snapshot(), live.snapshot());
        prop_assert!(stalls_are_not_missed(&from_snapshot));
    }
}

#[test]
fn replay_covers_every_kind_of_event() {
    let mut live = fresh();
    let mut log = Log::default();
    let value = |i: i64| if (600..630).contains(&i) { 900.0 + i as f64 } else { (i * 7 % 11) as f64 };
    let mut now = START;
    for i in 0..1_000 {
        // A silence of a quarter of an hour, acknowledged in the middle.
        if i == 800 {
            now += 450_000;
            log.record(live.check_stalls(now), now);
            now += 450_000;
        }
        now += 1_000;
        log.record(live.push(&[labelled("s:0", [(now, value(i)), (now - 1_500, 0.0)])], now).bodies, now);
        if i == 900 {
            now += 1_000;
            let ended = SeriesBatch { ended_at_ms: Some(now), ..labelled("s:0", []) };
            log.record(live.push(&[ended], now).bodies, now);
            let history = labelled("s:1", (0..50).map(|i| (START + i * 1_000, 1.0)));
            log.record(live.backfill(&[history], now).bodies, now);
        }
        let acknowledged = if i == 605 { acknowledge_open(&mut live, now) } else { Vec::new() };
        log.record(acknowledged, now);
        if i % 300 == 250 {
            let scope = DeletionScope::Series { labels: Labels::parse("s:2").unwrap() };
            let closed = live.delete(&scope).into_iter().map(EventBody::Anomaly);
            let deleted = KpiEvent::Deleted(Deletion { scope, by: "ann".into() });
            log.record(closed.chain([deleted.into()]).collect(), now);
        }
        let feedback = if i % 200 == 199 { feedback_on_newest(&mut live, &log, now) } else { Vec::new() };
        log.record(feedback, now);
    }
    let kinds: BTreeSet<_> = log.events.iter().map(|event| event.body.event_type()).collect();
    use EventType::{
        DetectorChanged, DetectorTrained, IncidentClosed, IncidentOpened, IncidentUpdated, KpiParked, KpiResumed,
    };
    let of_others =
        [KpiParked, KpiResumed, IncidentOpened, IncidentUpdated, IncidentClosed, DetectorChanged, DetectorTrained];
    assert!(EventType::ALL.iter().all(|kind| of_others.contains(kind) || kinds.contains(kind)), "{kinds:?}");

    let mut replayed = fresh();
    for (i, event) in log.events.iter().enumerate() {
        replayed.replay(event);
        if i % 97 == 0 {
            replayed = restored(&replayed.snapshot());
        }
    }
    assert_eq!(replayed.snapshot(), live.snapshot());
}

#[test]
fn first_acknowledgement_stays_with_the_episode() {
    let mut state = fresh();
    let spike = (0..600).map(|i| (START + i * 1_000, if i == 599 { 900.0 } else { (i * 7 % 11) as f64 }));
    state.push(&[labelled("s:0", spike)], NOW);
    let id = state.series().next().unwrap().anomaly.unwrap().id;
    let by = |who: &str| Acknowledgement { at_ms: NOW, by: who.into(), note: None };
    assert!(state.acknowledge(id, &by("first")));
    assert!(state.acknowledge(id, &by("second")));
    assert!(!state.acknowledge(AnomalyId(Default::default()), &by("third")));
    let calm = (600..700).map(|i| (START + i * 1_000, (i * 7 % 11) as f64));
    let bodies = state.push(&[labelled("s:0", calm)], NOW).bodies;
    let Some(EventBody::Anomaly(AnomalyEvent::Closed(closed))) = bodies.last() else { panic!("{bodies:?}") };
    assert_eq!((closed.id, &closed.acknowledged), (id, &Some(by("first"))));
    assert!(!state.acknowledge(id, &by("late")), "it is not open any more");
}

/// A change of these numbers changes scores of past samples or stored bytes. The detector then
/// needs a new version, or the snapshot a new format.
#[test]
fn scores_and_snapshots_of_this_version_are_pinned() {
    let pinned = [(DetectorName::SeasonReach, (8_951_819_460_617_226_944, 2_266_185_287_561_397_079))];
    assert_eq!(pinned.map(|(detector, _)| (detector, score_and_state_hashes(detector))), pinned);
}

/// Hashes of the events that a detector causes for a series, in their stored form, and of its final
/// state.
fn score_and_state_hashes(detector: DetectorName) -> (u64, u64) {
    let mut state = with(StreamSettings::try_from(StreamOptions::for_detector(detector)).unwrap());
    let mut dice = 1u64;
    let value = |i: i64| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let noise = (dice >> 40) as f64;
        (START + i * 600_000, if i % 701 == 700 { noise * 40.0 } else { noise * (1.0 + (i / 72 % 2) as f64) })
    };
    let bodies = state.push(&[labelled("s:0", (0..3_000).map(value))], NOW).bodies;
    assert!(bodies.iter().any(|body| matches!(body, EventBody::Anomaly(AnomalyEvent::Closed(_)))));
    let scores = xxhash_rust::xxh3::xxh3_64(&postcard::to_stdvec(&bodies).unwrap());
    let snapshot = xxhash_rust::xxh3::xxh3_64(&state.snapshot());
    (scores, snapshot)
}

#[derive(Default)]
struct Log {
    events: Vec<Event>,
}

impl Log {
    fn record(&mut self, bodies: Vec<EventBody>, time_ms: i64) {
        for body in bodies {
            let seq = self.events.len() as u64 + 1;
            self.events.push(Event::new(seq, time_ms, fresh().kpi().clone(), body));
        }
    }
}

fn acknowledge_open(state: &mut KpiState, now_ms: i64) -> Vec<EventBody> {
    let open: Vec<_> = state.series().filter_map(|s| s.anomaly.map(|a| (a.id, s.labels.clone()))).collect();
    let acknowledgement = Acknowledgement { at_ms: now_ms, by: "me".into(), note: None };
    open.into_iter()
        .map(|(id, labels)| {
            assert!(state.acknowledge(id, &acknowledgement));
            EventBody::Anomaly(AnomalyEvent::Acknowledged { id, labels, acknowledgement: acknowledgement.clone() })
        })
        .collect()
}

/// Feedback on the anomaly of the newest anomaly event in the log, open or not.
fn feedback_on_newest(state: &mut KpiState, log: &Log, now_ms: i64) -> Vec<EventBody> {
    let newest = log.events.iter().rev().find_map(|event| match &event.body {
        EventBody::Anomaly(AnomalyEvent::Opened(anomaly)) | EventBody::Anomaly(AnomalyEvent::Closed(anomaly)) => {
            Some(anomaly.clone())
        }
        _ => None,
    });
    let Some(anomaly) = newest else { return Vec::new() };
    let outcome = if log.events.len().is_multiple_of(3) { FeedbackOutcome::Real } else { FeedbackOutcome::False };
    let feedback = Feedback { outcome, at_ms: now_ms, by: "me".into(), note: None };
    let sensitivity = state.record_feedback(anomaly.id, &anomaly.labels, &feedback);
    assert!((0.499..2.001).contains(&sensitivity), "{sensitivity}");
    vec![EventBody::Anomaly(AnomalyEvent::Feedback { id: anomaly.id, labels: anomaly.labels, feedback, sensitivity })]
}

#[test]
fn false_feedback_lowers_sensitivity_until_taken_back() {
    let value = |i: i64| if i == 599 { 24.0 } else { (i * 7 % 11) as f64 };
    let rows = |range: std::ops::Range<i64>| labelled("s:0", range.map(|i| (START + i * 1_000, value(i))));
    let mut state = fresh();
    state.push(&[rows(0..599)], NOW);
    let untouched = state.clone();
    let record = |state: &mut KpiState, outcome| {
        for number in 0..5u128 {
            let feedback = Feedback { outcome, at_ms: NOW, by: "me".into(), note: None };
            state.record_feedback(AnomalyId(uuid::Uuid::from_u128(number)), &rows(0..0).labels, &feedback);
        }
    };
    let peak = |state: &KpiState| {
        let mut state = state.clone();
        state.push(&[rows(599..600)], NOW);
        state.series().next().unwrap().last.unwrap().score.unwrap()
    };
    record(&mut state, FeedbackOutcome::False);
    let calmer = peak(&state);
    assert!(calmer < peak(&untouched), "{calmer}");
    assert_eq!(state.series().next().unwrap().sensitivity, 0.5);
    record(&mut state, FeedbackOutcome::Real);
    assert!(peak(&state) > peak(&untouched) || peak(&untouched) == 1.0);
    record(&mut state, FeedbackOutcome::False);
    assert_eq!(peak(&state), calmer, "changing feedback back restores the sensitivity");
    let stranger = Feedback { outcome: FeedbackOutcome::False, at_ms: NOW, by: "me".into(), note: None };
    assert_eq!(state.record_feedback(AnomalyId(uuid::Uuid::nil()), &labelled("s:9", []).labels, &stranger), 1.0);
}

fn restored(bytes: &[u8]) -> KpiState {
    let KpiState { workspace, kpi, settings, .. } = fresh();
    KpiState::restore(workspace, kpi, settings, bytes).unwrap()
}
