//! Formats events as lines of text.

use std::collections::HashMap;

use anstyle::{AnsiColor, Style};
use earcon_client::{
    Anomaly, DeletedScope, Event, EventData, Feedback, FeedbackOutcome, Incident, IncidentState, ScoredSample,
    SeriesSamples, SeriesState, Snapshot, TimeZone, Units, sentence,
};

use crate::cli::text::{local, series};
use crate::telemetry::plain;
use earcon_model::quantity::Unit;
use earcon_model::wording::counted;

const TIME: &str = "%H:%M:%S%.3f";
const DATE: &str = "%Y-%m-%d %H:%M:%S%.f";
/// The widest column of names. A longer name shifts only its own line.
const WIDEST: usize = 48;

const DIM: Style = Style::new().dimmed();
const PLAIN: Style = Style::new();
const UNUSUAL: Style = AnsiColor::Yellow.on_default();
const ALARM: Style = AnsiColor::Red.on_default().bold();
const CALM: Style = AnsiColor::Green.on_default();
const NOTE: Style = AnsiColor::Cyan.on_default();

/// Makes lines. The column of names is as wide as the longest so far.
pub(super) struct Lines {
    width: usize,
    /// The zone of the times in sentences.
    zone: TimeZone,
    /// The units that were stated.
    units: HashMap<String, Unit>,
}

impl Default for Lines {
    /// Times are those of this machine's zone.
    fn default() -> Self {
        Self { width: 0, zone: TimeZone::system(), units: HashMap::new() }
    }
}

impl Lines {
    /// Shows numbers with these units from now on.
    pub(super) fn set_units(&mut self, units: Units) {
        let stated = units.kpis.into_iter().filter_map(|(kpi, settings)| {
            let unit = Unit::stated(&settings.unit?);
            Some((kpi, unit))
        });
        self.units = stated.collect();
    }

    /// Whether a unit was stated for the KPI.
    pub(super) fn knows_unit(&self, kpi: &str) -> bool {
        self.units.contains_key(kpi)
    }

