//! A shadow detector next to the live one.

use std::collections::BTreeMap;

use super::signals::{Dice, START, fresh, labelled};
use crate::{KpiState, Pushed, StreamSettings};
use earcon_model::{
    AnomalyEvent, DetectorEntry, DetectorEvent, DetectorRef, DetectorSlots, Event, EventBody, SeriesBatch,
};

const NOW: i64 = START + 5_000_000_000;

fn entry(name: &str, options: &[(&str, f64)]) -> DetectorRef {
    let options: BTreeMap<_, _> = options.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
    let (name, detector) = (name.to_owned(), "season-reach-1".to_owned());
    DetectorRef::Entry(Box::new(DetectorEntry { name, revision: 1, detector, options }))
}

fn shadowed(candidate: &DetectorRef) -> DetectorSlots {
    DetectorSlots { live: DetectorRef::Configured, shadow: Some(candidate.clone()) }
}

fn live_is(candidate: &DetectorRef) -> DetectorSlots {
    DetectorSlots { live: candidate.clone(), shadow: Some(DetectorRef::Configured) }
}

/// Noise with occasional spikes, each higher than all before, in two series, one of them a counter.
fn batches(from: usize, to: usize) -> Vec<SeriesBatch> {
    let mut dice = Dice::new(7);
    let values: Vec<f64> = (0..to).map(|_| dice.normal()).collect();
    let at = |i: usize| START + i as i64 * 1_000;
    let value = |i: usize| if i % 397 == 396 { 60.0 * 5f64.powi((i / 397) as i32) } else { 10.0 + values[i] };
    let gauge = labelled("s:0", (from..to).map(|i| (at(i), value(i))));
    let total = |i: usize| (0..=i).map(value).sum::<f64>();
    let counter = labelled("s:1", (from..to).map(|i| (at(i), total(i))));
    vec![gauge, SeriesBatch { reading: earcon_model::Reading::Counter, ..counter }]
}

fn step(state: &mut KpiState, from: usize, to: usize) -> (Pushed, crate::Observed) {
    let pushed = state.push(&batches(from, to), NOW);
    let observed = state.observe(&pushed.bodies);
    (pushed, observed)
}

fn anomalies(bodies: &[EventBody]) -> Vec<(String, i64)> {
    let opened = |body: &EventBody| match body {
        EventBody::Anomaly(AnomalyEvent::Opened(anomaly)) => Some((anomaly.detector.clone(), anomaly.opened_at_ms)),
        _ => None,
    };
    bodies.iter().filter_map(opened).collect()
}

#[test]
fn shadow_does_not_change_live_scores() {
    let (mut alone, mut watched) = (fresh(), fresh());
    assert!(watched.set_detectors(&shadowed(&entry("nervous", &[("sensitivity", 4.0)]))).unwrap());
    let mut shadow_alerts = 0;
    for from in (0..1_500).step_by(50) {
        let (pushed, observed) = step(&mut watched, from, from + 50);
        assert_eq!(format!("{pushed:?}"), format!("{:?}", step(&mut alone, from, from + 50).0));
        shadow_alerts += observed.alerts.len();
        // The first total of the counter measures nothing.
        assert_eq!(observed.samples, if from == 0 { 99 } else { 100 });
    }
    assert!(shadow_alerts > 0);
    watched.drop_shadow();
    assert_eq!(watched.snapshot(), alone.snapshot());
}

#[test]
fn promotion_and_rollback_keep_learned_state() {
    let candidate = entry("calm", &[("sensitivity", 0.9)]);
    let (mut always, mut never, mut switched) = (fresh(), fresh(), fresh());
    always.set_detectors(&live_is(&candidate)).unwrap();
    switched.set_detectors(&shadowed(&candidate)).unwrap();
    for state in [&mut always, &mut never, &mut switched] {
        // Well after a spike, so that nothing is open.
        step(state, 0, 700);
    }
    switched.set_detectors(&live_is(&candidate)).unwrap();
    let (actual, expected) = (step(&mut switched, 700, 1_500).0, step(&mut always, 700, 1_500).0);
    assert_eq!(actual.bodies, expected.bodies);
    let found = anomalies(&actual.bodies);
    assert!(found.iter().all(|(detector, _)| detector == "season-reach-1/calm@1") && found.len() >= 2, "{found:?}");

    step(&mut never, 700, 1_500);
    switched.set_detectors(&DetectorSlots::default()).unwrap();
    assert_eq!(step(&mut switched, 1_500, 2_200).0.bodies, step(&mut never, 1_500, 2_200).0.bodies);
}

