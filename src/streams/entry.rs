//! Derives the settings of a detector from its entry.

use std::sync::Arc;

use super::detector_name::DetectorName;
use super::settings::{StreamOptions, StreamSettings};
use earcon_model::detector::{NAME_RULE, is_name};
use earcon_model::{DetectorEntry, DetectorRef};

/// An entry that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {rule}")]
pub struct EntryProblem {
    /// The option, or `name`, or `detector`.
    pub key: String,
    /// The rule that it must obey.
    pub rule: String,
}

impl EntryProblem {
    fn new(key: &str, rule: impl Into<String>) -> Self {
        Self { key: key.to_owned(), rule: rule.into() }
    }
}

const OPTIONS: &str = "is not an option; the options are sensitivity, open_score, close_score, calm_samples, calm_seconds, \
     update_every and warm_up";

impl StreamSettings {
    /// These settings with the detector and the options of an entry.
    ///
    /// Settings that belong to the server, not to a detector (limits, stalls, local time), stay.
    /// All other options start from the defaults of the entry's detector, not from the configured
    /// values.
    ///
    /// # Errors
    /// All problems of the entry.
    pub fn with_entry(&self, entry: &DetectorEntry) -> Result<Self, Vec<EntryProblem>> {
        let mut problems = Vec::new();
        if !is_name(&entry.name) {
            problems.push(EntryProblem::new("name", NAME_RULE));
        }
        let Some(detector) = DetectorName::parse(&entry.detector) else {
            let known = DetectorName::ALL.map(DetectorName::as_str).join(", ");
            problems.push(EntryProblem::new("detector", format!("must be one of {known}")));
            return Err(problems);
        };
        let usual = StreamOptions::for_detector(detector);
        let mut options = StreamOptions {
            detector,
            label: Some(Arc::from(entry.label())),
            sensitivity: usual.sensitivity,
            open_score: usual.open_score,
            close_score: usual.close_score,
            calm_samples: usual.calm_samples,
            calm_ms: usual.calm_ms,
            update_every: usual.update_every,
            warm_up: usual.warm_up,
            ..(**self).clone()
        };
        for (key, value) in &entry.options {
            let mut whole = |most: f64| {
                // A number that is not a whole number of samples becomes 0, which is out of all
                // bounds.
                let fits = value.fract() == 0.0 && (0.0..=most).contains(value);
                if !fits {
                    problems.push(EntryProblem::new(key, "must be a whole number within its bounds"));
                }
                if fits { *value } else { 0.0 }
            };
            match key.as_str() {
                "sensitivity" => options.sensitivity = *value,
                "open_score" => options.open_score = *value as f32,
                "close_score" => options.close_score = *value as f32,
                "calm_samples" => options.calm_samples = whole(f64::from(u16::MAX)) as u16,
                "calm_seconds" => options.calm_ms = (whole(1e9) * 1e3) as i64,
                "update_every" => options.update_every = whole(f64::from(u32::MAX)) as u32,
                "warm_up" => options.warm_up = whole(f64::from(u32::MAX)) as u32,
                _ => problems.push(EntryProblem::new(key, OPTIONS)),
            }
        }
        match StreamSettings::try_from(options) {
            Ok(settings) if problems.is_empty() => Ok(settings),
            Ok(_) => Err(problems),
            Err(more) => {
                for problem in more {
                    if !problems.iter().any(|known| known.key == problem.key) {
                        problems.push(EntryProblem::new(problem.key, problem.rule));
                    }
                }
                Err(problems)
            }
        }
    }

    /// The settings for a detector reference, based on the configured settings.
    ///
    /// # Errors
    /// As [`with_entry`](Self::with_entry).
    pub(super) fn for_detector_ref(base: &Arc<Self>, choice: &DetectorRef) -> Result<Arc<Self>, Vec<EntryProblem>> {
        match choice {
            DetectorRef::Configured => Ok(base.clone()),
            DetectorRef::Entry(entry) => base.with_entry(entry).map(Arc::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn entry(detector: &str, options: &[(&str, f64)]) -> DetectorEntry {
        let options: BTreeMap<_, _> = options.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
        DetectorEntry { name: "calm".into(), revision: 3, detector: detector.into(), options }
    }

    #[test]
    fn entry_changes_its_options_and_the_label_only() {
        let base = StreamOptions { max_series: 7, sensitivity: 0.5, warm_up: 99, ..StreamOptions::default() };
        let base = StreamSettings::try_from(base).unwrap();
        let settings =
            base.with_entry(&entry("season-reach-1", &[("sensitivity", 2.0), ("calm_samples", 5.0)])).unwrap();
        let usual = StreamOptions::for_detector(DetectorName::SeasonReach);
        assert_eq!(
            (settings.detector, settings.sensitivity, settings.calm_samples),
            (DetectorName::SeasonReach, 2.0, 5)
        );
        assert_eq!((settings.max_series, settings.close_score), (7, usual.close_score));
        assert_eq!(settings.warm_up, usual.warm_up, "not the configured value of another detector");
        assert_eq!(settings.label(), "season-reach-1/calm@3");
        assert_eq!(base.label(), base.detector.as_str());
    }

    #[test]
    fn every_problem_of_an_entry_is_named_at_once() {
        let bad = [("sensitivity", 9.0), ("calm_samples", 1.5), ("warm_up", f64::NAN), ("colour", 1.0)];
        let bad = DetectorEntry { name: "Default".into(), ..entry("season-reach-1", &bad) };
        let problems = StreamSettings::default().with_entry(&bad).unwrap_err();
        let mut keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["calm_samples", "colour", "name", "sensitivity", "warm_up"]);
        let unknown = StreamSettings::default().with_entry(&entry("oracle-1", &[])).unwrap_err();
        assert!(unknown[0].rule.contains("season-reach-1"), "{unknown:?}");
    }
}
