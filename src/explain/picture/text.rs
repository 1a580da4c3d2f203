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

/// The value at the peak and what was expected, and when it was if there is room.
pub(super) fn detail(data: &PictureData<'_>, unit: &Unit, room: f32) -> String {
    let anomaly = data.anomaly;
    let value = unit.write(anomaly.peak_value);
    let bounded = [anomaly.peak_lower, anomaly.peak_upper].iter().all(|end| end.abs() < f64::MAX);
    let text = match anomaly.reason {
        Feature::Volatility => format!("repeats {value}"),
        _ if bounded => format!("{value}, expected {}", unit.write_range(anomaly.peak_lower, anomaly.peak_upper)),
        _ if anomaly.peak_expected.is_finite() => format!("{value}, expected {}", unit.write(anomaly.peak_expected)),
        _ => value,
    };
    let local = jiff::Timestamp::from_millisecond((data.local_ms)(anomaly.peak_at_ms));
    let at = local.map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string());
    let with_zone = format!("{text}, {at} {}", data.zone);
    let with_time = format!("{text}, {at}");
    let fitting = [with_zone, with_time].into_iter().find(|longer| !at.is_empty() && width(longer) <= room);
    fitting.unwrap_or_else(|| cut(&text, room))
}