#[test]
fn open_episode_survives_a_detector_change() {
    let mut state = fresh();
    let candidate = entry("calm", &[]);
    state.set_detectors(&shadowed(&candidate)).unwrap();
    step(&mut state, 0, 794);
    let open = state.series().next().unwrap().anomaly.cloned().expect("the spike has just opened one");
    state.set_detectors(&live_is(&candidate)).unwrap();
    assert_eq!(state.series().next().unwrap().anomaly, Some(&open));
    let bodies = step(&mut state, 794, 1_100).0.bodies;
    let closed = bodies.iter().find_map(|body| match body {
        EventBody::Anomaly(AnomalyEvent::Closed(anomaly)) if anomaly.id == open.id => Some(anomaly.detector.clone()),
        _ => None,
    });
    assert_eq!(closed, Some(StreamSettings::default().label().to_owned()), "it keeps the detector that found it");
}

#[test]
fn replay_with_detector_changes_gives_the_same_state() {
    let candidate = entry("nervous", &[("sensitivity", 3.0)]);
    let changes = [
        (200, shadowed(&candidate)),
        (650, live_is(&candidate)),
        (1_000, DetectorSlots::default()),
        (1_050, shadowed(&entry("other", &[("warm_up", 25.0)]))),
    ];
    let mut live = fresh();
    let mut events: Vec<Event> = Vec::new();
    let mut log = |bodies: Vec<EventBody>| {
        for body in bodies {
            // As the log stores it.
            let body: EventBody = postcard::from_bytes(&postcard::to_stdvec(&body).unwrap()).unwrap();
            events.push(Event::new(events.len() as u64 + 1, NOW, fresh().kpi().clone(), body));
        }
    };
    for from in (0..1_400).step_by(50) {
        if let Some((_, wanted)) = changes.iter().find(|(at, _)| *at == from) {
            assert!(live.set_detectors(wanted).unwrap());
            assert!(!live.set_detectors(wanted).unwrap(), "once is enough");
            log(vec![EventBody::Detector(DetectorEvent::Changed(Box::new(wanted.clone())))]);
        }
        log(step(&mut live, from, from + 50).0.bodies);
        if from == 1_200 {
            let ended = SeriesBatch { ended_at_ms: Some(NOW), ..labelled("s:0", []) };
            let pushed = live.push(&[ended], NOW);
            live.observe(&pushed.bodies);
            log(pushed.bodies);
        }
    }
    let mut replayed = fresh();
    for (i, event) in events.iter().enumerate() {
        replayed.replay(event);
        replayed.observe(std::slice::from_ref(&event.body));
        if i % 7 == 0 {
            let KpiState { workspace, kpi, base, .. } = fresh();
            replayed = KpiState::restore(workspace, kpi, base, &replayed.snapshot()).unwrap();
        }
    }
    assert_eq!(replayed.detectors(), live.detectors());
    assert_eq!(replayed.snapshot(), live.snapshot());
}

#[test]
fn training_is_imported_live_or_as_the_shadow() {
    let candidate = entry("calm", &[]);
    let mut trainee = fresh();
    trainee.set_detectors(&DetectorSlots { live: candidate.clone(), shadow: None }).unwrap();
    trainee.backfill(&batches(0, 1_000), NOW);
    let trained = trainee.trained();
    assert_eq!(trained.len(), 2);
    let late = {
        let mut late = fresh();
        late.set_detectors(&shadowed(&candidate)).unwrap();
        step(&mut late, 990, 995);
        late
    };
    let (mut early, mut shadow, mut live) = (late.clone(), late.clone(), late);
    assert_eq!(early.import_training(&candidate, trainee.detector(), &trained), 0, "it has seen later samples");
    for state in [&mut shadow, &mut live] {
        step(state, 995, 1_000);
    }
    assert_eq!(shadow.import_training(&candidate, "other-1", &trained), 0, "bytes of another algorithm");
    assert_eq!(shadow.import_training(&entry("other", &[]), trainee.detector(), &trained), 0);
    assert_eq!(shadow.import_training(&candidate, trainee.detector(), &trained), 2);
    live.set_detectors(&live_is(&candidate)).unwrap();
    assert_eq!(live.import_training(&candidate, trainee.detector(), &trained), 2);
    // From here on both are the imported detector.
    let as_trained = step(&mut live, 1_000, 1_300).0;
    assert_eq!(as_trained.bodies, step(&mut trainee, 1_000, 1_300).0.bodies);
    let observed = step(&mut shadow, 1_000, 1_300).1;
    assert_eq!(observed.alerts.len(), anomalies(&as_trained.bodies).len());
    assert!(!observed.alerts.is_empty());
}

#[test]
fn an_entry_that_cannot_be_run_changes_nothing() {
    let mut state = fresh();
    let before = state.snapshot();
    assert!(state.set_detectors(&live_is(&entry("calm", &[("colour", 1.0)]))).is_err());
    assert_eq!(state.snapshot(), before);
}
