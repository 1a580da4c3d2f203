//! Labelled series from files.

use std::collections::BTreeMap;
use std::path::Path;

use ::csv::{Reader, StringRecord};

use crate::cli::output::{UNAVAILABLE, complain};
use crate::evaluation::LabelledSeries;
use earcon_tables::parse_time;

/// An exit code and the message of a failed command.
pub(super) type Failure = (u8, String);

/// How many bad rows of a file are named one by one.
const NAMED: usize = 3;

/// The corpus of the Numenta benchmark: `labels/combined_windows.json` names the files below `data`
/// and their windows.
pub(super) fn nab(dir: &Path) -> Result<Vec<LabelledSeries>, Failure> {
    let labels = dir.join("labels/combined_windows.json");
    let text = std::fs::read_to_string(&labels).map_err(|error| unreadable(&labels, error))?;
    let windows: BTreeMap<String, Vec<(String, String)>> =
        serde_json::from_str(&text).map_err(|error| unreadable(&labels, error))?;
    windows
        .into_iter()
        .map(|(name, windows)| {
            let mut series = csv(&dir.join("data").join(&name))?;
            let bounds = |(from, to): &(String, String)| Some((parse_time(from)?, parse_time(to)?));
            let windows: Option<Vec<_>> = windows.iter().map(bounds).collect();
            series.windows =
                windows.ok_or_else(|| unreadable(&labels, format!("a window of {name} is not a pair of times")))?;
            series.name = name;
            series.labelled = true;
            Ok(series)
        })
        .collect()
}

/// A file with a header and columns for time, value and, optionally, label. Consecutive labelled
/// rows are a window.
pub(super) fn csv(file: &Path) -> Result<LabelledSeries, Failure> {
    let mut reader = Reader::from_path(file).map_err(|error| unreadable(file, error))?;
    let header = reader.headers().map_err(|error| unreadable(file, error))?.clone();
    let column =
        |names: &[&str]| header.iter().position(|cell| names.iter().any(|name| cell.trim().eq_ignore_ascii_case(name)));
    let (Some(time), Some(value)) = (column(&["timestamp", "time"]), column(&["value"])) else {
        return Err(unreadable(
            file,
            "the header must name the columns timestamp and value, and label if there are labels",
        ));
    };
    let label = column(&["label", "is_anomaly", "anomaly"]);
    let mut series =
        LabelledSeries { name: file.display().to_string(), labelled: label.is_some(), ..LabelledSeries::default() };
    let mut bad = 0;
    let mut in_window = false;
    for record in reader.records() {
        let record = record.map_err(|error| unreadable(file, error))?;
        let Some((at, measured, labelled)) = row(&record, time, value, label) else {
            bad += 1;
            if bad <= NAMED {
                let line = record.position().map_or(0, |position| position.line());
                complain(&format!("{}: line {line} was skipped: {record:?}", file.display()));
            }
            continue;
        };
        match (labelled, in_window, series.windows.last_mut()) {
            (true, true, Some(window)) => window.1 = at,
            (true, ..) => series.windows.push((at, at)),
            _ => {}
        }
        in_window = labelled;
        series.timestamps_ms.push(at);
        series.values.push(measured);
    }
    if bad > NAMED {
        complain(&format!("{}: {bad} rows were skipped in total", file.display()));
    }
    Ok(series)
}

fn row(record: &StringRecord, time: usize, value: usize, label: Option<usize>) -> Option<(i64, f64, bool)> {
    let at = parse_time(record.get(time)?)?;
    let measured = record.get(value)?.trim().parse::<f64>().ok().filter(|value| value.is_finite())?;
    let labelled = match label {
        None => false,
        Some(column) => match record.get(column)?.trim().to_ascii_lowercase().as_str() {
            "0" | "0.0" | "false" | "" => false,
            "1" | "1.0" | "true" => true,
            _ => return None,
        },
    };
    Some((at, measured, labelled))
}

fn unreadable(file: &Path, problem: impl std::fmt::Display) -> Failure {
    (UNAVAILABLE, format!("{}: {problem}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LabelledSeries, Failure> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.csv");
        std::fs::write(&file, text).unwrap();
        csv(&file)
    }

    #[test]
    fn consecutive_labels_are_one_window_and_bad_rows_are_skipped() {
        let text = "label,Value,timestamp\n0,1,10\n1,2,20\nmaybe,3,30\n1,x,40\n1,5,50\n0,6,60\n1,7,70\n";
        let series = read(text).unwrap();
        assert_eq!(series.timestamps_ms, [10_000, 20_000, 50_000, 60_000, 70_000]);
        assert_eq!(series.values, [1.0, 2.0, 5.0, 6.0, 7.0]);
        assert!(series.labelled);
        assert_eq!(series.windows, [(20_000, 50_000), (70_000, 70_000)]);
    }

    #[test]
    fn missing_labels_give_no_windows_and_missing_values_an_error() {
        let unlabelled = read("timestamp,value\n1,1\n").unwrap();
        assert!(unlabelled.windows.is_empty() && !unlabelled.labelled);
        let (code, problem) = read("when,what\n1,1\n").unwrap_err();
        assert!(code == UNAVAILABLE && problem.contains("a.csv: the header must name"), "{problem}");
    }
}
