//! Plots a series: its values, the labelled windows, hits, misses and false alerts.

use std::fmt::Write;

use super::metrics::rows_of;
use super::run::{LabelledSeries, Run};

const WIDTH: usize = 1200;
const VALUES: (f64, f64) = (30.0, 250.0);
const SCORES: (f64, f64) = (270.0, 340.0);
const HEIGHT: usize = 360;

/// The plot as SVG. Windows are green if found and red if missed. Alerts are triangles, green in a
/// window and red outside. The scores and the `threshold` are below.
pub fn plot(series: &LabelledSeries, run: &Run, threshold: f64) -> String {
    let mut svg = String::new();
    // Writing to a string does not fail.
    let _infallible = draw(&mut svg, series, run, threshold).is_err();
    svg
}

fn draw(svg: &mut String, series: &LabelledSeries, run: &Run, threshold: f64) -> std::fmt::Result {
    let rows = series.values.len().max(1);
    let x = |row: usize| row as f64 * WIDTH as f64 / rows as f64;
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">"#
    )?;
    writeln!(svg, r#"<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>"#)?;
    writeln!(svg, r#"<text x="8" y="20" font-size="14">{}</text>"#, escaped(&series.name))?;
    let windows: Vec<_> = series.windows.iter().filter_map(|w| rows_of(&series.timestamps_ms, *w)).collect();
    for &(from, to) in &windows {
        let found = run.alerts.iter().take(to + 1).skip(from).any(|alert| *alert > 0.0);
        let (fill, title) = if found { ("#2a2", "found") } else { ("#d22", "missed") };
        let (left, width) = (x(from), (x(to + 1) - x(from)).max(1.0));
        writeln!(
            svg,
            r#"<rect x="{left:.1}" y="{}" width="{width:.1}" height="{}" fill="{fill}" fill-opacity="0.18"><title>{title}</title></rect>"#,
            VALUES.0,
            SCORES.1 - VALUES.0
        )?;
    }
    line(svg, &series.values, VALUES, range_of(&series.values), "#246")?;
    line(svg, &run.scores, SCORES, (0.0, 1.0), "#888")?;
    let level = height(threshold, SCORES, (0.0, 1.0));
    writeln!(svg, r##"<path d="M0 {level:.1}H{WIDTH}" stroke="#c80" stroke-dasharray="4"/>"##)?;
    for (row, score) in run.alerts.iter().enumerate().filter(|(_, score)| **score > 0.0) {
        let hit = windows.iter().any(|window| (window.0..=window.1).contains(&row));
        let (fill, title) = if hit { ("#2a2", "hit") } else { ("#d22", "false alert") };
        let (left, at, right) = (x(row) - 5.0, x(row), x(row) + 5.0);
        writeln!(
            svg,
            r#"<path d="M{left:.1} 266L{right:.1} 266L{at:.1} 254Z" fill="{fill}"><title>{title}, row {row}, score {score:.3}</title></path>"#
        )?;
    }
    writeln!(svg, "</svg>")
}

/// A line through the lowest and highest value of each pixel column, so that no spike is lost.
fn line(svg: &mut String, values: &[f64], position: (f64, f64), range: (f64, f64), stroke: &str) -> std::fmt::Result {
    let per_column = values.len().div_ceil(WIDTH).max(1);
    write!(svg, r#"<polyline fill="none" stroke="{stroke}" points=""#)?;
    for (column, chunk) in values.chunks(per_column).enumerate() {
        let at = (column * per_column) as f64 * WIDTH as f64 / values.len() as f64;
        let (low, high) = range_of(chunk);
        write!(svg, "{at:.1},{:.1} {at:.1},{:.1} ", height(high, position, range), height(low, position, range))?;
    }
    writeln!(svg, r#""/>"#)
}

fn range_of(values: &[f64]) -> (f64, f64) {
    let finite = values.iter().copied().filter(|value| value.is_finite());
    finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
}

/// The vertical position of a value. An empty range lies in the middle.
fn height(value: f64, (top, bottom): (f64, f64), (low, high): (f64, f64)) -> f64 {
    let share = (value - low) / (high - low);
    bottom - (bottom - top) * if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.5 }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plot_distinguishes_hits_misses_and_false_alerts() {
        let series = LabelledSeries {
            name: "a<b".into(),
            timestamps_ms: (0..5_000).collect(),
            values: (0..5_000).map(|i| f64::from(i % 7)).collect(),
            windows: vec![(100, 200), (3_000, 3_100)],
            labelled: true,
        };
        let mut run = Run { scores: vec![0.0; 5_000], alerts: vec![0.0; 5_000], ..Run::default() };
        (run.alerts[150], run.alerts[4_000]) = (0.9, 0.6);
        let svg = plot(&series, &run, 0.5);
        for part in ["a&lt;b", ">found<", ">missed<", ">hit, row 150", ">false alert, row 4000"] {
            assert_eq!(svg.matches(part).count(), 1, "{part}");
        }
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn empty_and_constant_series_are_plotted() {
        let run = Run { scores: vec![0.0; 3], alerts: vec![0.0; 3], ..Run::default() };
        let constant =
            LabelledSeries { timestamps_ms: vec![1, 2, 3], values: vec![5.0; 3], ..LabelledSeries::default() };
        for svg in [plot(&constant, &run, 0.5), plot(&LabelledSeries::default(), &Run::default(), 0.5)] {
            assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{svg}");
        }
    }
}
