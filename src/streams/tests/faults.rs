//! What a fault does to the baseline, and which faults are seen that no single value shows.

use super::signals::{Dice, START, labelled, with};
use crate::StreamSettings;
use earcon_model::{Anomaly, AnomalyEvent, Direction, EventBody, Feature, ScoredSample, SeriesEvent};

const MINUTE: i64 = 60_000;
const DAY: usize = 1_440;

/// The scored samples and the anomalies of a series with one value every `interval_ms`.
fn run(interval_ms: i64, values: impl IntoIterator<Item = f64>) -> (Vec<ScoredSample>, Vec<Anomaly>) {
    let rows: Vec<(i64, f64)> =
        values.into_iter().enumerate().map(|(i, value)| (START + i as i64 * interval_ms, value)).collect();
    let now = START + rows.len() as i64 * interval_ms;
    let (mut samples, mut opened) = (Vec::new(), Vec::new());
    for body in with(StreamSettings::default()).push(&[labelled("", rows)], now).bodies {
        match body {
            EventBody::Series(SeriesEvent::Samples(all)) => samples.extend(all.into_iter().flat_map(|one| one.samples)),
            EventBody::Anomaly(AnomalyEvent::Opened(anomaly)) => opened.push(*anomaly),
            _ => {}
        }
    }
    (samples, opened)
}

fn row_of(anomaly: &Anomaly, interval_ms: i64) -> usize {
    ((anomaly.opened_at_ms - START) / interval_ms) as usize
}

#[test]
fn the_expected_value_is_back_at_once_after_a_fault() {
    for minutes in [5, 30, 100] {
        let mut dice = Dice::new(5);
        let fault = 2_000..2_000 + minutes;
        let values = (0..2_200).map(|i| if fault.contains(&i) { 300.0 } else { 100.0 + 5.0 * dice.normal() });
        let (samples, opened) = run(MINUTE, values.collect::<Vec<_>>());
        let after = &samples[2_000 + minutes];
        assert!((after.expected - 100.0).abs() < 20.0, "after {minutes} minutes: {after:?}");
        assert!(after.score < Some(0.5), "the first ordinary value is ordinary: {after:?}");
        assert_eq!(opened.len(), 1, "after {minutes} minutes");
    }
}

#[test]
fn moderate_fault_of_the_first_day_does_not_pull_the_expected_value() {
    for (seed, minutes) in [(1, 5), (2, 25), (3, 60), (4, 25), (5, 25)] {
        let mut dice = Dice::new(seed);
        // Orders a minute that fall to a fifth, five hours after the first one.
        let fault = 300..300 + minutes;
        let mean = |i: usize| if fault.contains(&i) { 11.0 } else { 55.0 + i as f64 / 100.0 };
        let values: Vec<f64> = (0..400).map(|i| (mean(i) + 2.5 * dice.normal()).round()).collect();
        let (samples, opened) = run(MINUTE, values);
        let during = &samples[301..300 + minutes];
        let pulled = during.iter().filter(|sample| sample.expected < 45.0).count();
        assert_eq!(pulled, 0, "seed {seed}, {minutes} minutes");
        let after = &samples[300 + minutes];
        assert!((after.expected - 57.0).abs() < 8.0 && after.score < Some(0.5), "seed {seed}: {after:?}");
        assert_eq!(opened.len(), 1, "seed {seed}");
    }
}

