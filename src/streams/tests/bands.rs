//! The band is the set of values that do not alert, and the direction is the side that was left:
//! for every stream, cut in every way, at every sensitivity.

use proptest::prelude::*;

use super::signals::{Dice, START, labelled, with};
use crate::{Conditions, NaturalRange, StreamOptions, StreamSettings};
use earcon_model::{AnomalyEvent, Direction, EventBody, ScoredSample, SeriesEvent};

const NOW: i64 = START + 5_000_000_000_000;

/// Rows of one series: any mixture of noise, counts, held values, spikes, shifts, gaps and extreme
/// values, at one of several cadences.
fn rows() -> impl Strategy<Value = Vec<(i64, f64)>> {
    let piece = (0u8..8, 1usize..400, -50.0..200.0f64, 0.01..30.0f64, 0u64..1_000_000);
    let cadence = prop::sample::select(vec![1_000i64, 15_000, 60_000, 300_000, 3_600_000]);
    (cadence, prop::collection::vec(piece, 2..12)).prop_map(|(interval_ms, pieces)| {
        let (mut rows, mut at) = (Vec::new(), START);
        for (kind, len, level, spread, seed) in pieces {
            let mut dice = Dice::new(seed);
            for i in 0..len {
                at += if dice.uniform() < 0.002 { 40 * interval_ms } else { interval_ms };
                let value = match kind {
                    0 => level + spread * dice.normal(),
                    1 => dice.count(spread),
                    2 => (level / 10.0).round(),
                    3 => (spread * dice.normal()).exp().min(1e290),
                    4 => 0.0,
                    5 => (level + spread * dice.normal()).clamp(0.0, 100.0),
                    6 => level + i as f64 * spread,
                    _ if dice.uniform() < 0.05 => level * 1e6_f64.powf(dice.normal().clamp(-40.0, 40.0)),
                    _ => level + spread * (i as f64 / 20.0).sin(),
                };
                rows.push((at, value));
            }
        }
        rows
    })
}

fn options() -> impl Strategy<Value = StreamOptions> {
    let open_score = prop_oneof![3 => Just(0.5f32), 1 => 0.3..0.95f32];
    (prop::sample::select(vec![1.0, 0.25, 0.7, 2.0, 4.0]), open_score).prop_map(|(sensitivity, open_score)| {
        StreamOptions { sensitivity, open_score, close_score: 0.9 * open_score, ..StreamOptions::default() }
    })
}

/// As history stores it: the distance from the value in single precision.
fn stored(value: f64, edge: f64) -> f64 {
    value + f64::from((edge - value) as f32)
}

