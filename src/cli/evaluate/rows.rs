//! The result of each row, as CSV.

use std::path::Path;

use jiff::Timestamp;

use crate::evaluation::{LabelledSeries, RowOutcome, Run};

/// Writes a line for each row of all series: whether it was scored, its score, its band, whether it
/// alerts, its label. Numbers that do not exist are empty.
pub(super) fn write(file: &Path, corpus: &[LabelledSeries], runs: &[Run]) -> Result<(), String> {
    let problem = |error: csv::Error| format!("{}: {error}", file.display());
    let mut writer = csv::Writer::from_path(file).map_err(problem)?;
    let header =
        ["series", "timestamp", "value", "row", "score", "expected", "lower", "upper", "alert", "open", "label"];
    writer.write_record(header).map_err(problem)?;
    for (series, run) in corpus.iter().zip(runs) {
        for row in 0..series.values.len() {
            writer.write_record(record(series, run, row)).map_err(problem)?;
        }
    }
    writer.flush().map_err(|error| format!("{}: {error}", file.display()))
}

fn record(series: &LabelledSeries, run: &Run, row: usize) -> [String; 11] {
    let at_ms = series.timestamps_ms[row];
    let [expected, lower, upper] = run.bands.get(row).copied().unwrap_or([f64::NAN; 3]);
    let number = |number: f64| if number.is_finite() { number.to_string() } else { String::new() };
    let flag = |set: bool| u8::from(set).to_string();
    let outcome = run.outcomes[row];
    let labelled = series.windows.iter().any(|(from, to)| (*from..=*to).contains(&at_ms));
    [
        series.name.clone(),
        Timestamp::from_millisecond(at_ms).map_or_else(|_| at_ms.to_string(), |at| at.to_string()),
        series.values[row].to_string(),
        outcome.as_str().to_owned(),
        if outcome == RowOutcome::Scored { run.scores[row].to_string() } else { String::new() },
        number(expected),
        number(lower),
        number(upper),
        flag(run.opened.binary_search(&row).is_ok()),
        flag(run.open[row]),
        if series.labelled { flag(labelled) } else { String::new() },
    ]
}
