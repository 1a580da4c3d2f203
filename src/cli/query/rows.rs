//! Joins pages of history, and formats CSV. Pure.

use earcon_client::{Anomaly, AnomalyState, Direction, History, Reason};
use serde_json::Value;

use crate::cli::text::label_text;

/// The start of the next request after a truncated answer.
pub(super) fn next_from(history: &History) -> Option<i64> {
    let truncated = history.series.iter().filter(|series| series.truncated);
    truncated.filter_map(|series| Some(timestamp(series.samples.last()?)? + 1)).min()
}

/// Appends the rows of a later page that are newer than the last row.
pub(super) fn append(whole: &mut History, more: History) {
    for known in &mut whole.series {
        known.truncated = false;
    }
    for mut new in more.series {
        match whole.series.iter_mut().find(|known| known.labels == new.labels) {
            Some(known) => {
                let last = known.samples.last().and_then(|row| timestamp(row));
                new.samples.retain(|row| timestamp(row) > last);
                known.truncated = new.truncated && !new.samples.is_empty();
                known.samples.append(&mut new.samples);
            }
            None => whole.series.push(new),
        }
    }
}

/// The time of a row.
pub(super) fn timestamp(row: &[Value]) -> Option<i64> {
    row.first()?.as_i64()
}

pub(super) fn history_csv(history: &History) -> String {
    let mut lines = vec![["kpi", "labels"].iter().map(ToString::to_string).chain(history.columns.clone()).collect()];
    for series in &history.series {
        let labels = label_text(&series.labels);
        let cell = |value: &Value| if value.is_null() { String::new() } else { value.to_string() };
        lines.extend(series.samples.iter().map(|row| {
            [history.kpi.clone(), labels.clone()].into_iter().chain(row.iter().map(cell)).collect::<Vec<_>>()
        }));
    }
    csv(&lines)
}

pub(super) fn anomalies_csv(anomalies: &[Anomaly]) -> String {
    let columns = [
        "id",
        "kpi",
        "labels",
        "state",
        "opened_at",
        "last_at",
        "closed_at",
        "samples",
        "direction",
        "peak_timestamp",
        "peak_value",
        "peak_score",
        "expected",
        "lower",
        "upper",
        "acknowledged_by",
        "unit",
        "end",
    ];
    let number = |number: Option<f64>| number.map(|number| number.to_string()).unwrap_or_default();
    let row = |anomaly: &Anomaly| {
        let (peak, seen) = (&anomaly.peak, anomaly.acknowledged.as_ref());
        vec![
            anomaly.id.clone(),
            anomaly.kpi.clone(),
            label_text(&anomaly.labels),
            state(anomaly.state).to_owned(),
            anomaly.opened_at.to_string(),
            anomaly.last_at.to_string(),
            anomaly.closed_at.map(|at| at.to_string()).unwrap_or_default(),
            anomaly.samples.to_string(),
            direction(anomaly).to_owned(),
            peak.timestamp.to_string(),
            peak.value.to_string(),
            peak.score.to_string(),
            number(peak.expected),
            number(peak.lower),
            number(peak.upper),
            seen.map(|seen| seen.by.clone()).unwrap_or_default(),
            anomaly.unit.clone().unwrap_or_default(),
            anomaly.end.clone().unwrap_or_default(),
        ]
    };
    let head = columns.iter().map(ToString::to_string).collect();
    csv(&[head].into_iter().chain(anomalies.iter().map(row)).collect::<Vec<_>>())
}

/// `open` or `closed`.
pub(super) fn state(state: AnomalyState) -> &'static str {
    match state {
        AnomalyState::Open => "open",
        AnomalyState::Closed => "closed",
    }
}

/// `above`, `below`, `repeats`, or empty if unknown.
pub(super) fn direction(anomaly: &Anomaly) -> &'static str {
    match (anomaly.reason, anomaly.direction) {
        (Reason::Volatility, _) => "repeats",
        (_, Direction::Above) => "above",
        (_, Direction::Below) => "below",
        (_, Direction::Unknown) => "",
    }
}

fn csv(lines: &[Vec<String>]) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    let written = lines.iter().try_for_each(|line| writer.write_record(line));
    // Writing rows of equal length to memory cannot fail.
    debug_assert!(written.is_ok());
    String::from_utf8(writer.into_inner().unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(rows: &[i64], truncated: bool) -> History {
        let rows: Vec<Value> = rows.iter().map(|at| serde_json::json!([at, 1.5, null])).collect();
        serde_json::from_value(serde_json::json!({
            "kpi": "a", "columns": ["timestamp", "value", "score"],
            "series": [{"labels": {"x": "1", "y": "a b"}, "samples": rows, "truncated": truncated}]
        }))
        .unwrap()
    }

    #[test]
    fn pages_are_joined_without_repetition() {
        let mut whole = history(&[1, 2, 3], true);
        assert_eq!(next_from(&whole), Some(4));
        append(&mut whole, history(&[3, 4, 5], true));
        assert_eq!(next_from(&whole), Some(6));
        append(&mut whole, history(&[6], false));
        assert_eq!(next_from(&whole), None);
        let times: Vec<_> = whole.series[0].samples.iter().filter_map(|row| timestamp(row)).collect();
        assert_eq!(times, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_value_that_repeats_is_on_no_side() {
        let cases: Vec<Value> =
            serde_json::from_str(include_str!("../../../tests/conformance/sentences.json")).unwrap();
        let all: Vec<Anomaly> =
            cases.iter().map(|case| serde_json::from_value(case["anomaly"].clone()).unwrap()).collect();
        let sides: Vec<_> = all.iter().map(direction).collect();
        assert_eq!(sides[..5], ["below", "above", "above", "repeats", "repeats"]);
    }

    #[test]
    fn repeated_page_ends_the_requests() {
        let mut whole = history(&[1, 2], true);
        append(&mut whole, history(&[1, 2], true));
        assert_eq!(next_from(&whole), None);
    }

    #[test]
    fn csv_has_a_header_and_empty_cells_for_null() {
        assert_eq!(history_csv(&history(&[7], false)), "kpi,labels,timestamp,value,score\na,\"x:1,y:a b\",7,1.5,\n");
    }
}
