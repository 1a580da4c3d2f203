//! The texts of a picture: its title, its numbers, and how much room they need.

use super::data::PictureData;
use earcon_model::quantity::Unit;
use earcon_model::wording::series_name;
use earcon_model::{Anomaly, Feature};

/// The width of a letter, in pixels. Both renderers use a fixed pitch.
pub(super) const LETTER: f32 = 7.3;

/// The room that a text needs, in pixels. Letters of East Asia are twice as wide as others.
pub(super) fn width(text: &str) -> f32 {
    text.chars().map(letter_width).sum()
}

fn letter_width(letter: char) -> f32 {
    if letter >= '\u{1100}' && letter != '…' && letter != '–' { 2.0 * LETTER } else { LETTER }
}

/// The text, or its beginning with an ellipsis if it needs more room.
pub(super) fn cut(text: &str, room: f32) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut left = room - LETTER;
    let fits = |letter: &char| {
        left -= letter_width(*letter);
        left >= 0.0
    };
    let beginning: String = text.chars().take_while(fits).collect();
    format!("{}…", beginning.trim_end())
}

/// KPI and labels.
pub(super) fn title(anomaly: &Anomaly) -> String {
    series_name(&anomaly.kpi, &anomaly.labels)
}

/// The value at the peak and the expected range, and its time if there is room. A part that does
/// not fit is left out as a whole: half a number would be another number.
pub(super) fn detail(data: &PictureData<'_>, unit: &Unit, room: f32) -> String {
    let anomaly = data.anomaly;
    let value = unit.write(anomaly.peak_value);
    let bounded = [anomaly.peak_lower, anomaly.peak_upper].iter().all(|end| end.abs() < f64::MAX);
    let expected = match anomaly.reason {
        Feature::Volatility => None,
        _ if bounded => Some(unit.write_range(anomaly.peak_lower, anomaly.peak_upper)),
        _ if anomaly.peak_expected.is_finite() => Some(unit.write(anomaly.peak_expected)),
        _ => None,
    };
    let (text, short) = match (anomaly.reason, expected) {
        (Feature::Volatility, _) => (format!("repeats {value}"), None),
        (_, Some(expected)) => (format!("{value}, expected {expected}"), Some(format!("{value} ({expected})"))),
        (_, None) => (value.clone(), None),
    };
    let local = jiff::Timestamp::from_millisecond((data.local_ms)(anomaly.peak_at_ms));
    let at = local.ok().map(|at| at.strftime("%Y-%m-%d %H:%M:%S").to_string());
    let with_zone = at.as_ref().map(|at| format!("{text}, {at} {}", data.zone));
    let with_time = at.map(|at| format!("{text}, {at}"));
    let texts = [with_zone, with_time, Some(text), short];
    texts.into_iter().flatten().find(|text| width(text) <= room).unwrap_or_else(|| cut(&value, room))
}
