//! The positions of all shapes.

use super::axes::{numbers, times};
use super::data::{PictureData, Point};
use super::scene::{Anchor, Role, Scene, Shape, Size};
use earcon_model::Direction;
use earcon_model::quantity::Unit;

/// The size of a character, in pixels. Both renderers use a fixed pitch.
const CHARACTER: f32 = 7.3;
const TOP: f32 = 52.0;
const BOTTOM: f32 = 30.0;
const RIGHT: f32 = 18.0;

/// From time and value to pixels.
struct Plane {
    left: f32,
    right: f32,
    top: f32,
    bottom: f32,
    from_ms: i64,
    to_ms: i64,
    low: f64,
    high: f64,
}

impl Plane {
    fn x(&self, at_ms: i64) -> f32 {
        let share = (at_ms.saturating_sub(self.from_ms)) as f64 / (self.to_ms - self.from_ms).max(1) as f64;
        self.left + (self.right - self.left) * share.clamp(0.0, 1.0) as f32
    }

    fn y(&self, value: f64) -> f32 {
        let share = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        self.bottom - (self.bottom - self.top) * share as f32
    }
}

/// Lays the picture out.
pub fn lay_out(data: &PictureData<'_>, size: Size) -> Scene {
    let (low, high) = range(data);
    let (width, height) = (size.width as f32, size.height as f32);
    let (ticks, decimals) = numbers(low, high, (height / 60.0) as usize + 1);
    let unit = Unit::of_kpi(data.anomaly.kpi.as_str(), data.anomaly.unit.as_deref());
    let texts = tick_texts(&unit, &ticks, decimals);
    let widest = texts.iter().map(|text| text.chars().count()).max().unwrap_or(1).min(14) as f32;
    let plane = Plane {
        left: 18.0 + widest * CHARACTER,
        right: width - RIGHT,
        top: TOP,
        bottom: height - BOTTOM,
        from_ms: data.from_ms,
        to_ms: data.to_ms.max(data.from_ms + 1),
        low,
        high,
    };
    let mut shapes = Vec::new();
    marked(&mut shapes, data, &plane);
    for (tick, text) in ticks.iter().zip(texts) {
        let y = plane.y(*tick);
        shapes.push(line(Role::Grid, 1.0, vec![(plane.left, y), (plane.right, y)]));
        shapes.push(Shape::Text(Role::Faint, Anchor::End, plane.left - 8.0, y + 4.0, text));
    }
    series(&mut shapes, data, &plane);
    shapes.push(line(Role::Faint, 1.0, vec![(plane.left, plane.bottom), (plane.right, plane.bottom)]));
    let every = ((plane.right - plane.left) / 90.0).max(1.0) as usize;
    for (at_ms, text) in times(plane.from_ms, plane.to_ms, every, data.local_ms) {
        let x = plane.x(at_ms);
        shapes.push(line(Role::Faint, 1.0, vec![(x, plane.bottom), (x, plane.bottom + 4.0)]));
        let half = text.len() as f32 * CHARACTER / 2.0;
        if x - half >= plane.left - 8.0 && x + half <= width {
            shapes.push(Shape::Text(Role::Faint, Anchor::Middle, x, plane.bottom + 19.0, text));
        }
    }
    let title = titles(&mut shapes, data, &unit, width);
    Scene { size, title, shapes }
}

