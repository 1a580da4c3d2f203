//! History and anomalies as tables for the terminal. Pure except for the time zone of this machine.

use anstyle::{AnsiColor, Style};
use earcon_client::{Anomaly, History, HistorySeries};
use serde_json::Value;

use super::rows::{direction, state, timestamp};
use super::spark;
use crate::cli::text::{local, number, series};
use crate::telemetry::plain;
use earcon_model::quantity::Unit;
use earcon_model::wording::{counted, duration};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const ALARM: Style = AnsiColor::Red.on_default();

// With the offset, so that a copied time means the same to `--from`.
const TIME: &str = "%Y-%m-%dT%H:%M:%S%.f%:z";
const SPARKLINE: usize = 60;
/// Rows with at least this score are coloured.
const SURPRISING: f64 = 0.5;

pub(super) fn history(history: &History, symbol: &str) -> String {
    if history.series.iter().all(|series| series.samples.is_empty()) {
        return format!("no samples of {} in that time\n", history.kpi);
    }
    let tables = history.series.iter().filter(|series| !series.samples.is_empty()).map(|of| table(history, symbol, of));
    tables.collect::<Vec<_>>().join("\n")
}

fn table(history: &History, symbol: &str, of: &HistorySeries) -> String {
    let column = |names: &[&str]| history.columns.iter().position(|column| names.contains(&column.as_str()));
    let numbers = |at: Option<usize>| -> Vec<f64> {
        at.map_or(vec![], |at| of.samples.iter().filter_map(|row| row.get(at)?.as_f64()).collect())
    };
    let unit = if symbol.is_empty() { String::new() } else { format!(", in {}", plain(symbol)) };
    let name = series(&history.kpi, &of.labels);
    let mut text = format!("{BOLD}{name}{BOLD:#}  {}{unit}\n", counted(of.samples.len() as u64, "row", "rows"));
    text.push_str(&format!("  {}\n", spark::line(&numbers(column(&["value", "mean"])), SPARKLINE)));
    let score = column(&["score", "max_score"]);
    let mut rows = vec![history.columns.iter().map(|column| column.replace('_', " ")).collect::<Vec<_>>()];
    rows.extend(of.samples.iter().map(|row| row.iter().enumerate().map(|(at, value)| cell(at, value)).collect()));
    let widths: Vec<usize> = (0..history.columns.len())
        .map(|at| rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}")).collect();
        let line = cells.join("  ");
        let surprising = || {
            let value = of.samples[index - 1].get(score?)?.as_f64()?;
            (value >= SURPRISING).then_some(ALARM)
        };
        let style = if index == 0 { DIM } else { surprising().unwrap_or_default() };
        text.push_str(&format!("{style}{line}{style:#}\n"));
    }
    text
}

fn cell(at: usize, value: &Value) -> String {
    match value {
        Value::Null => "·".to_owned(),
        time if at == 0 => timestamp(std::slice::from_ref(time)).map_or_else(|| time.to_string(), |ms| local(ms, TIME)),
        value => value.as_f64().map_or_else(|| value.to_string(), number),
    }
}

pub(super) fn anomalies(anomalies: &[Anomaly]) -> String {
    if anomalies.is_empty() {
        return "no anomalies in that time\n".to_owned();
    }
    let head = ["opened", "lasted", "state", "series", "peak", "expected range", "score", "acknowledged by"]
        .map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    rows.extend(anomalies.iter().map(anomaly));
    let widths: Vec<usize> =
        (0..head.len()).map(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        let style = match index.checked_sub(1).map(|index| anomalies[index].closed_at) {
            None => DIM,
            Some(None) => ALARM,
            Some(Some(_)) => Style::new(),
        };
        text.push_str(&format!("{style}{}{style:#}\n", cells.join("  ").trim_end()));
    }
    text
}

fn anomaly(anomaly: &Anomaly) -> Vec<String> {
    let peak = &anomaly.peak;
    let unit = Unit::of_kpi(&anomaly.kpi, anomaly.unit.as_deref());
    let range = peak.lower.zip(peak.upper).map(|(lower, upper)| unit.write_range(lower, upper));
    vec![
        local(anomaly.opened_at, TIME),
        duration(anomaly.last_at.saturating_sub(anomaly.opened_at)),
        state(anomaly.state).to_owned(),
        series(&anomaly.kpi, &anomaly.labels),
        plain(&format!("{} {}", unit.write(peak.value), direction(anomaly))).into_owned(),
        range.map_or_else(|| "·".to_owned(), |range| plain(&range).into_owned()),
        format!("{:.2}", peak.score),
        anomaly.acknowledged.as_ref().map(|seen| plain(&seen.by).into_owned()).unwrap_or_default(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_is_shown_as_sparkline_and_aligned_rows() {
        let history: History = serde_json::from_value(serde_json::json!({
            "kpi": "a", "columns": ["timestamp", "value", "score"],
            "series": [
                {"labels": {}, "samples": [[1_767_225_600_000_i64, 1.0, null], [1_767_225_601_000_i64, 1234.5, 0.75]], "truncated": false},
                {"labels": {"x": "1"}, "samples": [], "truncated": false}]
        }))
        .unwrap();
        let text = super::history(&history, "ms");
        let shown = anstream::adapter::strip_str(&text).to_string();
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!((lines[0], lines[1]), ("a  2 rows, in ms", "  ▁█"));
        assert!(lines[3].ends_with("      1      ·") && lines[4].ends_with(" 1234.5   0.75"), "{shown}");
        assert!(text.lines().nth(4).is_some_and(|line| line.contains("\u{1b}[31m")), "{text:?}");
        assert_eq!(lines.len(), 5, "a series without samples is omitted");
    }
}