    /// The lines of an event, with style codes. The output stream removes them if necessary.
    pub(super) fn event(&mut self, event: &Event) -> Vec<String> {
        let (time, kpi) = (event.time, event.kpi.as_deref().unwrap_or(&event.subject));
        match &event.data {
            EventData::Samples { series } => series.iter().map(|series| self.samples(kpi, series)).collect(),
            EventData::AnomalyOpened(anomaly) => vec![self.anomaly(time, ALARM, "anomaly opened", anomaly)],
            EventData::AnomalyUpdated(anomaly) => vec![self.anomaly(time, UNUSUAL, "anomaly goes on", anomaly)],
            EventData::AnomalyClosed(anomaly) => vec![self.anomaly(time, CALM, "anomaly closed", anomaly)],
            EventData::AnomalyAcknowledged(seen) => {
                let who = plain(&seen.acknowledged.by);
                let note = seen.acknowledged.note.as_deref().map(plain);
                let text = match note {
                    Some(note) => format!("anomaly acknowledged by {who}: {note}"),
                    None => format!("anomaly acknowledged by {who}"),
                };
                vec![self.line(time, &series(kpi, &seen.labels), NOTE, &text)]
            }
            EventData::AnomalyFeedback(given) => {
                let Feedback { outcome, by, note, .. } = &given.feedback;
                let outcome = match outcome {
                    FeedbackOutcome::Real => "real",
                    FeedbackOutcome::False => "false",
                };
                let note = note.as_deref().map(|note| format!(": {}", plain(note))).unwrap_or_default();
                let text = format!("feedback by {}: {outcome}{note}", plain(by));
                vec![self.line(time, &series(kpi, &given.labels), NOTE, &text)]
            }
            EventData::SeriesStalled { labels, last_timestamp } => {
                let text = format!("stalled: nothing came since {}", local(*last_timestamp, DATE));
                vec![self.line(time, &series(kpi, labels), UNUSUAL, &text)]
            }
            EventData::SeriesRestored { labels, .. } => {
                vec![self.line(time, &series(kpi, labels), CALM, "sends again")]
            }
            EventData::SeriesEnded { labels, .. } => {
                vec![self.line(time, &series(kpi, labels), NOTE, "ended by its sender")]
            }
            EventData::SamplesBackfilled { series: all } => {
                let line = |of: &earcon_client::Backfilled| {
                    let samples = counted(of.samples + of.late, "sample", "samples");
                    let text = format!("history ingested: {samples}");
                    (series(kpi, &of.labels), text)
                };
                all.iter().map(line).map(|(series, text)| self.line(time, &series, NOTE, &text)).collect()
            }
            EventData::KpiParked { reason } => {
                vec![self.line(time, kpi, ALARM, &format!("parked, not scored any more: {}", plain(reason)))]
            }
            EventData::KpiResumed => vec![self.line(time, kpi, CALM, "resumed")],
            EventData::Deleted(deleted) => {
                let what = match deleted.scope {
                    DeletedScope::Kpi => "the KPI was deleted".to_owned(),
                    DeletedScope::Series => "its series were deleted".to_owned(),
                    DeletedScope::Samples => format!("samples were deleted{}", range(deleted.from, deleted.to)),
                };
                vec![self.line(time, &series(kpi, &deleted.labels), NOTE, &what)]
            }
            EventData::DetectorChanged { live, shadow } => {
                let second = shadow.as_deref().map(|shadow| format!(", with {} as shadow", plain(shadow)));
                let text = format!("scored by {}{}", plain(live), second.unwrap_or_default());
                vec![self.line(time, kpi, NOTE, &text)]
            }
            EventData::DetectorTrained { entry, series, .. } => {
                let text = format!("{} has learned from the history of {series} series", plain(entry));
                vec![self.line(time, kpi, NOTE, &text)]
            }
            EventData::IncidentOpened(incident) => vec![self.incident(time, "incident opened", incident)],
            EventData::IncidentUpdated(incident) => vec![self.incident(time, "incident goes on", incident)],
            EventData::IncidentClosed(incident) => vec![self.incident(time, "incident over", incident)],
            EventData::Other { name, .. } => vec![self.line(time, kpi, NOTE, &plain(name))],
        }
    }

    /// The newest sample of each series, then the open anomalies.
    pub(super) fn snapshot(&mut self, snapshot: &Snapshot) -> Vec<String> {
        let mut lines = Vec::new();
        for kpi in &snapshot.kpis {
            for of in &kpi.series {
                let (Some(timestamp), Some(value)) = (of.timestamp, of.value) else { continue };
                let (score, expected) = (of.score, of.expected);
                let sample = ScoredSample { timestamp, value, score, expected, lower: of.lower, upper: of.upper };
                let warming = of.warming.map(|warming| (warming.seen, warming.needed));
                let (style, mut text) = said(&sample, of.state, warming, &self.unit(&kpi.kpi));
                if let Some(what) = &of.looks_like {
                    text.push_str(&format!("  (looks like a {})", plain(what)));
                }
                lines.push(self.line(timestamp, &series(&kpi.kpi, &of.labels), style, &text));
            }
        }
        let open = snapshot.anomalies.iter();
        lines.extend(open.map(|anomaly| self.anomaly(anomaly.last_at, ALARM, "anomaly is open", anomaly)));
        lines
    }

    /// The newest sample, and the number of others.
    fn samples(&mut self, kpi: &str, of: &SeriesSamples) -> String {
        let name = series(kpi, &of.labels);
        let Some(sample) = of.samples.last() else {
            let time = of.late.last().map_or(0, |late| late.0);
            return self.line(time, &name, DIM, &format!("{} late", of.late.len()));
        };
        let warming = of.warming.map(|warming| (warming.seen, warming.needed));
        let (style, mut text) = said(sample, of.state, warming, &self.unit(kpi));
        if of.samples.len() > 1 {
            text.push_str(&format!("  (and {} before it)", of.samples.len() - 1));
        }
        if !of.late.is_empty() {
            text.push_str(&format!("  (and {} late)", of.late.len()));
        }
        self.line(sample.timestamp, &name, style, &text)
    }