fn titles(shapes: &mut Vec<Shape>, data: &PictureData<'_>, unit: &Unit, width: f32) -> String {
    let anomaly = data.anomaly;
    let labels: Vec<String> = anomaly.labels.pairs().map(|(key, value)| format!("{key}={value}")).collect();
    let title = match labels.is_empty() {
        true => anomaly.kpi.to_string(),
        false => format!("{} {}", anomaly.kpi, labels.join(" ")),
    };
    let at = (data.local_ms)(anomaly.peak_at_ms);
    let when = jiff::Timestamp::from_millisecond(at)
        .map_or_else(|_| String::new(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string());
    let side = if anomaly.direction == Direction::Above { "above" } else { "below" };
    let expected = match anomaly.peak_expected.is_finite() {
        true => format!(", {side} {} expected", unit.write(anomaly.peak_expected)),
        false => String::new(),
    };
    let detail = format!("{}{expected}, {when} {}", unit.write(anomaly.peak_value), data.zone);
    let most = ((width - 36.0) / CHARACTER).max(4.0) as usize;
    shapes.push(Shape::Text(Role::Ink, Anchor::Start, 18.0, 22.0, cut(&title, most)));
    shapes.push(Shape::Text(Role::Faint, Anchor::Start, 18.0, 40.0, cut(&detail, most)));
    format!("{title}: {detail}")
}

/// The time of the episode, behind everything.
fn marked(shapes: &mut Vec<Shape>, data: &PictureData<'_>, plane: &Plane) {
    let anomaly = data.anomaly;
    let (mut left, mut right) = (plane.x(anomaly.opened_at_ms), plane.x(anomaly.last_at_ms));
    if right - left < 6.0 {
        let middle = 0.5 * (left + right);
        (left, right) = (middle - 3.0, middle + 3.0);
    }
    shapes.push(Shape::Area(
        Role::AlarmArea,
        vec![(left, plane.top), (right, plane.top), (right, plane.bottom), (left, plane.bottom)],
    ));
}

fn series(shapes: &mut Vec<Shape>, data: &PictureData<'_>, plane: &Plane) {
    let anomaly = data.anomaly;
    for run in runs(data.points) {
        let known = |run: &[Point]| run.iter().all(|point| point.lower.is_finite() && point.upper.is_finite());
        for part in run.chunk_by(|a, b| a.lower.is_finite() == b.lower.is_finite()).filter(|part| known(part)) {
            let upper = part.iter().map(|point| (plane.x(point.at_ms), plane.y(point.upper)));
            let lower = part.iter().rev().map(|point| (plane.x(point.at_ms), plane.y(point.lower)));
            shapes.push(Shape::Area(Role::Band, upper.chain(lower).collect()));
        }
        for part in run.chunk_by(|a, b| a.expected.is_finite() == b.expected.is_finite()) {
            if part[0].expected.is_finite() {
                let points = part.iter().map(|point| (plane.x(point.at_ms), plane.y(point.expected))).collect();
                shapes.push(Shape::Line { role: Role::Expected, width: 1.2, dashed: true, points });
            }
        }
    }
    for run in runs(data.points) {
        shapes.push(line(Role::Value, 1.6, path(run, plane)));
    }
    let inside = |point: &Point| (anomaly.opened_at_ms..=anomaly.last_at_ms).contains(&point.at_ms);
    for part in data.points.chunk_by(|a, b| inside(a) == inside(b)).filter(|part| inside(&part[0])) {
        shapes.push(line(Role::Alarm, 2.4, path(part, plane)));
    }
    shapes.push(Shape::Dot(Role::Alarm, plane.x(anomaly.peak_at_ms), plane.y(anomaly.peak_value), 4.5));
}

/// Stretches without a gap: one is a distance five times as long as usual.
fn runs(points: &[Point]) -> impl Iterator<Item = &[Point]> {
    let mut steps: Vec<i64> = points.windows(2).map(|pair| pair[1].at_ms - pair[0].at_ms).collect();
    steps.sort_unstable();
    let usual = steps.get(steps.len() / 2).copied().unwrap_or(0).max(1);
    points.chunk_by(move |a, b| b.at_ms - a.at_ms <= usual.saturating_mul(5))
}

/// Through lowest and highest value of each column of pixels, so that no spike gets lost.
fn path(points: &[Point], plane: &Plane) -> Vec<(f32, f32)> {
    let mut path: Vec<(f32, f32)> = Vec::with_capacity(points.len());
    for column in points.chunk_by(|a, b| plane.x(a.at_ms).floor() == plane.x(b.at_ms).floor()) {
        let x = plane.x(column[0].at_ms);
        let low = column.iter().fold(f64::INFINITY, |low, point| low.min(point.low));
        let high = column.iter().fold(f64::NEG_INFINITY, |high, point| high.max(point.high));
        let (bottom, top) = (plane.y(low), plane.y(high));
        // The end nearer to the end of the line comes first.
        let down_first = path.last().is_some_and(|last| (last.1 - bottom).abs() < (last.1 - top).abs());
        path.push((x, if down_first { bottom } else { top }));
        if low < high {
            path.push((x, if down_first { top } else { bottom }));
        }
    }
    path
}

/// Lowest and highest value shown: all values, all expected values, and the band unless it is much
/// wider.
fn range(data: &PictureData<'_>) -> (f64, f64) {
    let (mut low, mut high) = (data.anomaly.peak_value, data.anomaly.peak_value);
    let mut take = |value: f64| {
        if value.is_finite() {
            (low, high) = (low.min(value), high.max(value));
        }
    };
    for point in data.points {
        [point.low, point.high, point.expected].into_iter().for_each(&mut take);
    }
    let (least, most) = (low, high);
    let room = 0.5 * (most - least);
    for point in data.points.iter().filter(|point| point.lower.is_finite() && point.upper.is_finite()) {
        low = low.min(point.lower.max(least - room));
        high = high.max(point.upper.min(most + room));
    }
    let pad = match high - low {
        height if height > 0.0 => 0.06 * height,
        _ => low.abs().max(1.0) * 0.5,
    };
    // Halves, so that the height of the largest numbers is finite.
    ((low - pad).max(-f64::MAX / 4.0), (high + pad).min(f64::MAX / 4.0))
}

fn line(role: Role, width: f32, points: Vec<(f32, f32)>) -> Shape {
    Shape::Line { role, width, dashed: false, points }
}

/// The texts of the ticks, as all numbers are written. Ticks of which two would read alike show
/// their decimals.
fn tick_texts(unit: &Unit, ticks: &[f64], decimals: usize) -> Vec<String> {
    let texts: Vec<String> = ticks.iter().map(|tick| unit.write(*tick)).collect();
    if texts.windows(2).any(|pair| pair[0] == pair[1]) {
        return ticks.iter().map(|tick| format!("{tick:.decimals$}")).collect();
    }
    texts
}

fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(2)).chain("..".chars()).collect()
}
