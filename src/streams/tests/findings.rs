//! Evident anomalies are found, soon, and with the right reason.

use super::signals::{Dice, START, every, fresh};
use earcon_model::{Anomaly, AnomalyEvent, Direction, EventBody, Feature, SeriesEvent};

const SEEDS: u64 = 20;
const AFTER: usize = 150;
/// Five minutes. Faster series have wider edges.
const INTERVAL_MS: i64 = 300_000;

/// Values of a series, given the random generator and the number of the sample since the start of
/// the series or of the change.
type Course = fn(&mut Dice, usize) -> f64;

const ORDINARY: [(&str, Course); 3] = [
    ("gaussian", |dice, _| 100.0 + 5.0 * dice.normal()),
    ("busy", |dice, _| 3.0 + 2.0 * dice.normal().abs()),
    ("counts", |dice, _| dice.count(20.0)),
];

/// The first episode within `within` samples of the change, at most one for each seed.
fn found(history: usize, before: Course, change: impl Fn(f64, &mut Dice, usize) -> f64, within: usize) -> Vec<Anomaly> {
    let in_time = |seed| {
        let dice = &mut Dice::new(seed);
        let mut values: Vec<f64> = (0..history).map(|i| before(dice, i)).collect();
        values.extend((0..AFTER).map(|i| {
            let value = before(dice, history + i);
            change(value, dice, i)
        }));
        let bodies = fresh().push(&[every(INTERVAL_MS, &values)], START + 10_000_000_000).bodies;
        let from = START + history as i64 * INTERVAL_MS;
        let window = from..from + within as i64 * INTERVAL_MS;
        bodies.into_iter().find_map(|body| match body {
            EventBody::Anomaly(AnomalyEvent::Opened(anomaly)) if window.contains(&anomaly.opened_at_ms) => {
                Some(*anomaly)
            }
            _ => None,
        })
    };
    (0..SEEDS).filter_map(in_time).collect()
}

#[track_caller]
fn assert_found(anomalies: &[Anomaly], share: f64, what: &str) {
    let got = anomalies.len() as f64 / SEEDS as f64;
    assert!(got >= share, "{what}: found in {got} of the series");
}

#[test]
fn a_spike_is_found_at_once_and_above() {
    for (name, before) in ORDINARY {
        for history in [150, 1_000, 5_000] {
            let anomalies = found(history, before, |v, _, i| if i == 0 { v + 60.0 } else { v }, 1);
            assert_found(&anomalies, 0.95, &format!("{name} after {history}"));
            assert!(anomalies.iter().all(|a| a.direction == Direction::Above && a.peak_value > a.peak_upper));
        }
    }
}

#[test]
fn a_dip_is_found_at_once_and_below() {
    let anomalies = found(1_000, ORDINARY[0].1, |v, _, i| if i == 0 { v - 60.0 } else { v }, 1);
    assert_found(&anomalies, 0.95, "dip");
    assert!(anomalies.iter().all(|a| a.direction == Direction::Below && a.peak_value < a.peak_lower));
}

#[test]
fn level_shift_is_found_without_extreme_values() {
    for (name, before) in ORDINARY {
        let shift = if name == "busy" { 8.0 } else { 21.0 };
        assert_found(&found(2_000, before, |v, _, _| v + shift, 20), 0.8, name);
    }
}

#[test]
fn noisy_series_that_freezes_is_found_by_its_flatline() {
    for (name, before) in ORDINARY {
        // Within the range of the values, so that only the flatline is unusual.
        let stuck_at = match name {
            "gaussian" => 101.0,
            "busy" => 5.0,
            _ => 20.0,
        };
        // Where values repeat, two days are needed.
        for history in [600, 3_000] {
            // In one series an episode is open already.
            let anomalies = found(history, before, |_, _, _| stuck_at, 60);
            assert_found(&anomalies, 0.95, &format!("{name} after {history}"));
            let still = |a: &&Anomaly| a.reason == Feature::Volatility && a.peak_value == stuck_at;
            let flatlines = anomalies.iter().filter(still).count();
            assert!(flatlines as f64 >= 0.75 * anomalies.len() as f64, "{name} after {history}: {anomalies:?}");
        }
    }
}

#[test]
fn a_change_of_the_variance_is_found() {
    let anomalies = found(1_000, ORDINARY[0].1, |_, dice, _| 100.0 + 20.0 * dice.normal(), 60);
    assert_found(&anomalies, 0.95, "four times the deviation");
}

#[test]
fn leaving_a_constant_value_is_found_after_a_long_record() {
    let leave = |_: f64, _: &mut Dice, i: usize| if i == 0 { 43.0 } else { 42.0 };
    assert_found(&found(1_500, |_, _| 42.0, leave, 1), 1.0, "after 1500");
    assert_eq!(found(60, |_, _| 42.0, leave, 1).len(), 0, "the record of a minute is too short");
}

#[test]
fn a_new_level_is_one_episode_that_ends() {
    for factor in [1e6, 1e-6, -1.0, 0.0] {
        let dice = &mut Dice::new(3);
        let value = |dice: &mut Dice| 100.0 + 5.0 * dice.normal();
        let mut values: Vec<f64> = (0..1_000).map(|_| value(dice)).collect();
        // The level is accepted after two hours.
        values.extend((0..9_000).map(|_| factor * value(dice)));
        let bodies = fresh().push(&[every(1_000, &values)], START + 1_000_000_000).bodies;
        let count = |name| bodies.iter().filter(|body| body.event_type().as_str() == name).count();
        assert!((1..=2).contains(&count("anomaly.opened")), "times {factor}: {}", count("anomaly.opened"));
        assert_eq!(count("anomaly.opened"), count("anomaly.closed"), "times {factor}");
        // One a minute while the level is not accepted.
        assert!(count("anomaly.updated") <= 130, "times {factor}: {}", count("anomaly.updated"));
        let EventBody::Series(SeriesEvent::Samples(all)) = &bodies[0] else { panic!("samples come first") };
        let last = all[0].samples.last().unwrap();
        assert!((last.expected - factor * 100.0).abs() <= 30.0 * factor.abs() + 3.0, "times {factor}: {last:?}");
    }
}

#[test]
fn a_counter_reset_is_one_episode() {
    let values: Vec<f64> = (0..1_000).chain(0..9_000).map(|i| f64::from(i) * 7.0).collect();
    let bodies = fresh().push(&[every(1_000, &values)], START + 1_000_000_000).bodies;
    let opened: Vec<_> =
        bodies.iter().filter(|body| matches!(body, EventBody::Anomaly(AnomalyEvent::Opened(_)))).collect();
    assert_eq!(opened.len(), 1, "{opened:?}");
    assert!(bodies.iter().any(|body| matches!(body, EventBody::Anomaly(AnomalyEvent::Closed(_)))));
}
