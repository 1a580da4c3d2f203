//! The report of a run: figures with units, the same for each target, as text and as JSON.

mod table;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::server::Target;

pub(crate) use table::table;

/// Whether higher or lower values of a figure are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Higher,
    Lower,
    /// Describes the load, or is for information only.
    Neither,
}

/// One number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) value: f64,
    pub(crate) better: Better,
}

/// The figures of one target in one scenario.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) scenario: String,
    pub(crate) target: Target,
    /// As reported by the target.
    pub(crate) version: String,
    pub(crate) figures: Vec<Figure>,
    /// Notes on the interpretation of the figures.
    pub(crate) notes: Vec<String>,
}

impl Report {
    pub(crate) fn new(scenario: &str, target: Target, version: &str) -> Self {
        let (figures, notes) = (Vec::new(), Vec::new());
        Self { scenario: scenario.to_owned(), target, version: version.to_owned(), figures, notes }
    }

    pub(crate) fn add(&mut self, name: &'static str, unit: &'static str, value: f64, better: Better) {
        self.figures.push(Figure { name, unit, value, better });
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|figure| figure.name == name).map(|figure| figure.value)
    }

    /// The usual percentiles of a histogram in microseconds, as milliseconds.
    pub(crate) fn latencies(&mut self, names: [&'static str; 4], micros: &Histogram<u64>) {
        let [median, p99, p999, max] = names;
        for (name, micros) in [
            (median, micros.value_at_quantile(0.5)),
            (p99, micros.value_at_quantile(0.99)),
            (p999, micros.value_at_quantile(0.999)),
            (max, micros.max()),
        ] {
            self.add(name, "ms", micros as f64 / 1_000.0, Better::Lower);
        }
    }

    /// Merges several runs: the median of each figure, and each note once.
    pub(crate) fn median(reports: Vec<Report>) -> Option<Report> {
        let mut values: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
        for figure in reports.iter().flat_map(|report| &report.figures) {
            values.entry(figure.name).or_default().push(figure.value);
        }
        let notes: Vec<String> = reports.iter().flat_map(|report| report.notes.clone()).collect();
        let mut merged = reports.into_iter().next()?;
        for figure in &mut merged.figures {
            if let Some(values) = values.get_mut(figure.name) {
                values.sort_by(f64::total_cmp);
                figure.value = values.get(values.len() / 2).copied().unwrap_or(figure.value);
            }
        }
        merged.notes.clear();
        for note in notes {
            if !merged.notes.contains(&note) {
                merged.notes.push(note);
            }
        }
        Some(merged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(value: f64, note: &str) -> Report {
        let mut report = Report::new("x", Target::Raw, "1");
        report.add("speed", "1/s", value, Better::Higher);
        report.note(note);
        report
    }

    #[test]
    fn outlier_does_not_change_the_median() {
        let merged = Report::median(vec![report(1.0, "a"), report(900.0, "b"), report(2.0, "a")]).unwrap();
        assert_eq!(merged.value("speed"), Some(2.0));
        assert_eq!(merged.notes, ["a", "b"]);
        assert!(Report::median(Vec::new()).is_none());
    }

    #[test]
    fn latencies_are_in_milliseconds() {
        let mut micros = crate::fleet::events::histogram();
        (1..=1_000).for_each(|n| micros.saturating_record(n * 1_000));
        let mut report = report(1.0, "");
        report.latencies(["p50", "p99", "p99.9", "max"], &micros);
        let near = |name: &str, expected: f64| (report.value(name).unwrap() / expected - 1.0).abs() < 0.01;
        assert!(near("p50", 500.0) && near("p99", 990.0) && near("max", 1_000.0));
    }
}