#[test]
fn ordinary_values_after_a_fault_are_ordinary() {
    const MINUTES_AFTER: usize = 120;
    let (mut red, mut opened_again, mut cases) = (0, 0, 0);
    for (interval, day) in [(10_000, 6 * DAY), (MINUTE, DAY)] {
        let per_minute = (MINUTE / interval) as usize;
        for seed in 0..6 {
            for (minutes, factor) in [(25, 2.0), (25, 0.5), (10, 3.0), (60, 0.2), (25, 6.0)] {
                let mut dice = Dice::new(seed * 31 + minutes as u64);
                let start = 2 * day + 500;
                let fault = start..start + minutes * per_minute;
                let turn = std::f64::consts::TAU / day as f64;
                let ordinary = |dice: &mut Dice, i: usize| match seed % 3 {
                    0 => 100.0 + 3.0 * dice.normal(),
                    1 => (4.6 + 0.15 * dice.normal()).exp(),
                    _ => 100.0 + 40.0 * (i as f64 * turn).sin() + 4.0 * dice.normal(),
                };
                let value = |i: usize| ordinary(&mut dice, i) * if fault.contains(&i) { factor } else { 1.0 };
                let values: Vec<f64> = (0..fault.end + MINUTES_AFTER * per_minute).map(value).collect();
                let (samples, opened) = run(interval, values);
                let last = samples[fault.end..].iter().rposition(|sample| sample.score >= Some(0.5));
                red += last.map_or(0, |last| last / per_minute + 1);
                opened_again += opened.iter().filter(|anomaly| row_of(anomaly, interval) >= fault.end).count();
                cases += 1;
            }
        }
    }
    assert!(red <= 2 * cases, "{red} minutes in {cases} cases");
    assert!(opened_again <= cases / 6, "{opened_again} anomalies in {cases} cases");
}

#[test]
fn fault_of_half_an_hour_does_not_teach_a_fast_series() {
    let (mut found, mut red, mut after, mut cases) = (0, 0.0, 0, 0);
    for (interval, days) in [(1_000, 0.3), (10_000, 1.5), (10_000, 2.4)] {
        let (day, half_an_hour) = (86_400_000 / interval as usize, 1_800_000 / interval as usize);
        for seed in 0..4 {
            let mut dice = Dice::new(seed * 17 + day as u64);
            let fault = (days * day as f64) as usize..(days * day as f64) as usize + half_an_hour;
            // Values that swing within a minute, on a slight course of the day.
            let (mut swing, keep) = (0.0, 1.0 - interval as f64 / 60_000.0);
            let turn = std::f64::consts::TAU / day as f64;
            let mut value = |i: usize| {
                swing = keep * swing + (1.0 - keep * keep).sqrt() * dice.normal();
                100.0 + 3.0 * (i as f64 * turn).sin() + swing + if fault.contains(&i) { 15.0 } else { 0.0 }
            };
            let values: Vec<f64> = (0..fault.end + half_an_hour).map(&mut value).collect();
            let (samples, opened) = run(interval, values);
            let during = &samples[fault.clone()];
            let anomalous = during.iter().filter(|sample| sample.score >= Some(0.5)).count();
            let before = opened.iter().filter(|anomaly| row_of(anomaly, interval) < fault.start).count();
            assert_eq!(before, 0, "every {interval} ms, seed {seed}");
            found += usize::from(anomalous > 0);
            red += anomalous as f64 / during.len() as f64;
            after += opened.iter().filter(|anomaly| row_of(anomaly, interval) >= fault.end).count();
            let expected = during.last().unwrap().expected;
            assert!((expected - 100.0).abs() < 8.0, "every {interval} ms, seed {seed}: {expected} was expected");
            cases += 1;
        }
    }
    assert_eq!((found, after), (cases, 0), "of {cases}");
    assert!(red > 0.9 * cases as f64, "{red} of {cases}");
}

#[test]
fn edge_of_an_hour_with_a_usual_disturbance_falls_step_by_step() {
    // Every five minutes; a job at three makes the values of its hour wild.
    let mut dice = Dice::new(11);
    let wild = |i: usize| i % 288 / 12 == 3;
    let values = (0..20 * 288).map(|i| 100.0 + dice.normal() * if wild(i) { 8.0 } else { 1.0 });
    let (samples, _) = run(5 * MINUTE, values.collect::<Vec<_>>());
    let hour = &samples[19 * 288 + 48..19 * 288 + 55];
    let height = hour[0].upper - hour[6].upper;
    let steps = hour.windows(2).map(|pair| pair[0].upper - pair[1].upper);
    let largest = steps.fold(0.0, f64::max);
    assert!(height > 3.0 && largest < 0.7 * height, "a step of {largest}, of {height} in all");
}

