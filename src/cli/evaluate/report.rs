//! The reports of `earcon evaluate`, as JSON and as text.

use std::fmt::Write;

use serde::Serialize;

use super::input::Failure;
use crate::cli::output::UNAVAILABLE;
use crate::evaluation::metrics::{Agreement, Quality};
use crate::evaluation::nab::NabScore;
use crate::evaluation::{Events, RowOutcome, Run};

/// The JSON output for labelled series.
#[derive(Serialize)]
pub(super) struct Evaluation<'a> {
    pub(super) detector: &'static str,
    pub(super) sensitivity: f64,
    /// Whether any series has labels; measures that need them are null otherwise.
    pub(super) labelled: bool,
    pub(super) events: EventsReport,
    /// Empty without labels.
    pub(super) profiles: Vec<ProfileResult>,
    pub(super) quality: Quality,
    pub(super) series: Vec<SeriesResult<'a>>,
}

/// The Numenta score of one profile.
#[derive(Serialize)]
pub(super) struct ProfileResult {
    pub(super) profile: &'static str,
    /// At the threshold that opens episodes in the product.
    pub(super) fixed: NabScore,
    /// At the threshold that is best for this profile on this corpus. A threshold above all scores
    /// is null.
    pub(super) best: NabScore,
}

#[derive(Serialize)]
pub(super) struct SeriesResult<'a> {
    pub(super) name: &'a str,
    /// Whether the file has a column of labels.
    pub(super) labelled: bool,
    #[serde(flatten)]
    pub(super) not_scored: NotScored,
    pub(super) events: EventsReport,
    pub(super) quality: Quality,
}

/// How many rows have no score, and why.
#[derive(Serialize, Clone, Copy, Default)]
pub(super) struct NotScored {
    warm_up: usize,
    late: usize,
    rejected: usize,
}

impl NotScored {
    pub(super) fn of(run: &Run) -> Self {
        let [warm_up, late, rejected] =
            [RowOutcome::WarmUp, RowOutcome::Late, RowOutcome::Refused].map(|outcome| run.rows(outcome));
        Self { warm_up, late, rejected }
    }

    /// `60 not scored: 58 of the warm-up, 2 late`
    fn words(all: impl Iterator<Item = Self>) -> String {
        let sum = all.fold(Self::default(), |sum, one| Self {
            warm_up: sum.warm_up + one.warm_up,
            late: sum.late + one.late,
            rejected: sum.rejected + one.rejected,
        });
        let Self { warm_up, late, rejected } = sum;
        let kinds = [(warm_up, "of the warm-up"), (late, "late"), (rejected, "refused")];
        let kinds: Vec<String> =
            kinds.iter().filter(|kind| kind.0 > 0).map(|(count, what)| format!("{count} {what}")).collect();
        if kinds.is_empty() {
            return "all scored".to_owned();
        }
        format!("{} not scored: {}", warm_up + late + rejected, kinds.join(", "))
    }
}

/// Measures of events. Null where no window is labelled.
#[derive(Serialize)]
pub(super) struct EventsReport {
    #[serde(flatten)]
    counts: Events,
    agreement: Option<Agreement>,
    false_alerts_per_day: Option<f64>,
}

impl EventsReport {
    /// `labelled`: whether the data names its anomalies. Without that no alert is false.
    pub(super) fn new(counts: Events, labelled: bool) -> Self {
        let false_alerts_per_day = labelled.then(|| counts.false_alerts_per_day());
        Self { counts, agreement: counts.agreement(), false_alerts_per_day }
    }
}

/// The result for one kind of generated series.
#[derive(Serialize)]
pub(super) struct KindResult {
    pub(super) kind: &'static str,
    pub(super) events: Events,
    pub(super) per_10000: f64,
    pub(super) rows_to_detect: Option<f64>,
}

/// The JSON output for one kind of anomaly-free data.
#[derive(Serialize)]
pub(super) struct NullResult {
    pub(super) kind: &'static str,
    pub(super) samples: usize,
    pub(super) false_alerts: usize,
    pub(super) per_10000: f64,
}

pub(super) fn json(result: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(result).map_err(|error| (UNAVAILABLE, error.to_string()))
}

pub(super) fn of_labelled(evaluation: &Evaluation<'_>) -> String {
    let Evaluation { detector, quality, series, events, .. } = evaluation;
    let not_scored = NotScored::words(series.iter().map(|series| series.not_scored));
    let mut text = format!(
        "{detector}: {} series, {} rows ({not_scored}), {:.0} days, {} windows\n",
        series.len(),
        quality.rows,
        quality.days,
        quality.windows
    );
    let unlabelled = series.iter().filter(|series| !series.labelled).count();
    if unlabelled > 0 {
        add(
            &mut text,
            &format!("{unlabelled} of {} series have no labels: no alert on them is right or wrong", series.len()),
        );
    }
    add(&mut text, "");
    match (evaluation.labelled, &events.agreement) {
        (true, Some(found)) => add_events(&mut text, events, found),
        (true, None) => add(
            &mut text,
            &format!("{:<20}no window is labelled: all {} alerts are false", "events", events.counts.alerts),
        ),
        (false, _) => add(
            &mut text,
            &format!("{:<20}{} alerts, {:.3} a day and series", "events", events.counts.alerts, quality.alerts_per_day),
        ),
    }
    if evaluation.labelled && quality.windows > 0 {
        add_measures(&mut text, evaluation);
    }
    text
}

