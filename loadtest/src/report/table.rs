//! The reports of several targets side by side, with the ratios of Earcon.

use super::{Better, Report};
use crate::server::Target;

/// A table as text: one row per figure, one column per target, then Earcon's value divided by that
/// of each other target.
pub(crate) fn table(reports: &[Report]) -> String {
    let Some(first) = reports.first() else { return String::new() };
    let mut rows = vec![vec![format!("{}:", first.scenario)]];
    if let Some(header) = rows.first_mut() {
        header.extend(reports.iter().map(|report| report.target.name().to_owned()));
        header.extend(others(reports).map(|other| format!("earcon/{}", other.target.name())));
    }
    let mut names: Vec<(&str, &str, Better)> = Vec::new();
    for figure in reports.iter().flat_map(|report| &report.figures) {
        if !names.iter().any(|(name, ..)| *name == figure.name) {
            names.push((figure.name, figure.unit, figure.better));
        }
    }
    for (name, unit, better) in names {
        let unit = if unit.is_empty() { String::new() } else { format!(" [{unit}]") };
        let mut row = vec![format!("{name}{unit}")];
        row.extend(reports.iter().map(|report| report.value(name).map_or_else(String::new, number)));
        row.extend(others(reports).map(|other| ratio(reports, other, name, better)));
        rows.push(row);
    }
    let mut text = aligned(&rows);
    for report in reports {
        text.push_str(&format!("{}: {}\n", report.target.name(), report.version));
        for note in &report.notes {
            text.push_str(&format!("  {note}\n"));
        }
    }
    text
}

/// All targets but Earcon. None if Earcon is not among them.
fn others(reports: &[Report]) -> impl Iterator<Item = &Report> {
    let compared = reports.iter().any(|report| report.target == Target::Earcon);
    reports.iter().filter(move |report| compared && report.target != Target::Earcon)
}

fn ratio(reports: &[Report], other: &Report, name: &str, better: Better) -> String {
    let ours = reports.iter().find(|report| report.target == Target::Earcon).and_then(|report| report.value(name));
    match (ours, other.value(name)) {
        (Some(ours), Some(theirs)) if better != Better::Neither && theirs != 0.0 => format!("{:.2}", ours / theirs),
        _ => String::new(),
    }
}

fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 10_000.0 => grouped(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// A number with separators of thousands.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let length = digits.len();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (length - position).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| match column {
            0 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_shown_only_for_figures_with_a_direction() {
        let mut earcon = Report::new("websocket", Target::Earcon, "earcon 1");
        earcon.add("deliveries", "1/s", 30_000.0, Better::Higher);
        earcon.add("connections", "", 10.0, Better::Neither);
        let mut raw = Report::new("websocket", Target::Raw, "raw 1");
        raw.add("deliveries", "1/s", 60_000.0, Better::Higher);
        raw.add("connections", "", 10.0, Better::Neither);
        let text = table(&[earcon, raw.clone()]);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["websocket:", "earcon", "raw", "earcon/raw"]);
        assert_eq!(lines[1], ["deliveries", "[1/s]", "30,000", "60,000", "0.50"]);
        assert_eq!(lines[2], ["connections", "10.00", "10.00"]);
        assert_eq!(table(&[raw]).lines().next().unwrap().split_whitespace().count(), 2);
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 0.12345, 1.234, 123.4, 12_345.0, 1_234_567.0].map(number);
        assert_eq!(texts, ["0", "0.123", "1.23", "123", "12,345", "1,234,567"]);
    }
}
