//! Unusual input: each kind has one defined result.

use super::signals::{START, batch, every, fresh, labelled, with};
use crate::{Pushed, Rejection, StreamOptions, StreamSettings};
use earcon_model::{EventBody, SeriesEvent, SeriesSamples, SeriesStatus, rfc3339};

const NOW: i64 = START + 100_000_000;

fn samples(pushed: &Pushed) -> &[SeriesSamples] {
    pushed
        .bodies
        .iter()
        .find_map(|body| match body {
            EventBody::Series(SeriesEvent::Samples(all)) => Some(&all[..]),
            _ => None,
        })
        .unwrap_or(&[])
}

#[test]
fn non_finite_values_are_rejected_and_the_others_kept() {
    let mut state = fresh();
    let rows = [(1, 1.0), (2, f64::NAN), (3, f64::INFINITY), (4, f64::NEG_INFINITY), (5, 2.0)];
    let pushed = state.push(&[batch(rows)], NOW);
    assert_eq!(pushed.rejected, [1, 2, 3].map(|row| (row, Rejection::NotFinite)));
    assert_eq!((pushed.accepted, pushed.late, samples(&pushed)[0].samples.len()), (2, 0, 2));
}

#[test]
fn timestamps_out_of_range_are_rejected() {
    let mut state = fresh();
    let most = 120_000;
    let rows = [(-1, 1.0), (0, 1.0), (NOW + most, 1.0), (NOW + most + 1, 1.0), (i64::MIN, 1.0), (i64::MAX, 1.0)];
    let pushed = state.push(&[batch(rows)], NOW);
    let ahead = |timestamp_ms| Rejection::TooFarAhead { timestamp_ms, wall_ms: NOW, max_ahead_ms: most };
    let before = |timestamp_ms| Rejection::BeforeEpoch { timestamp_ms };
    assert_eq!(
        pushed.rejected,
        [(0, before(-1)), (3, ahead(NOW + most + 1)), (4, before(i64::MIN)), (5, ahead(i64::MAX))]
    );
    let text = pushed.rejected[1].1.to_string();
    assert!(
        text.contains("2 min ahead") && text.contains(&rfc3339(NOW)) && text.contains("more than the 2 min"),
        "{text}"
    );
}

#[test]
fn samples_older_than_the_limit_are_rejected_with_the_limit_and_a_hint() {
    let options = StreamOptions { max_age_ms: 90 * 86_400_000, ..StreamOptions::default() };
    let mut state = with(StreamSettings::try_from(options).unwrap());
    let oldest = NOW - 90 * 86_400_000;
    let pushed = state.push(&[batch([(oldest - 1, 1.0), (oldest, 1.0), (NOW / 1_000, 1.0)])], NOW);
    let old = |timestamp_ms| Rejection::TooOld { timestamp_ms, max_age_ms: 90 * 86_400_000 };
    assert_eq!(pushed.rejected, [(0, old(oldest - 1)), (2, old(NOW / 1_000))]);
    let texts: Vec<_> = pushed.rejected.iter().map(|(_, rejection)| rejection.to_string()).collect();
    assert!(texts.iter().all(|text| text.contains("90 days") && text.contains("storage.history_days")), "{texts:?}");
    assert_eq!(texts.iter().map(|text| text.contains("unit")).collect::<Vec<_>>(), [false, true], "{texts:?}");
    assert_eq!(state.backfill(&[batch([(oldest - 1, 1.0)])], NOW).rejected.len(), 1, "history too");
}

#[test]
fn a_push_without_a_good_row_leaves_nothing_behind() {
    let mut state = fresh();
    let pushed = state.push(&[batch([(1, f64::NAN)])], NOW);
    assert_eq!((pushed.bodies.len(), pushed.accepted), (0, 0));
    assert_eq!(state.series().count(), 0);
    assert_eq!(state.snapshot(), fresh().snapshot());
}

#[test]
fn series_beyond_the_limit_are_rejected_and_known_ones_go_on() {
    let mut state =
        with(StreamSettings::try_from(StreamOptions { max_series: 2, ..StreamOptions::default() }).unwrap());
    let all = ["a:1", "a:2", "a:3"].map(|labels| labelled(labels, [(START, 1.0), (START + 1, 1.0)]));
    let pushed = state.push(&all, NOW);
    let limit = Rejection::TooManySeries { max_series: 2 };
    assert_eq!(pushed.rejected, [(0, limit.clone()), (1, limit)]);
    assert_eq!(pushed.accepted, 4);
    assert_eq!(state.push(&[labelled("a:1", [(START + 2, 1.0)])], NOW).accepted, 1);
}

#[test]
fn duplicates_and_stragglers_are_late_kept_counted_and_not_scored() {
    let mut state = fresh();
    let pushed = state.push(&[batch([(10, 1.0), (20, 2.0), (20, 9.0), (15, 9.0), (30, 3.0)])], NOW);
    assert_eq!((pushed.accepted, pushed.late), (5, 2));
    let series = &samples(&pushed)[0];
    assert_eq!(series.samples.iter().map(|s| s.timestamp_ms).collect::<Vec<_>>(), [10, 20, 30]);
    assert_eq!(series.late.iter().map(|s| (s.timestamp_ms, s.value)).collect::<Vec<_>>(), [(20, 9.0), (15, 9.0)]);
    assert_eq!(state.series().next().unwrap().late, 2);

    let only_late = state.push(&[batch([(5, 9.0)])], NOW);
    assert_eq!((samples(&only_late)[0].samples.len(), samples(&only_late)[0].late.len()), (0, 1));
}

