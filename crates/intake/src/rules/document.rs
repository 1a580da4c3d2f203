//! The JSON document of the rules, and its checks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::glob::Glob;
use super::{Part, Rule, Rules, Template};
use crate::Protocol;
use earcon_model::Reading;

const MAX_RULES: usize = 1_000;
const MAX_LIST: usize = 100;
const MAX_TEXT: usize = 256;
const MAX_STARS: usize = 8;

/// A workspace's rules as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RulesDocument {
    /// Whether the shipped rules apply before these.
    #[serde(default = "yes")]
    pub defaults: bool,
    /// OTLP resource attributes that become labels; patterns with `*`.
    #[serde(default = "resource_labels")]
    pub resource_labels: Vec<String>,
    /// Applied in order to the raw series.
    #[serde(default)]
    pub rules: Vec<RuleDocument>,
}

/// One rule as JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleDocument {
    /// Pattern with `*` for the raw name.
    pub name: String,
    /// `native`, `influx`, `prometheus`, `otlp`; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protocols: Vec<Protocol>,
    /// Drop such series without an error.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drop: bool,
    /// `gauge` or `counter`; overrides the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<ReadingName>,
    /// Maximum number of series of the KPI: samples of further ones are rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_series: Option<u32>,
    /// The KPI's name: each `*` is replaced by the capture of the pattern's star, `{label}` by the
    /// value of a label. The label is then removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kpi: Option<String>,
    /// Patterns of the labels to keep; all others are removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_labels: Option<Vec<String>>,
    /// Patterns of labels to remove.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop_labels: Vec<String>,
    /// New label keys by their old ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rename_labels: BTreeMap<String, String>,
}

/// A reading by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReadingName {
    /// Values are measurements.
    Gauge,
    /// Values are totals; their increase per second is the measurement.
    Counter,
}

fn yes() -> bool {
    true
}

fn resource_labels() -> Vec<String> {
    ["service.name", "service.namespace", "deployment.environment*", "host.name"].map(str::to_owned).into()
}

impl Default for RulesDocument {
    fn default() -> Self {
        Self { defaults: true, resource_labels: resource_labels(), rules: Vec::new() }
    }
}

impl RulesDocument {
    /// The rules that apply before a workspace's own: in Prometheus, a suffix marks counters.
    pub fn shipped() -> Vec<RuleDocument> {
        let counter = |name: &str| RuleDocument {
            name: name.to_owned(),
            protocols: vec![Protocol::Prometheus],
            drop: false,
            reading: Some(ReadingName::Counter),
            max_series: None,
            kpi: None,
            keep_labels: None,
            drop_labels: Vec::new(),
            rename_labels: BTreeMap::new(),
        };
        ["*_total", "*_count", "*_sum", "*_bucket"].map(counter).into()
    }

    /// Parses and checks a JSON document.
    ///
    /// # Errors
    /// All problems, each with its position.
    pub fn parse(json: &[u8]) -> Result<Rules, Vec<String>> {
        let mut value: Value = serde_json::from_slice(json).map_err(|error| vec![format!("not JSON: {error}")])?;
        let rules = value.as_object_mut().and_then(|object| object.remove("rules"));
        let mut problems = Vec::new();
        // Field by field, so that one invalid field does not hide the others.
        let mut document = RulesDocument::default();
        match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    let whole = Value::Object([(key.clone(), value)].into_iter().collect());
                    match serde_json::from_value::<RulesDocument>(whole) {
                        Err(error) => problems.push(format!("{key}: {error}")),
                        Ok(one) => match key.as_str() {
                            "defaults" => document.defaults = one.defaults,
                            _ => document.resource_labels = one.resource_labels,
                        },
                    }
                }
            }
            _ => problems.push("must be an object".to_owned()),
        }
        let mut places = Vec::new();
        match rules {
            None => {}
            Some(Value::Array(rules)) => {
                for (place, rule) in rules.into_iter().enumerate() {
                    match serde_json::from_value(rule) {
                        Ok(rule) => {
                            document.rules.push(rule);
                            places.push(place);
                        }
                        Err(error) => problems.push(format!("rules[{place}]: {error}")),
                    }
                }
            }
            Some(_) => problems.push("rules: must be a list".to_owned()),
        }
        match document.check_at(&places) {
            Ok(rules) if problems.is_empty() => Ok(rules),
            Ok(_) => Err(problems),
            Err(more) => {
                problems.extend(more);
                Err(problems)
            }
        }
    }

    /// Checks the document and compiles its rules.
    ///
    /// # Errors
    /// All problems, each with its position.
    pub fn check(self) -> Result<Rules, Vec<String>> {
        let places: Vec<usize> = (0..self.rules.len()).collect();
        self.check_at(&places)
    }

    fn check_at(self, places: &[usize]) -> Result<Rules, Vec<String>> {
        let mut check = Check::default();
        if self.rules.len() > MAX_RULES {
            check.problem("rules", format!("at most {MAX_RULES}, got {}", self.rules.len()));
        }
        let resource_labels = check.globs("resource_labels", &self.resource_labels);
        let shipped = if self.defaults { Self::shipped() } else { Vec::new() };
        let mut rules: Vec<Rule> = shipped.iter().map(|rule| check.rule("shipped", rule)).collect();
        rules.extend(self.rules.iter().zip(places).map(|(rule, at)| check.rule(&format!("rules[{at}]"), rule)));
        if check.problems.is_empty() {
            Ok(Rules { document: self, resource_labels, rules })
        } else {
            Err(check.problems)
        }
    }
}

