//! Applies the rules: maps raw series to KPIs and series.

use std::borrow::Cow;

use super::document::RulesDocument;
use super::glob::Glob;
use crate::naming;
use crate::raw_series::{LabelPairs, Protocol, RawSeries};
use earcon_model::ids::IdError;
use earcon_model::{KpiName, Labels, Reading};

/// Checked rules, ready to apply.
#[derive(Debug, Clone)]
pub struct Rules {
    pub(super) document: RulesDocument,
    pub(super) resource_labels: Vec<Glob>,
    pub(super) rules: Vec<Rule>,
}

/// One rule. It applies to raw series whose name matches.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) names: Glob,
    /// Empty means all.
    pub(super) protocols: Vec<Protocol>,
    pub(super) drop: bool,
    pub(super) reading: Option<Reading>,
    /// Whether it came with Earcon: its reading is a guess, which the sender's own statement beats.
    pub(super) shipped: bool,
    pub(super) max_series: Option<u32>,
    pub(super) kpi: Option<Template>,
    pub(super) keep_labels: Option<Vec<Glob>>,
    pub(super) drop_labels: Vec<Glob>,
    pub(super) rename_labels: Vec<(String, String)>,
}

/// The result of mapping a raw series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedSeries {
    /// The KPI.
    pub kpi: KpiName,
    /// The series of the KPI.
    pub labels: Labels,
    /// How its values are read.
    pub reading: Reading,
    /// Maximum number of series of the KPI for this one to be added; `None` for the server's limit.
    pub max_series: Option<u32>,
}

/// A template for a KPI's name: text, captures of the pattern's stars, and label values.
#[derive(Debug, Clone)]
pub(super) struct Template {
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Clone)]
pub(super) enum Part {
    Text(String),
    Star,
    Label(String),
}

impl Rules {
    /// The source document.
    pub fn document(&self) -> &RulesDocument {
        &self.document
    }

    /// Maps a raw series. `None` if a rule drops it.
    ///
    /// # Errors
    /// The reason why the series is invalid, fit to show to the sender.
    pub fn map(&self, raw: &RawSeries<'_>) -> Result<Option<MappedSeries>, String> {
        let (mut reading, mut max_series) = (raw.reading, None);
        let mut labels: LabelPairs<'_> = raw.labels.clone();
        let from_resource =
            raw.resource.iter().filter(|(key, _)| self.resource_labels.iter().any(|glob| glob.matches(key)));
        for (key, value) in from_resource {
            // The point's own labels take precedence over those of its resource.
            if !labels.iter().any(|(own, _)| own == key) {
                labels.push((key.clone(), value.clone()));
            }
        }
        let all = labels.clone();
        let mut name: Option<(String, Vec<String>)> = None;
        for rule in self.rules.iter().filter(|rule| rule.is_for(raw.protocol)) {
            let Some(captures) = rule.names.captures(&raw.name) else { continue };
            if rule.drop {
                return Ok(None);
            }
            if !(rule.shipped && raw.reading.is_some()) {
                reading = rule.reading.or(reading);
            }
            max_series = rule.max_series.or(max_series);
            if let Some(made) = rule.kpi.as_ref().and_then(|template| template.fill(&captures, &all)) {
                name = Some(made);
            }
            rule.change(&mut labels);
        }
        let (made, used) = name.unzip();
        let used = used.unwrap_or_default();
        labels.retain(|(key, _)| !used.iter().any(|used| used == key));
        let labels = match raw.protocol {
            Protocol::Native => exact_labels(&labels),
            _ => legal_labels(&labels),
        };
        let name = made.as_deref().unwrap_or(&raw.name);
        let kpi = match (raw.protocol, &made) {
            (Protocol::Native, _) => KpiName::new(name),
            (_, Some(made)) => naming::own_kpi_name(made).ok_or(IdError::Kpi),
            (_, None) => raw.kpi_name().ok_or(IdError::Kpi),
        };
        let kpi = kpi.map_err(|error| match error {
            IdError::NotComposed { .. } => error.to_string(),
            _ => format!("{error}, not {:?}", shown(name)),
        })?;
        Ok(Some(MappedSeries { kpi, labels: labels?, reading: reading.unwrap_or_default(), max_series }))
    }
}

fn exact_labels(labels: &LabelPairs<'_>) -> Result<Labels, String> {
    Labels::from_pairs(labels.iter().map(|(k, v)| (k.as_ref(), v.as_ref()))).map_err(|error| error.to_string())
}

/// Labels without a value are dropped, as in Prometheus and OpenTelemetry. A label that is given
/// twice with the same value is one.
fn legal_labels(labels: &LabelPairs<'_>) -> Result<Labels, String> {
    let mut pairs: Vec<_> = labels.iter().filter(|(_, value)| !value.is_empty()).collect();
    if let Some((_, value)) = pairs.iter().find(|(key, _)| key.is_empty()) {
        return Err(format!("the label with the value {:?} has no name", shown(value)));
    }
    pairs.sort();
    pairs.dedup();
    if let Some([(key, one), (_, other)]) = pairs.array_windows().find(|[(a, _), (b, _)]| a == b) {
        return Err(format!("label {key:?} is given twice, as {:?} and as {:?}", shown(one), shown(other)));
    }
    Labels::from_pairs(pairs.into_iter().map(|(key, value)| (naming::label_key(key), naming::label_value(value))))
        .map_err(|error| format!("{error}; the workspace's ingest rules can drop or rename labels"))
}

/// The beginning of a name, for a message.
fn shown(name: &str) -> String {
    name.chars().take(128).collect()
}

impl Rule {
    fn is_for(&self, protocol: Protocol) -> bool {
        self.protocols.is_empty() || self.protocols.contains(&protocol)
    }

    fn change(&self, labels: &mut LabelPairs<'_>) {
        if let Some(keep) = &self.keep_labels {
            labels.retain(|(key, _)| keep.iter().any(|glob| glob.matches(key)));
        }
        labels.retain(|(key, _)| !self.drop_labels.iter().any(|glob| glob.matches(key)));
        for (key, _) in labels {
            if let Some((_, to)) = self.rename_labels.iter().find(|(from, _)| from == key) {
                *key = Cow::Owned(to.clone());
            }
        }
    }
}

impl Template {
    /// The name, and the labels used in it. `None` if one of the labels is missing.
    fn fill(&self, captures: &[&str], labels: &LabelPairs<'_>) -> Option<(String, Vec<String>)> {
        let mut captures = captures.iter();
        let mut name = String::new();
        let mut used = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => name.push_str(text),
                Part::Star => name.push_str(captures.next()?),
                Part::Label(label) => {
                    let (_, value) = labels.iter().find(|(key, value)| key == label && !value.is_empty())?;
                    name.push_str(value);
                    used.push(label.clone());
                }
            }
        }
        Some((name, used))
    }
}