#[test]
fn late_samples_change_no_score() {
    let clean: Vec<(i64, f64)> = (0..200).map(|i| (START + i * 10, (i % 7) as f64)).collect();
    let noisy = clean.iter().flat_map(|&(at, value)| [(at, value), (at - 5, 1e9)]);
    let (mut a, mut b) = (fresh(), fresh());
    let with_late = b.push(&[batch(noisy)], NOW);
    let without = a.push(&[batch(clean)], NOW);
    let bits =
        |pushed: &Pushed| -> Vec<u64> { samples(pushed)[0].samples.iter().map(|s| s.expected.to_bits()).collect() };
    assert_eq!(bits(&without), bits(&with_late));
    // The first straggler is older than the first sample, all are late.
    assert_eq!(with_late.late, 200);
}

#[test]
fn one_sample_makes_a_series_that_warms_up_and_never_stalls() {
    let mut state = fresh();
    state.push(&[batch([(START, 5.0)])], NOW);
    let view = state.series().next().unwrap();
    assert_eq!(view.status, SeriesStatus::Warming { seen: 1, needed: 30 });
    assert_eq!(view.last.unwrap().score, None);
    assert!(view.last.unwrap().expected.is_nan() && view.features.is_none());
    assert_eq!(state.next_stall_at(), None);
    assert!(state.check_stalls(i64::MAX).is_empty());
}

#[test]
fn the_warm_up_is_visible_and_ends_after_thirty_samples() {
    let mut state = fresh();
    let first = state.push(&[every(1_000, &[1.0; 30])], NOW);
    assert_eq!(samples(&first)[0].status, SeriesStatus::Normal);
    assert!(samples(&first)[0].samples.iter().all(|s| s.score.is_none()));
    let next = state.push(&[batch([(START + 30_000, 1.0)])], NOW);
    assert_eq!(samples(&next)[0].samples[0].score, Some(0.0));
    assert!(samples(&next)[0].features.is_some());
}

#[test]
fn a_constant_series_is_ordinary_at_any_magnitude() {
    for value in [0.0, -0.0, 1.0, -1e300, f64::MAX, f64::MIN, 1e-300, 5e-324] {
        let pushed = fresh().push(&[every(1_000, &[value; 300])], NOW);
        for s in &samples(&pushed)[0].samples[30..] {
            assert_eq!(s.score, Some(0.0), "{s:?}");
            assert!((s.expected - value.clamp(-1e300, 1e300)).abs() <= 1e-9 * value.abs().max(1e-290), "{s:?}");
        }
        assert_eq!(pushed.bodies.len(), 1);
    }
}

#[test]
fn every_magnitude_gives_finite_numbers() {
    let extremes = [1.0, f64::MAX, -f64::MAX, 1e-300, 0.0, 5e-324, -1e300, 1e300, f64::MIN_POSITIVE, -0.0, 1e154];
    let values: Vec<f64> = (0..4_000usize).map(|i| extremes[(i * i + i / 7) % extremes.len()]).collect();
    let mut state = fresh();
    let pushed = state.push(&[every(1_000, &values)], NOW);
    for s in &samples(&pushed)[0].samples[30..] {
        assert!(s.expected.is_finite() && s.lower.is_finite() && s.upper.is_finite(), "{s:?}");
        assert!(s.lower <= s.expected && s.expected <= s.upper, "{s:?}");
        assert!((0.0..=1.0).contains(&s.score.unwrap()), "{s:?}");
    }
    let f = state.series().next().unwrap().features.unwrap();
    assert!([f.robust_z, f.residual_z, f.volatility, f.slope, f.level].iter().all(|v| v.is_finite()), "{f:?}");
}

#[test]
fn scaling_a_series_by_a_power_of_two_changes_no_score() {
    let values: Vec<f64> = (0..500u32).map(|i| f64::from(i.wrapping_mul(2_654_435_761) >> 20)).collect();
    let scores = |factor: f64| -> Vec<Option<f32>> {
        let scaled: Vec<f64> = values.iter().map(|v| v * factor).collect();
        samples(&fresh().push(&[every(1_000, &scaled)], NOW))[0].samples.iter().map(|s| s.score).collect()
    };
    let plain = scores(1.0);
    assert_eq!(plain, scores(2f64.powi(900)));
    assert_eq!(plain, scores(2f64.powi(-900)));
}

#[test]
fn a_gap_is_scored_and_not_filled() {
    let before = (0..300).map(|i| (START + i * 1_000, (i % 5) as f64));
    let after = (0..10).map(|i| (START + 50_000_000 + i * 1_000, (i % 5) as f64));
    let pushed = fresh().push(&[batch(before.chain(after))], NOW);
    assert_eq!((pushed.bodies.len(), pushed.accepted), (1, 310), "no episode");
    assert!(samples(&pushed)[0].samples[300..].iter().all(|s| s.score.is_some()));
}

#[test]
fn batches_of_one_series_in_one_push_become_one_entry() {
    let mut state = fresh();
    let three = [labelled("a:1", [(1, 1.0)]), labelled("a:2", [(1, 1.0)]), labelled("a:1", [(2, 1.0), (1, 1.0)])];
    let pushed = state.push(&three, NOW);
    assert_eq!(pushed.bodies.len(), 1);
    let all = samples(&pushed);
    assert_eq!(all.iter().map(|s| s.labels.as_str()).collect::<Vec<_>>(), ["a:1", "a:2"]);
    assert_eq!((all[0].samples.len(), all[0].late.len()), (2, 1));
}