    fn unit(&self, kpi: &str) -> Unit {
        self.units.get(kpi).cloned().unwrap_or_else(|| Unit::of_kpi(kpi, None))
    }

    /// The column of names shows the first mover's KPI.
    fn incident(&mut self, time: i64, what: &str, incident: &Incident) -> String {
        let kpi = incident.first_mover.as_ref().map_or("", |first| first.kpi.as_str());
        let style = match (incident.alerted, incident.state) {
            (false, _) => DIM,
            (true, IncidentState::Open) => ALARM,
            (true, _) => CALM,
        };
        let suppressed = if incident.alerted { "" } else { "suppressed " };
        self.line(time, kpi, style, &format!("{suppressed}{what}: {}", plain(&incident.title)))
    }

    fn anomaly(&mut self, time: i64, style: Style, what: &str, anomaly: &Anomaly) -> String {
        let text = format!("{what}: {}", sentence(anomaly, &self.zone));
        self.line(time, &series(&anomaly.kpi, &anomaly.labels), style, &text)
    }

    fn line(&mut self, time: i64, name: &str, style: Style, text: &str) -> String {
        // Names and texts come from outside.
        let (name, text) = (plain(name), plain(text));
        self.width = self.width.max(name.chars().count().min(WIDEST));
        let width = self.width;
        format!("{DIM}{}{DIM:#}  {name:<width$}  {style}{text}{style:#}", local(time, TIME))
    }
}

/// The range of a deletion: ` from … until …`.
fn range(from: Option<i64>, to: Option<i64>) -> String {
    let part = |word, at: Option<i64>| at.map(|at| format!(" {word} {}", local(at, DATE))).unwrap_or_default();
    part("from", from) + &part("until", to)
}