#[derive(Default)]
struct Check {
    problems: Vec<String>,
}

impl Check {
    fn problem(&mut self, place: &str, what: impl AsRef<str>) {
        self.problems.push(format!("{place}: {}", what.as_ref()));
    }

    fn glob(&mut self, place: &str, pattern: &str) -> Glob {
        let glob = Glob::new(pattern);
        if pattern.is_empty() || pattern.len() > MAX_TEXT || glob.stars() > MAX_STARS {
            self.problem(place, format!("a pattern has 1 to {MAX_TEXT} bytes and at most {MAX_STARS} stars"));
        }
        glob
    }

    fn globs(&mut self, place: &str, patterns: &[String]) -> Vec<Glob> {
        if patterns.len() > MAX_LIST {
            self.problem(place, format!("at most {MAX_LIST} patterns, got {}", patterns.len()));
        }
        patterns.iter().enumerate().map(|(i, pattern)| self.glob(&format!("{place}[{i}]"), pattern)).collect()
    }

    fn rule(&mut self, place: &str, rule: &RuleDocument) -> Rule {
        let at = |field: &str| format!("{place}.{field}");
        let names = self.glob(&at("name"), &rule.name);
        let kpi = rule.kpi.as_ref().map(|text| self.template(&at("kpi"), text, names.stars()));
        if rule.rename_labels.len() > MAX_LIST {
            self.problem(&at("rename_labels"), format!("at most {MAX_LIST}"));
        }
        for (from, to) in &rule.rename_labels {
            if earcon_model::Labels::from_pairs([(to.as_str(), "x")]).is_err() {
                self.problem(
                    &at("rename_labels"),
                    format!("{from:?} cannot be renamed to {to:?}, which is no label key"),
                );
            }
        }
        if rule.max_series == Some(0) {
            self.problem(&at("max_series"), "must be at least 1; `drop` takes none");
        }
        Rule {
            names,
            protocols: rule.protocols.clone(),
            drop: rule.drop,
            reading: rule.reading.map(|reading| match reading {
                ReadingName::Gauge => Reading::Gauge,
                ReadingName::Counter => Reading::Counter,
            }),
            max_series: rule.max_series,
            kpi,
            keep_labels: rule.keep_labels.as_ref().map(|patterns| self.globs(&at("keep_labels"), patterns)),
            drop_labels: self.globs(&at("drop_labels"), &rule.drop_labels),
            rename_labels: rule.rename_labels.clone().into_iter().collect(),
        }
    }

    fn template(&mut self, place: &str, text: &str, stars: usize) -> Template {
        if text.is_empty() || text.len() > MAX_TEXT {
            self.problem(place, format!("must have 1 to {MAX_TEXT} bytes"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['*', '{', '}']) {
            if at > 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            let (special, after) = rest[at..].split_at(1);
            rest = after;
            match (special, after.split_once('}')) {
                ("*", _) => parts.push(Part::Star),
                ("{", Some((label, after))) if !label.is_empty() => {
                    parts.push(Part::Label(label.to_owned()));
                    rest = after;
                }
                _ => self.problem(place, "'{' and '}' stand around the key of a label"),
            }
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if parts.iter().filter(|part| matches!(part, Part::Star)).count() > stars {
            self.problem(place, format!("has more stars than its name pattern, which has {stars}"));
        }
        Template { parts }
    }
}