fn check(sample: &ScoredSample, open_score: f32, least: f64) -> Result<(), TestCaseError> {
    let ScoredSample { value, expected, lower, upper, .. } = *sample;
    let Some(score) = sample.score else { return Ok(()) };
    prop_assert!(lower <= expected && expected <= upper, "{sample:?}");
    prop_assert!([lower, expected, upper].iter().all(|number| number.is_finite()), "{sample:?}");
    let inside = (lower..=upper).contains(&value);
    prop_assert_eq!(score >= open_score, !inside, "{:?}", sample);
    let inside_as_stored = (stored(value, lower)..=stored(value, upper)).contains(&value);
    prop_assert_eq!(inside, inside_as_stored, "{:?}", sample);
    prop_assert!(least < 0.0 || lower >= 0.0, "never negative so far: {sample:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_value_alerts_if_and_only_if_it_is_outside_of_its_band(
        rows in rows(), options in options(), cuts in prop::collection::vec(1usize..200, 1..10),
    ) {
        let open_score = options.open_score;
        let mut state = with(StreamSettings::try_from(options).unwrap());
        let (mut rest, mut cuts) = (&rows[..], cuts.iter().cycle());
        let mut least = f64::INFINITY;
        while !rest.is_empty() {
            let (head, tail) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            rest = tail;
            for body in state.push(&[labelled("", head.iter().copied())], NOW).bodies {
                match body {
                    EventBody::Series(SeriesEvent::Samples(all)) => {
                        for sample in all.iter().flat_map(|one| &one.samples) {
                            least = least.min(sample.value);
                            check(sample, open_score, least)?;
                        }
                    }
                    EventBody::Anomaly(AnomalyEvent::Opened(found) | AnomalyEvent::Updated(found)) => {
                        let side = if found.peak_value > found.peak_upper { Direction::Above } else { Direction::Below };
                        prop_assert!(found.peak_value > found.peak_upper || found.peak_value < found.peak_lower);
                        prop_assert_eq!(found.direction, side, "{:?}", found);
                    }
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn band_of_a_percentage_that_saturates_ends_at_its_maximum() {
    let mut dice = Dice::new(4);
    let rows: Vec<(i64, f64)> =
        (0..3_000).map(|i| (START + i * 60_000, (97.0 + 3.0 * dice.normal()).min(100.0))).collect();
    let bodies = with(StreamSettings::default()).push(&[labelled("", rows)], NOW).bodies;
    let EventBody::Series(SeriesEvent::Samples(all)) = &bodies[0] else { panic!("samples come first") };
    assert!(all[0].samples[300..].iter().all(|sample| sample.upper == 100.0 && sample.lower >= 0.0));
}

#[test]
fn a_percentage_is_shown_with_its_bounds_until_a_value_contradicts_them() {
    let mut dice = Dice::new(3);
    let values: Vec<f64> = (0..600).map(|_| (85.0 + 3.0 * dice.normal()).min(99.9)).collect();
    let rows = |range: std::ops::Range<usize>| {
        labelled("", range.map(|i| (START + i as i64 * 60_000, if i == 500 { 101.0 } else { values[i] })))
    };
    let percent = Conditions { natural: NaturalRange::Percent, ..Conditions::at(NOW) };
    let (mut plain, mut bounded) = (with(StreamSettings::default()), with(StreamSettings::default()));
    let (wide, narrow) = (plain.push(&[rows(0..600)], NOW), bounded.push_under(&[rows(0..600)], percent));
    assert_eq!(plain.snapshot(), bounded.snapshot(), "nothing that is learned depends on the unit");
    let samples = |bodies: &[EventBody]| match &bodies[0] {
        EventBody::Series(SeriesEvent::Samples(all)) => all[0].samples.to_vec(),
        other => panic!("{other:?}"),
    };
    let (wide, narrow) = (samples(&wide.bodies), samples(&narrow.bodies));
    assert!(wide[30..500].iter().all(|sample| sample.upper > 100.0));
    for (wide, narrow) in wide.iter().zip(&narrow).skip(30).take(470) {
        assert_eq!((narrow.upper, narrow.lower), (100.0, wide.lower));
        assert_eq!((narrow.score, narrow.is_outside()), (wide.score, wide.is_outside()));
    }
    assert!(narrow[500..].iter().all(|sample| sample.upper > 100.0), "101 % was seen");
}

#[test]
fn zero_has_no_negative_sign() {
    let values = (0..400).map(|i| if i % 3 == 0 { -0.0 } else { f64::from(i % 5) - 2.0 });
    let mut state = with(StreamSettings::default());
    let rows = values.enumerate().map(|(i, value)| (START + i as i64 * 60_000, value));
    let bodies = state.push(&[labelled("", rows), labelled("", [(START, -0.0)])], NOW).bodies;
    let EventBody::Series(SeriesEvent::Samples(all)) = &bodies[0] else { panic!("{bodies:?}") };
    let negative_zero = |number: f64| number == 0.0 && number.is_sign_negative();
    for sample in &all[0].samples {
        assert!(
            ![sample.value, sample.expected, sample.lower, sample.upper].into_iter().any(negative_zero),
            "{sample:?}"
        );
    }
    assert!(!negative_zero(all[0].late[0].value));
}