fn said(sample: &ScoredSample, state: SeriesState, warming: Option<(u32, u32)>, unit: &Unit) -> (Style, String) {
    let value = unit.write(sample.value);
    // A series that is over, or silent, does not warm up.
    let (silent, end) = match state {
        SeriesState::Ended => (true, "  ended"),
        SeriesState::Stalled => (true, "  stalled"),
        _ => (false, ""),
    };
    let Some(score) = sample.score else {
        if silent {
            return (DIM, format!("{value:>12}{end}"));
        }
        let far = warming.map_or_else(String::new, |(seen, needed)| format!(" {seen} of {needed}"));
        return (DIM, format!("{value:>12}  warming up{far}"));
    };
    let style = match (state, score) {
        (SeriesState::Anomalous, _) => ALARM,
        (_, 0.25..) => UNUSUAL,
        _ => PLAIN,
    };
    let band = match (sample.lower, sample.upper) {
        (Some(lower), Some(upper)) => format!("  expected {}", unit.write_range(lower, upper)),
        _ => String::new(),
    };
    (style, format!("{value:>12}  score {score:.2}{band}{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(lines: &[String]) -> String {
        anstream::adapter::strip_str(&lines.join("\n")).to_string()
    }

    #[test]
    fn samples_are_one_line_a_series() {
        let text = r#"{"seq":7,"epoch":"e1","time":2000,"type":"samples","workspace":"local","subject":"kpi/a.b","kpi":"a.b","data":{"series":[
            {"labels":{"region":"eu"},"samples":[[1000,1.0,null,null,null,null],[2000,12.5,0.61,1.5,1.0,2.25]],"late":[],"state":"anomalous","warming":null,"features":null},
            {"labels":{},"samples":[[1000,7,null,null,null,null]],"late":[[5,1.0]],"state":"warming","warming":{"seen":1,"needed":30},"features":null}]}}"#;
        let lines = Lines::default().event(&Event::from_json(text).unwrap());
        let shown = plain(&lines);
        assert_eq!(lines.len(), 2);
        assert!(
            shown.contains("a.b{region=eu}          12.5  score 0.61  expected 1–2.25  (and 1 before it)"),
            "{shown}"
        );
        assert!(shown.contains("7  warming up 1 of 30  (and 1 late)"), "{shown}");
        assert!(lines[0].contains("\u{1b}["), "an anomalous sample is coloured");
    }

    #[test]
    fn a_snapshot_says_what_a_series_looks_like() {
        let text = r#"{"seq":7,"epoch":"e1","anomalies":[],"incidents":[],"kpis":[{"kpi":"sent","state":"running","reason":null,"series":[
            {"labels":{},"state":"normal","warming":null,"timestamp":1000,"value":7,"score":0.1,"expected":6,"lower":5,"upper":9,
             "features":null,"late":0,"anomaly":null,"sensitivity":1,"looks_like":"counter"}]}]}"#;
        let shown = plain(&Lines::default().snapshot(&serde_json::from_str(text).unwrap()));
        assert!(shown.ends_with("(looks like a counter)"), "{shown}");
    }

    #[test]
    fn an_anomaly_is_the_sentence_in_the_zone_of_the_machine() {
        let cases: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../../tests/conformance/sentences.json")).unwrap();
        for case in cases {
            let anomaly: Anomaly = serde_json::from_value(case["anomaly"].clone()).unwrap();
            let (zone, in_zone) = (case["zone"].as_str().unwrap(), case["in_zone"].as_str().unwrap());
            let mut lines = Lines { zone: TimeZone::get(zone).unwrap(), ..Lines::default() };
            let shown = plain(&[lines.anomaly(2_000, ALARM, "anomaly opened", &anomaly)]);
            assert!(shown.ends_with(&format!("  anomaly opened: {in_zone}")), "{shown}");
        }
    }

    #[test]
    fn an_incident_is_its_title() {
        let text = r#"{"seq":7,"epoch":"e1","time":2000,"type":"incident.opened","workspace":"local","subject":"incident/x","kpi":null,"data":{
            "id":"x","revision":1,"title":"a (host:1) repeats the same value, with 1 other series","state":"open","alerted":true,"alerted_at":5,
            "opened_at":1,"last_at":1,"closed_at":null,"merged_into":null,"severity":"warning","surprise":4.5,"peak_score":0.9,"cause_seq":1,
            "first_mover":{"kpi":"a","labels":{"host":"1"},"anomaly":"y"},"members_total":2,"members_open":2,"members":[],
            "timeline":[],"timeline_left_out":0,"acknowledged":null}}"#;
        let shown = plain(&Lines::default().event(&Event::from_json(text).unwrap()));
        assert!(
            shown.ends_with("  incident opened: a (host:1) repeats the same value, with 1 other series"),
            "{shown}"
        );
    }

    #[test]
    fn a_series_that_is_over_or_silent_does_not_warm_up() {
        let unit = Unit::of_kpi("a", None);
        let sample = |score| ScoredSample { timestamp: 1, value: 7.0, score, expected: None, lower: None, upper: None };
        let text = |score, state| said(&sample(score), state, Some((1, 30)), &unit).1;
        assert_eq!(text(None, SeriesState::Warming).trim_start(), "7  warming up 1 of 30");
        assert_eq!(text(None, SeriesState::Ended).trim_start(), "7  ended");
        assert_eq!(text(None, SeriesState::Stalled).trim_start(), "7  stalled");
        assert_eq!(text(Some(0.5), SeriesState::Ended).trim_start(), "7  score 0.50  ended");
    }

    #[test]
    fn control_characters_in_events_are_escaped() {
        let text = r#"{"seq":7,"epoch":"e1","time":2000,"type":"kpi.parked","workspace":"local","subject":"kpi/a","kpi":"a","data":{"reason":"x\u001b[2J"}}"#;
        let shown = plain(&Lines::default().event(&Event::from_json(text).unwrap()));
        assert!(shown.contains("parked, not scored any more: x\\u001b[2J"), "{shown}");
    }
}