#[test]
fn a_new_level_is_accepted_after_three_hours() {
    let mut dice = Dice::new(6);
    let values: Vec<f64> =
        (0..3 * DAY).map(|i| if i >= 2 * DAY { 170.0 } else { 100.0 } + 5.0 * dice.normal()).collect();
    let (samples, opened) = run(MINUTE, values);
    assert!((samples[2 * DAY + 100].expected - 100.0).abs() < 20.0, "not accepted yet");
    let late = &samples[2 * DAY + 190..];
    let near = late.iter().filter(|sample| (sample.expected - 170.0).abs() < 15.0).count();
    assert!(near as f64 > 0.9 * late.len() as f64, "{near} of {}", late.len());
    assert_eq!(opened.len(), 1);
}

#[test]
fn a_change_of_unit_is_one_alert() {
    let mut dice = Dice::new(7);
    let values: Vec<f64> =
        (0..6 * DAY).map(|i| (5e6 + 1e4 * dice.normal()) * if i >= 4 * DAY { 1e-3 } else { 1.0 }).collect();
    let (samples, opened) = run(MINUTE, values);
    assert_eq!(opened.len(), 1, "{opened:?}");
    let last = samples.last().unwrap();
    assert!((last.expected - 5e3).abs() < 1e3 && last.upper < 1e4, "{last:?}");
}

#[test]
fn orders_that_stop_are_seen_although_nights_have_none() {
    let mut dice = Dice::new(8);
    let values = (0..10 * DAY).map(|i| {
        let night = i % DAY < 300;
        if night || (8 * DAY + 700..8 * DAY + 760).contains(&i) { 0.0 } else { dice.count(6.0) }
    });
    let (_, opened) = run(MINUTE, values.collect::<Vec<_>>());
    let found = opened.iter().find(|anomaly| row_of(anomaly, MINUTE) > 8 * DAY + 699).expect("the outage is found");
    assert!(row_of(found, MINUTE) < 8 * DAY + 730, "{found:?}");
    assert_eq!((found.reason, found.direction, found.peak_value), (Feature::Volatility, Direction::Below, 0.0));
    assert!(found.peak_lower > 0.0, "zero orders are not in the band: {found:?}");
}

#[test]
fn a_target_that_was_down_at_its_first_scrapes_is_seen_when_it_goes_down() {
    for zeros in [1, 5, 9] {
        let values = (0..400).map(|i| if i < zeros || i >= 200 { 0.0 } else { 1.0 });
        let (_, opened) = run(15_000, values.collect::<Vec<_>>());
        assert_eq!(opened.iter().map(|anomaly| row_of(anomaly, 15_000)).collect::<Vec<_>>(), [200], "{zeros} zeros");
        assert_eq!((opened[0].direction, opened[0].peak_expected > 0.5), (Direction::Below, true));
    }
}

#[test]
fn a_target_that_stays_down_stays_anomalous_for_two_hours() {
    for (interval, before) in [(15_000, 400), (MINUTE, 120), (MINUTE, 70)] {
        let down = 120 * (MINUTE / interval) as usize;
        let values = (0..before + 2 * down).map(|i| if i >= before { 0.0 } else { 1.0 });
        let (samples, opened) = run(interval, values.collect::<Vec<_>>());
        assert_eq!(opened.len(), 1, "every {interval} ms, {before} before");
        let anomalous = samples[before..].iter().filter(|sample| sample.score >= Some(0.5)).count();
        assert!((down - 2..=down + 2).contains(&anomalous), "{anomalous} of {down}");
        // It is up again: no news.
        let up = (0..before + 100).map(|i| if (before..before + 50).contains(&i) { 0.0 } else { 1.0 });
        let (samples, opened) = run(interval, up.collect::<Vec<_>>());
        assert_eq!(opened.len(), 1, "every {interval} ms, {before} before");
        assert!(samples[before + 50..].iter().all(|sample| sample.score < Some(0.5)));
    }
}

