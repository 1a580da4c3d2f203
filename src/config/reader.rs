//! Reads values from the raw configuration and collects all problems instead of stopping at the
//! first.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

use super::problem::Problem;

/// Reads values by `section.key`. A key that is never read is reported as unknown.
pub(super) struct Reader {
    values: Value,
    known: BTreeSet<String>,
    problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn new(values: Value) -> Self {
        Self { values, known: BTreeSet::new(), problems: Vec::new() }
    }

    /// All problems, in order of key.
    pub(super) fn finish(mut self) -> Vec<Problem> {
        let mut unknown = Vec::new();
        for (section, keys) in self.values.as_object().into_iter().flatten() {
            match keys.as_object() {
                Some(keys) => unknown.extend(keys.keys().map(|key| format!("{section}.{key}"))),
                None => unknown.push(section.clone()),
            }
        }
        unknown.retain(|key| !self.known.contains(key));
        for key in unknown {
            self.problem(&key, "unknown key".to_owned());
        }
        self.problems.sort_by(|a, b| a.key.cmp(&b.key));
        self.problems
    }

    pub(super) fn text(&mut self, key: &str) -> String {
        match self.value(key) {
            Some(Value::String(text)) if !text.is_empty() => text,
            other => self.report(key, "a non-empty text", other),
        }
    }

    /// A text. The empty text is `None`.
    pub(super) fn optional(&mut self, key: &str) -> Option<String> {
        match self.value(key) {
            Some(Value::String(text)) => Some(text).filter(|text| !text.is_empty()),
            // An environment variable of digits arrives as a number, also if it is a password.
            Some(Value::Number(number)) => Some(number.to_string()),
            other => self.report(key, "a text, or \"\" for none", other),
        }
    }

    /// A comma-separated list. Spaces around commas are ignored.
    pub(super) fn list(&mut self, key: &str) -> Vec<String> {
        let text = self.optional(key).unwrap_or_default();
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    pub(super) fn flag(&mut self, key: &str) -> bool {
        match self.value(key) {
            Some(Value::Bool(flag)) => flag,
            other => self.report(key, "true or false", other),
        }
    }

    pub(super) fn parsed<T: FromStr + Fallback>(&mut self, key: &str, expected: &str) -> T {
        match self.value(key) {
            Some(Value::String(text)) => match text.parse() {
                Ok(value) => value,
                Err(_) => {
                    self.problem(key, format!("must be {expected}, not {text:?}"));
                    T::fallback()
                }
            },
            other => {
                let _text: String = self.report(key, expected, other);
                T::fallback()
            }
        }
    }

    pub(super) fn number(&mut self, key: &str, least: u64, most: u64) -> u64 {
        match self.value(key) {
            Some(value) if value.as_u64().is_some_and(|number| (least..=most).contains(&number)) => {
                value.as_u64().unwrap_or(least)
            }
            other => self.report(key, &format!("a whole number from {least} to {most}"), other),
        }
    }

    pub(super) fn fraction(&mut self, key: &str, least: f64, most: f64) -> f64 {
        match self.value(key).as_ref().map(|value| (value.as_f64(), value)) {
            Some((Some(number), _)) if (least..=most).contains(&number) => number,
            other => {
                self.report(key, &format!("a number from {least} to {most}"), other.map(|(_, value)| value.clone()))
            }
        }
    }

    pub(super) fn seconds(&mut self, key: &str, least: u64, most: u64) -> Duration {
        self.seconds_of(key, 1, least, most)
    }

    /// A number of units of `unit` seconds each.
    pub(super) fn seconds_of(&mut self, key: &str, unit: u64, least: u64, most: u64) -> Duration {
        Duration::from_secs(self.number(key, least, most) * unit)
    }

    pub(super) fn one_of<T: Copy>(&mut self, key: &str, choices: &[(&str, T)]) -> T {
        let value = self.value(key);
        let chosen = choices.iter().find(|(name, _)| value.as_ref().and_then(Value::as_str) == Some(*name));
        if let Some((_, chosen)) = chosen {
            return *chosen;
        }
        let names: Vec<_> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
        let _text: String = self.report(key, &names.join(" or "), value);
        choices[0].1
    }

    fn value(&mut self, key: &str) -> Option<Value> {
        self.known.insert(key.to_owned());
        let (section, name) = key.split_once('.')?;
        self.values.get(section)?.get(name).cloned()
    }

    fn report<T: Default>(&mut self, key: &str, expected: &str, got: Option<Value>) -> T {
        let got = got.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
        self.problem(key, format!("must be {expected}, not {got}"));
        T::default()
    }

    pub(super) fn problem(&mut self, key: &str, message: String) {
        self.problems.push(Problem { key: key.to_owned(), message });
    }
}

/// A value to continue with after a problem. It is never used, because a problem rejects the
/// configuration.
pub(super) trait Fallback {
    fn fallback() -> Self;
}

impl Fallback for earcon_model::WorkspaceId {
    fn fallback() -> Self {
        Self::new("local").expect("a legal name")
    }
}

impl Fallback for std::net::SocketAddr {
    fn fallback() -> Self {
        ([127, 0, 0, 1], 0).into()
    }
}
