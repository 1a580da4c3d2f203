//! Parses, checks and compiles the document of the rules.

use serde_json::Value;

use super::document::{ReadingName, RuleDocument, RulesDocument};
use super::glob::Glob;
use super::mapping::{Part, Rule, Rules, Template};
use earcon_model::Reading;

const MAX_RULES: usize = 1_000;
const MAX_LIST: usize = 100;
const MAX_TEXT: usize = 256;
const MAX_STARS: usize = 8;

impl Default for Rules {
    fn default() -> Self {
        RulesDocument::default().check().expect("the shipped rules are valid; a test checks them")
    }
}

impl RulesDocument {
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
        let mut positions = Vec::new();
        match rules {
            None => {}
            Some(Value::Array(rules)) => {
                for (position, rule) in rules.into_iter().enumerate() {
                    match serde_json::from_value(rule) {
                        Ok(rule) => {
                            document.rules.push(rule);
                            positions.push(position);
                        }
                        Err(error) => problems.push(format!("rules[{position}]: {error}")),
                    }
                }
            }
            Some(_) => problems.push("rules: must be a list".to_owned()),
        }
        match document.check_at(&positions) {
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
        let positions: Vec<usize> = (0..self.rules.len()).collect();
        self.check_at(&positions)
    }

    fn check_at(self, positions: &[usize]) -> Result<Rules, Vec<String>> {
        let mut check = Check::default();
        if self.rules.len() > MAX_RULES {
            check.problem("rules", format!("at most {MAX_RULES}, got {}", self.rules.len()));
        }
        let resource_labels = check.globs("resource_labels", &self.resource_labels);
        let shipped = if self.defaults { Self::shipped() } else { Vec::new() };
        let mut rules: Vec<Rule> =
            shipped.iter().map(|rule| Rule { shipped: true, ..check.rule("shipped", rule) }).collect();
        rules.extend(self.rules.iter().zip(positions).map(|(rule, at)| check.rule(&format!("rules[{at}]"), rule)));
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
    fn problem(&mut self, position: &str, what: impl AsRef<str>) {
        self.problems.push(format!("{position}: {}", what.as_ref()));
    }

    fn glob(&mut self, position: &str, pattern: &str) -> Glob {
        let glob = Glob::new(pattern);
        if pattern.is_empty() || pattern.len() > MAX_TEXT || glob.stars() > MAX_STARS {
            self.problem(position, format!("a pattern has 1 to {MAX_TEXT} bytes and at most {MAX_STARS} stars"));
        }
        glob
    }

    fn globs(&mut self, position: &str, patterns: &[String]) -> Vec<Glob> {
        if patterns.len() > MAX_LIST {
            self.problem(position, format!("at most {MAX_LIST} patterns, got {}", patterns.len()));
        }
        patterns.iter().enumerate().map(|(i, pattern)| self.glob(&format!("{position}[{i}]"), pattern)).collect()
    }

    fn rule(&mut self, position: &str, rule: &RuleDocument) -> Rule {
        let at = |field: &str| format!("{position}.{field}");
        let names = self.glob(&at("name"), &rule.name);
        let kpi = rule.kpi.as_ref().map(|text| self.template(&at("kpi"), text, names.stars()));
        if rule.rename_labels.len() > MAX_LIST {
            self.problem(&at("rename_labels"), format!("at most {MAX_LIST}"));
        }
        for (from, to) in &rule.rename_labels {
            if earcon_model::Labels::from_pairs([(to.as_str(), "x")]).is_err() {
                self.problem(
                    &at("rename_labels"),
                    format!("{from:?} cannot be renamed to {to:?}, which is not a label key"),
                );
            }
        }
        if rule.max_series == Some(0) {
            self.problem(&at("max_series"), "must be at least 1; use `drop` for no series");
        }
        Rule {
            names,
            protocols: rule.protocols.clone(),
            drop: rule.drop,
            reading: rule.reading.map(|reading| match reading {
                ReadingName::Gauge => Reading::Gauge,
                ReadingName::Counter => Reading::Counter,
            }),
            shipped: false,
            max_series: rule.max_series,
            kpi,
            keep_labels: rule.keep_labels.as_ref().map(|patterns| self.globs(&at("keep_labels"), patterns)),
            drop_labels: self.globs(&at("drop_labels"), &rule.drop_labels),
            rename_labels: rule.rename_labels.clone().into_iter().collect(),
        }
    }

    fn template(&mut self, position: &str, text: &str, stars: usize) -> Template {
        if text.is_empty() || text.len() > MAX_TEXT {
            self.problem(position, format!("must have 1 to {MAX_TEXT} bytes"));
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
                _ => self.problem(position, "'{' and '}' must enclose a label key"),
            }
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if parts.iter().filter(|part| matches!(part, Part::Star)).count() > stars {
            self.problem(position, format!("has more stars than its name pattern, which has {stars}"));
        }
        Template { parts }
    }
}
