//! Anomaly-free data give hardly any alerts.

use super::signals::{Dice, ORDINARY, START, every, fresh, with};
use crate::{DetectorName, StreamOptions, StreamSettings};
use earcon_model::{AnomalyEvent, EventBody, ScoredSample, SeriesEvent};

/// Episodes opened in the values.
fn episodes(detector: DetectorName, values: &[f64], interval_ms: i64) -> usize {
    let settings = StreamSettings::try_from(StreamOptions::for_detector(detector)).unwrap();
    let pushed = with(settings).push(&[every(interval_ms, values)], START + values.len() as i64 * interval_ms);
    pushed.bodies.iter().filter(|body| matches!(body, EventBody::Anomaly(AnomalyEvent::Opened(_)))).count()
}

/// Where the detector alerts too often, with the bound: kind, interval, most per 10,000 samples.
/// Bursts and steps of five minutes that return at no fixed time; a load that rises to a level and
/// leaves it again is an episode above and one below. A known weakness, see docs/detection.md;
/// remove an entry when it is mended.
const KNOWN_WEAKNESSES: [(&str, i64, f64); 4] = [
    ("cpu percent", 300_000, 30.0),
    ("bursty bytes", 300_000, 25.0),
    ("load average", 300_000, 15.0),
    ("plateaus", 300_000, 15.0),
];

#[test]
fn false_alerts_are_rare_on_anomaly_free_data() {
    const SERIES: u64 = 10;
    const SAMPLES: usize = 10_000;
    const MOST: f64 = 12.0;
    const MOST_IN_THE_MEAN: f64 = 4.0;
    let (mut too_many, mut sum, mut count) = (Vec::new(), 0.0, 0);
    for (name, values) in ORDINARY {
        for interval_ms in [1_000, 300_000] {
            let detector = DetectorName::SeasonReach;
            let one = |seed| episodes(detector, &values(&mut Dice::new(seed), SAMPLES), interval_ms);
            let rate = (0..SERIES).map(one).sum::<usize>() as f64 / SERIES as f64;
            let known = KNOWN_WEAKNESSES.iter().find(|known| (known.0, known.1) == (name, interval_ms));
            if rate > known.map_or(MOST, |known| known.2) {
                too_many.push((name, interval_ms, rate));
            }
            if known.is_none() {
                sum += rate;
                count += 1;
            }
        }
    }
    assert!(too_many.is_empty(), "false alerts per 10,000 samples: {too_many:?}");
    let mean = sum / f64::from(count);
    assert!(mean < MOST_IN_THE_MEAN, "{mean} false alerts per 10,000 samples");
}

#[test]
fn band_fits_ordinary_values() {
    let values: Vec<f64> = (0..5_000)
        .map({
            let mut dice = Dice::new(7);
            move |_| 100.0 + 5.0 * dice.normal()
        })
        .collect();
    let samples = scored(&values);
    let inside = samples.iter().filter(|s| (s.lower..=s.upper).contains(&s.value)).count() as f64;
    assert!(inside / samples.len() as f64 > 0.98, "{inside} of {}", samples.len());
    let width = samples.iter().map(|s| s.upper - s.lower).sum::<f64>() / samples.len() as f64;
    // A series of a second has twice the edge of one of five minutes.
    assert!((80.0..140.0).contains(&width), "mean height {width}, six sigma are 30");
}

#[test]
fn a_spike_leaves_the_band_as_it_was() {
    let mut dice = Dice::new(8);
    let mut values: Vec<f64> = (0..600).map(|_| 100.0 + 5.0 * dice.normal()).collect();
    values[500] = 1e9;
    let samples = scored(&values);
    let at = samples.iter().position(|s| s.value == 1e9).unwrap();
    let height = |i: usize| samples[i].upper - samples[i].lower;
    for later in at + 1..at + 30 {
        assert!(height(later) < 1.3 * height(at), "{later}");
        assert!((samples[later].expected - samples[at].expected).abs() < 12.0, "{later}");
    }
}

#[test]
fn band_of_nonnegative_series_is_nonnegative() {
    let mut dice = Dice::new(9);
    let values: Vec<f64> = (0..2_000).map(|_| dice.count(0.5)).collect();
    assert!(scored(&values).iter().all(|s| s.lower >= 0.0 && s.expected >= 0.0));
}

/// The samples after the warm-up, each with a sound band.
fn scored(values: &[f64]) -> Vec<ScoredSample> {
    let pushed = fresh().push(&[every(1_000, values)], START + 1_000_000_000);
    let EventBody::Series(SeriesEvent::Samples(all)) = pushed.bodies.into_iter().next().unwrap() else {
        panic!("samples come first")
    };
    let samples: Vec<_> = all[0].samples.iter().skip(30).copied().collect();
    for s in &samples {
        assert!(s.score.is_some_and(|score| (0.0..=1.0).contains(&score)), "{s:?}");
        assert!(s.lower <= s.expected && s.expected <= s.upper && (s.upper - s.lower).is_finite(), "{s:?}");
    }
    samples
}
