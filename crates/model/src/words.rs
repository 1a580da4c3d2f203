//! The words that sentences and titles share: the name of a series, and how it departs from its
//! expected range.

use super::anomaly::{Direction, Feature};
use super::ids::{KpiName, Labels};

/// The name of a series: `shop.orders`, or `shop.orders (region:eu, zone:a)`.
pub fn series_name(kpi: &KpiName, labels: &Labels) -> String {
    if labels.is_empty() {
        return kpi.to_string();
    }
    // Values hold no comma.
    format!("{kpi} ({})", labels.as_str().replace(',', ", "))
}

/// How a series departs from its expected range, to be written after its name. A value that repeats
/// is on no side. `None` is a side that is not known.
pub fn departure(reason: Feature, side: Option<Direction>) -> &'static str {
    match (reason, side) {
        (Feature::Volatility, _) => "repeats the same value",
        (_, Some(Direction::Above)) => "is above the expected range",
        (_, Some(Direction::Below)) => "is below the expected range",
        (_, None) => "is outside the expected range",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_named_by_kpi_and_labels() {
        let kpi = KpiName::new("shop.orders").unwrap();
        assert_eq!(series_name(&kpi, &Labels::none()), "shop.orders");
        let labels = Labels::parse("zone:a,region:eu:1").unwrap();
        assert_eq!(series_name(&kpi, &labels), "shop.orders (region:eu:1, zone:a)");
    }

    #[test]
    fn a_value_that_repeats_is_on_no_side() {
        for side in [None, Some(Direction::Above), Some(Direction::Below)] {
            assert_eq!(departure(Feature::Volatility, side), "repeats the same value");
        }
        assert_eq!(departure(Feature::Slope, Some(Direction::Above)), "is above the expected range");
        assert_eq!(departure(Feature::RobustZ, None), "is outside the expected range");
    }
}