#[test]
fn a_weekly_pattern_counts_from_the_second_week() {
    // Every five minutes; the daily course of weekends is half as high.
    let mut dice = Dice::new(9);
    let week = 7 * 288;
    let course = |i: usize| {
        let height = if i % week / 288 >= 5 { 20.0 } else { 40.0 };
        100.0 - height * (std::f64::consts::TAU * i as f64 / 288.0).cos()
    };
    let values: Vec<f64> = (0..3 * week).map(|i| course(i) + 0.7 * dice.normal()).collect();
    let (samples, _) = run(5 * MINUTE, values);
    let error = |from: usize, days: usize| {
        let rows = from..from + days * 288;
        let error = |i: usize| (samples[i].expected - course(i)).abs();
        rows.clone().map(error).sum::<f64>() / rows.len() as f64
    };
    let [first, second, third] = [0, 1, 2].map(|weeks| error(weeks * week + 5 * 288, 2));
    // The noise alone makes 0.56.
    assert!(second < 0.5 * first && third < 0.8, "mean error of three weekends: {first}, {second}, {third}");
}

#[test]
fn large_spikes_are_found_in_the_first_hour_of_a_series() {
    for row in [45, 59, 60] {
        let mut dice = Dice::new(10);
        let values = (0..100).map(|i| 100.0 + 5.0 * dice.normal() + if i == row { 400.0 } else { 0.0 });
        let (_, opened) = run(MINUTE, values.collect::<Vec<_>>());
        assert_eq!(opened.iter().map(|anomaly| row_of(anomaly, MINUTE)).collect::<Vec<_>>(), [row]);
    }
}

#[test]
fn hourly_series_with_a_daily_course_are_useful_within_three_days() {
    let found = (0..20).filter(|seed| {
        let mut dice = Dice::new(*seed);
        let course = |i: usize| 100.0 + 30.0 * (std::f64::consts::TAU * i as f64 / 24.0).sin();
        let values = (0..80).map(|i| course(i) + 1.5 * dice.normal() + if i == 76 { 60.0 } else { 0.0 });
        let (_, opened) = run(60 * MINUTE, values.collect::<Vec<_>>());
        opened.iter().any(|anomaly| row_of(anomaly, 60 * MINUTE) == 76)
    });
    let found = found.count();
    assert!(found >= 16, "forty standard deviations: {found} of 20");
}

/// A job at two every night, up to a quarter of an hour earlier or later, for half an hour, and on
/// which nights it runs. A value every five minutes.
fn nightly_job(seed: u64, nights: usize, runs: impl Fn(usize) -> bool) -> Vec<f64> {
    let mut dice = Dice::new(seed);
    let mut values = Vec::new();
    for night in 0..nights {
        let start = 105.0 + 30.0 * dice.uniform();
        for minute in (0..1_440).step_by(5) {
            let running = runs(night) && (start..start + 30.0).contains(&f64::from(minute));
            values.push(10.0 + 2.0 * dice.normal() + if running { 50.0 + 3.0 * dice.normal() } else { 0.0 });
        }
    }
    values
}

/// Night and minute of the day of the anomalies below the range, from the third week on.
fn below(opened: &[Anomaly]) -> Vec<(usize, i64)> {
    let below = opened.iter().filter(|anomaly| anomaly.direction == Direction::Below);
    below
        .map(|anomaly| {
            let minute = (anomaly.opened_at_ms - START) / MINUTE;
            ((minute / 1_440) as usize, minute % 1_440)
        })
        .filter(|(night, _)| *night >= 14)
        .collect()
}

