//! Bounds that values have by their unit: a percentage lies between 0 and 100.
//!
//! The bounds narrow the band and the expected value that are *shown*, and nothing that is learned.
//! So scoring does not depend on a unit that is stated, changed or read again later,
//! and a replay leads to the same state. They hold from the first sample until a value lies beyond.
//! A lower bound at 0 needs no unit: it holds for every series that was never negative.

use earcon_model::{Anomaly, AnomalyEvent, ScoredSample};

/// The range of the values of a KPI by its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NaturalRange {
    /// The unit bounds nothing.
    #[default]
    Any,
    /// Percent: 0 to 100.
    Percent,
    /// A ratio: 0 to 1.
    Ratio,
    /// The unit `1`: a ratio, if fractions between 0 and 1 were seen; else a count.
    One,
}

/// Units, and endings of names without a stated unit.
const UNITS: [(&str, NaturalRange); 4] = [
    ("%", NaturalRange::Percent),
    ("percent", NaturalRange::Percent),
    ("ratio", NaturalRange::Ratio),
    ("1", NaturalRange::One),
];
const ENDINGS: [(&str, NaturalRange); 2] = [("_percent", NaturalRange::Percent), ("_ratio", NaturalRange::Ratio)];

/// What the values of a series have been so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Observed {
    pub(crate) never_negative: bool,
    pub(crate) maximum: f64,
    /// The smallest change from a value to the next; 0 while there was none.
    pub(crate) smallest_change: f64,
}

impl NaturalRange {
    /// The range of a KPI with this name and this unit, if one was stated.
    pub fn of_kpi(kpi: &str, unit: Option<&str>) -> Self {
        let found = match unit {
            Some(unit) => UNITS.iter().find(|known| known.0 == unit),
            None => ENDINGS.iter().find(|known| kpi.ends_with(known.0)),
        };
        found.map_or(Self::Any, |known| known.1)
    }

    /// The bounds that no value has contradicted.
    fn bounds(self, observed: Observed) -> Option<(f64, f64)> {
        let upper = match self {
            Self::Any => return None,
            Self::Percent => 100.0,
            Self::One if !(0.0 < observed.smallest_change && observed.smallest_change < 1.0) => return None,
            Self::Ratio | Self::One => 1.0,
        };
        (observed.never_negative && observed.maximum <= upper).then_some((0.0, upper))
    }

    /// A scored sample as it is shown.
    pub(crate) fn sample(self, shown: &mut ScoredSample, observed: Observed) {
        let (value, mut band) = (shown.value, [shown.lower, shown.expected, shown.upper]);
        self.narrow(value, &mut band, observed);
        [shown.lower, shown.expected, shown.upper] = band;
    }

    /// An event of an anomaly as it is shown.
    pub(crate) fn event(self, mut event: AnomalyEvent, observed: Observed) -> AnomalyEvent {
        if let Some(Anomaly { peak_value, peak_lower, peak_expected, peak_upper, .. }) = event.anomaly_mut() {
            let mut band = [*peak_lower, *peak_expected, *peak_upper];
            self.narrow(*peak_value, &mut band, observed);
            [*peak_lower, *peak_expected, *peak_upper] = band;
        }
        event
    }

    /// Narrows a band to the bounds. The value stays inside of it, or outside.
    fn narrow(self, value: f64, band: &mut [f64; 3], observed: Observed) {
        let Some((least, most)) = self.bounds(observed) else { return };
        let narrowed = band.map(|end| {
            if end < least {
                least
            } else if end > most {
                most
            } else {
                end
            }
        });
        let contains = |band: &[f64; 3]| band[0] <= value && value <= band[2];
        if contains(band) == contains(&narrowed) {
            *band = narrowed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERCENT: Observed = Observed { never_negative: true, maximum: 97.5, smallest_change: 0.1 };

    fn narrowed(range: NaturalRange, observed: Observed, value: f64, band: [f64; 3]) -> [f64; 3] {
        let mut band = band;
        range.narrow(value, &mut band, observed);
        band
    }

    #[test]
    fn units_and_names_bound_values() {
        let of = NaturalRange::of_kpi;
        assert_eq!([of("cpu", Some("%")), of("cpu", Some("percent"))], [NaturalRange::Percent; 2]);
        assert_eq!([of("hits", Some("ratio")), of("hits_ratio", None)], [NaturalRange::Ratio; 2]);
        assert_eq!(of("disk_used_percent", None), NaturalRange::Percent);
        assert_eq!(of("disk_used_percent", Some("By")), NaturalRange::Any, "what is stated counts");
        assert_eq!([of("users", None), of("users", Some("ms"))], [NaturalRange::Any; 2]);
    }

    #[test]
    fn a_band_ends_at_its_bounds_until_a_value_lies_beyond() {
        let band = [60.0, 83.0, 130.0];
        assert_eq!(narrowed(NaturalRange::Percent, PERCENT, 97.5, band), [60.0, 83.0, 100.0]);
        assert_eq!(narrowed(NaturalRange::Percent, PERCENT, 40.0, [-5.0, 101.0, 130.0]), [0.0, 100.0, 100.0]);
        for contradicted in [Observed { maximum: 100.5, ..PERCENT }, Observed { never_negative: false, ..PERCENT }] {
            assert_eq!(narrowed(NaturalRange::Percent, contradicted, 97.5, band), band);
        }
        assert_eq!(narrowed(NaturalRange::Any, PERCENT, 97.5, band), band);
    }

    #[test]
    fn the_unit_1_is_a_ratio_if_fractions_were_seen() {
        let ratio = Observed { maximum: 0.9, ..PERCENT };
        let count = Observed { smallest_change: 1.0, maximum: 1.0, ..PERCENT };
        assert_eq!(narrowed(NaturalRange::One, ratio, 0.5, [0.2, 0.7, 1.4]), [0.2, 0.7, 1.0]);
        assert_eq!(narrowed(NaturalRange::One, count, 1.0, [0.0, 0.2, 3.0]), [0.0, 0.2, 3.0]);
        assert_eq!(narrowed(NaturalRange::Ratio, count, 1.0, [0.0, 0.2, 3.0]), [0.0, 0.2, 1.0]);
    }

    #[test]
    fn a_value_outside_of_the_band_stays_outside() {
        assert_eq!(narrowed(NaturalRange::Percent, PERCENT, 100.0, [101.0, 110.0, 120.0]), [101.0, 110.0, 120.0]);
    }
}