fn add_events(text: &mut String, events: &EventsReport, found: &Agreement) {
    add(text, &agreement("events", found));
    let counts = &events.counts;
    add(
        text,
        &format!(
            "{:<20}{} of {} windows found, {} alerts, {} false, {:.3} false a day and series",
            "",
            counts.found,
            counts.windows,
            counts.alerts,
            counts.false_alerts,
            counts.false_alerts_per_day()
        ),
    );
}

fn add_measures(text: &mut String, evaluation: &Evaluation<'_>) {
    let quality = &evaluation.quality;
    add(text, "");
    add(text, "Numenta score          as is   found  false      best   found  false  threshold");
    for ProfileResult { profile, fixed, best } in &evaluation.profiles {
        let part = |nab: &NabScore| format!("{:>8.2} {:>7} {:>6}", nab.score, nab.found, nab.false_alerts);
        add(text, &format!("{profile:<20}{}  {}  {:>9.4}", part(fixed), part(best), best.threshold));
    }
    add(text, "");
    add(text, &agreement("point-adjusted", &quality.point_adjusted));
    add(text, &agreement("ranges", &quality.ranges));
    let alerts = (quality.alerts, quality.false_alerts, quality.alerts_per_day);
    add(
        text,
        &format!("{:<20}{} ({} outside of windows), {:.3} a day and series", "alerts", alerts.0, alerts.1, alerts.2),
    );
    let to_detect = match (quality.rows_to_detect, quality.seconds_to_detect) {
        (Some(rows), Some(seconds)) => format!("{rows:.0} rows, {seconds:.0} s from the start of a window (median)"),
        _ => "no window was found".to_owned(),
    };
    add(text, &format!("{:<20}{to_detect}", "time to detect"));
}

fn agreement(name: &str, of: &Agreement) -> String {
    format!("{name:<20}precision {:.3}  recall {:.3}  F1 {:.3}", of.precision, of.recall, of.f1)
}

/// The table for generated series with anomalies, and their sum.
pub(super) fn of_kinds(title: &str, results: &[KindResult]) -> String {
    let mut text = format!("{title}\n");
    let mut sum = Events::default();
    for KindResult { kind, events, per_10000, rows_to_detect } in results {
        sum.merge(events);
        let rows = rows_to_detect.map_or(String::new(), |rows| format!(", {rows:.0} rows from the start (median)"));
        let (found, windows, wrong) = (events.found, events.windows, events.false_alerts);
        add(
            &mut text,
            &format!(
                "{kind:<22} found {found:>4} of {windows:<4} {wrong:>4} false alerts, {per_10000:>6.2} per 10,000{rows}"
            ),
        );
    }
    let rate = sum.false_alerts_per_10000();
    add(
        &mut text,
        &format!(
            "{:<22} found {:>4} of {:<4} {:>4} false alerts, {rate:>6.2} per 10,000",
            "all", sum.found, sum.windows, sum.false_alerts
        ),
    );
    if let Some(all) = sum.agreement() {
        add(&mut text, &agreement("events", &all));
    }
    text
}

pub(super) fn of_null(detector: &str, results: &[NullResult]) -> String {
    let mut text = format!("{detector}: false alerts on anomaly-free data\n");
    for NullResult { kind, samples, false_alerts, per_10000 } in results {
        add(&mut text, &format!("{kind:<18} {per_10000:>7.2} per 10,000 samples  ({false_alerts} in {samples})"));
    }
    let mean = results.iter().map(|result| result.per_10000).sum::<f64>() / results.len() as f64;
    add(&mut text, &format!("{:<18} {mean:>7.2}", "mean"));
    text
}

fn add(text: &mut String, line: &str) {
    // Writing to a string does not fail.
    let _infallible = writeln!(text, "{line}").is_err();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_a_score_are_counted_by_reason() {
        let words = |all: &[(usize, usize, usize)]| {
            NotScored::words(all.iter().map(|&(warm_up, late, rejected)| NotScored { warm_up, late, rejected }))
        };
        assert_eq!(words(&[(30, 0, 0), (30, 2, 0)]), "62 not scored: 60 of the warm-up, 2 late");
        assert_eq!(words(&[(0, 0, 1)]), "1 not scored: 1 refused");
        assert_eq!(words(&[(0, 0, 0)]), "all scored");
    }
}