#[test]
fn a_nightly_job_that_does_not_come_is_missed_at_the_end_of_its_hour() {
    for seed in 1..=8 {
        let (samples, opened) = run(5 * MINUTE, nightly_job(seed, 21, |night| night != 18));
        assert_eq!(below(&opened), [(18, 180)], "seed {seed}");
        let at = &samples[18 * 288 + 36];
        assert!(at.value < at.lower && at.lower < at.expected && at.expected <= at.upper, "{at:?}");
        assert!((25.0..90.0).contains(&at.expected), "about what the job usually reaches: {at:?}");
    }
}

#[test]
fn a_job_that_is_given_up_is_missed_a_few_times_and_one_that_is_not_regular_never() {
    for seed in 1..=8 {
        let (_, opened) = run(5 * MINUTE, nightly_job(seed, 30, |night| night < 18));
        let missed = below(&opened);
        assert!((1..=4).contains(&missed.len()), "seed {seed}: {missed:?}");
        let (_, opened) = run(5 * MINUTE, nightly_job(seed, 30, |night| night % 7 < 5));
        let missed = below(&opened);
        assert!(missed.is_empty(), "seed {seed}, on working days: {missed:?}");
    }
}

#[test]
fn a_regular_job_seldom_alerts_by_its_start() {
    let nights = |seed| {
        let (_, opened) = run(5 * MINUTE, nightly_job(seed, 30, |_| true));
        opened.iter().filter(|anomaly| anomaly.opened_at_ms >= START + 16 * 1_440 * MINUTE).count()
    };
    let alerts: usize = (1..=8).map(nights).sum();
    assert!(alerts <= 30, "{alerts} alerts in 112 nights");
}

#[test]
fn a_loss_of_most_of_a_value_is_its_reason() {
    let reason = |factor: f64, offset: f64| {
        let mut dice = Dice::new(11);
        let values = (0..900).map(|i| (1_000.0 + 120.0 * dice.normal()) * if i == 850 { factor } else { 1.0 } - offset);
        let (_, opened) = run(5 * MINUTE, values.collect::<Vec<_>>());
        opened.iter().find(|anomaly| row_of(anomaly, 5 * MINUTE) == 850).map(|anomaly| anomaly.reason)
    };
    assert_eq!([reason(0.05, 0.0), reason(0.2, 0.0)], [Some(Feature::Loss); 2]);
    assert_eq!([reason(0.35, 0.0), reason(2.5, 0.0)], [None, Some(Feature::ResidualZ)]);
    assert_eq!(reason(0.05, 1_100.0), Some(Feature::ResidualZ), "a value that may be negative");
}

#[test]
fn an_hourly_series_that_loses_most_of_its_value_for_two_hours_is_found() {
    let found = |hours: usize| {
        let one = |seed: u64| {
            let mut dice = Dice::new(seed);
            let fault = 20 * 24 + 12..20 * 24 + 12 + hours;
            let values = (0..30 * 24).map(|i| {
                let daylight = 0.5 - 0.5 * (std::f64::consts::TAU * (i as f64 - 4.0) / 24.0).cos();
                let left = if fault.contains(&i) { 0.1 } else { 1.0 };
                (1_000.0 * (0.15 + daylight) * (1.0 + 0.2 * dice.normal()).max(0.0) * left).round()
            });
            let (_, opened) = run(60 * MINUTE, values.collect::<Vec<_>>());
            let during = opened.iter().filter(|anomaly| fault.contains(&row_of(anomaly, 60 * MINUTE)));
            (during.clone().count(), during.filter(|anomaly| anomaly.reason == Feature::Loss).count(), opened.len())
        };
        (1..=20).map(one).fold((0, 0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2))
    };
    let (two, losses, all) = found(2);
    assert!(two >= 17 && losses == two, "{two} of 20 are found, {losses} as losses");
    assert!(all - two <= 4, "{all} alerts in 600 days");
}
