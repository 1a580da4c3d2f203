//! A workspace's rules: how series as senders name them become KPIs and series here. Pure and deterministic; what they
//! make of a series is kept in the [`SeriesCache`](super::SeriesCache), so they may take their time.

mod document;
mod glob;
mod naming;

use std::borrow::Cow;

pub use document::{ReadingName, RuleDocument, RulesDocument};

use self::glob::Glob;
use super::raw_series::{LabelPairs, Protocol, RawSeries};
use earcon_model::{KpiName, Labels, Reading};

/// Checked rules, ready to be applied.
#[derive(Debug, Clone)]
pub struct Rules {
    document: RulesDocument,
    resource_labels: Vec<Glob>,
    rules: Vec<Rule>,
}

/// One rule, applied to the series whose name as sent fits.
#[derive(Debug, Clone)]
struct Rule {
    names: Glob,
    /// Empty: all.
    protocols: Vec<Protocol>,
    drop: bool,
    reading: Option<Reading>,
    max_series: Option<u32>,
    kpi: Option<Template>,
    keep_labels: Option<Vec<Glob>>,
    drop_labels: Vec<Glob>,
    rename_labels: Vec<(String, String)>,
}

/// What a series as sent is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// The KPI.
    pub kpi: KpiName,
    /// The series of the KPI.
    pub labels: Labels,
    /// How its values are read.
    pub reading: Reading,
    /// Most series the KPI may have for this one to be added; `None`: as many as the server allows.
    pub max_series: Option<u32>,
}

/// A KPI's name to be: text, what the stars of the pattern stood for, and values of labels.
#[derive(Debug, Clone)]
struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Star,
    Label(String),
}

impl Default for Rules {
    fn default() -> Self {
        RulesDocument::default().check().expect("the shipped rules are valid; a test checks them")
    }
}

impl Rules {
    /// The document they were made from.
    pub fn document(&self) -> &RulesDocument {
        &self.document
    }

    /// What a series is here; `None` when a rule drops it.
    ///
    /// # Errors
    /// Why it cannot be one, fit to show to the sender.
    pub fn map(&self, sent: &RawSeries<'_>) -> Result<Option<Meaning>, String> {
        let (mut reading, mut max_series) = (sent.reading, None);
        let mut labels: LabelPairs<'_> = sent.labels.clone();
        let from_resource =
            sent.resource.iter().filter(|(key, _)| self.resource_labels.iter().any(|glob| glob.matches(key)));
        for (key, value) in from_resource {
            // What a point says of itself is closer to it.
            if !labels.iter().any(|(own, _)| own == key) {
                labels.push((key.clone(), value.clone()));
            }
        }
        let all = labels.clone();
        let mut name: Option<(String, Vec<String>)> = None;
        for rule in self.rules.iter().filter(|rule| rule.is_for(sent.protocol)) {
            let Some(captures) = rule.names.captures(&sent.name) else { continue };
            if rule.drop {
                return Ok(None);
            }
            reading = rule.reading.or(reading);
            max_series = rule.max_series.or(max_series);
            if let Some(made) = rule.kpi.as_ref().and_then(|template| template.fill(&captures, &all)) {
                name = Some(made);
            }
            rule.change(&mut labels);
        }
        let (name, used) = name.map_or_else(|| (sent.name.clone(), Vec::new()), |(name, used)| (name.into(), used));
        labels.retain(|(key, _)| !used.iter().any(|used| used == key));
        let (kpi, labels) = match sent.protocol {
            Protocol::Native => (KpiName::new(&name), exact(&labels)),
            _ => (KpiName::new(&naming::kpi(&name)), made_legal(&labels)),
        };
        let kpi = kpi.map_err(|error| format!("{error}, not {:?}", shown(&name)))?;
        Ok(Some(Meaning { kpi, labels: labels?, reading: reading.unwrap_or_default(), max_series }))
    }
}

fn exact(labels: &LabelPairs<'_>) -> Result<Labels, String> {
    Labels::from_pairs(labels.iter().map(|(k, v)| (k.as_ref(), v.as_ref()))).map_err(|error| error.to_string())
}

/// A label without a value is no label: so do Prometheus and OpenTelemetry see it.
fn made_legal(labels: &LabelPairs<'_>) -> Result<Labels, String> {
    let pairs = labels.iter().filter(|(_, value)| !value.is_empty());
    Labels::from_pairs(pairs.map(|(key, value)| (naming::key(key), naming::value(value))))
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
    /// The name, and the labels that became part of it; `None` when one of them is not there.
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

#[cfg(test)]
mod tests;
