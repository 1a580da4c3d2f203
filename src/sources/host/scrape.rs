//! The samples of one scrape of the machine, all with the same time.

use std::collections::HashSet;

use crate::sources::SourceSample;
use earcon_model::{KpiName, Labels, Sample};

/// Longer label values are cut, bytes. Names of sensors are a few words.
const LONGEST_LABEL: usize = 120;

/// Collects samples. Skips values that are not finite and series that already have a sample.
#[derive(Debug)]
pub(super) struct Scrape {
    now_ms: i64,
    samples: Vec<SourceSample>,
    seen: HashSet<(KpiName, Labels)>,
}

impl Scrape {
    pub(super) fn at(now_ms: i64) -> Self {
        Self { now_ms, samples: Vec::with_capacity(64), seen: HashSet::with_capacity(64) }
    }

    /// Adds a value of a KPI without labels.
    pub(super) fn push(&mut self, kpi: &'static str, value: f64) {
        self.add(kpi, Labels::none(), value);
    }

    /// Adds a value of a KPI with one label. Illegal characters of the label are replaced.
    pub(super) fn push_labelled(&mut self, kpi: &'static str, key: &'static str, label: &str, value: f64) {
        if let Ok(labels) = Labels::from_pairs([(key, clean_label(label))]) {
            self.add(kpi, labels, value);
        }
    }

    /// Adds `used` in bytes and as a share of `total`. Adds nothing if `total` is 0, as on a
    /// machine without swap.
    pub(super) fn push_share(&mut self, percent: &'static str, bytes: &'static str, used: u64, total: u64) {
        if total > 0 {
            self.push(percent, used as f64 / total as f64 * 100.0);
            self.push(bytes, used as f64);
        }
    }

    pub(super) fn into_samples(self) -> Vec<SourceSample> {
        self.samples
    }

    fn add(&mut self, kpi: &'static str, labels: Labels, value: f64) {
        let kpi = KpiName::new(kpi).expect("KPI names of the host are legal");
        if value.is_finite() && self.seen.insert((kpi.clone(), labels.clone())) {
            self.samples.push(SourceSample { kpi, labels, sample: Sample { timestamp_ms: self.now_ms, value } });
        }
    }
}

/// Converts any text to a legal label value: illegal characters become `_`, edges are trimmed,
/// empty becomes `unnamed`.
fn clean_label(text: &str) -> String {
    let clean: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() || matches!(c, ',' | char::REPLACEMENT_CHARACTER) { '_' } else { c })
        .scan(0, |length, c| {
            *length += c.len_utf8();
            (*length <= LONGEST_LABEL).then_some(c)
        })
        .collect();
    if clean.is_empty() { "unnamed".to_owned() } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_legal() {
        assert_eq!(clean_label("coretemp Core 0"), "coretemp Core 0");
        assert_eq!(clean_label(" a,b\n\tc\u{7f} "), "a_b__c_");
        assert_eq!(clean_label("  "), "unnamed");
        let long = clean_label(&"ü".repeat(500));
        assert!(long.len() <= LONGEST_LABEL && long.starts_with('ü'));
        assert!(Labels::from_pairs([("sensor", long)]).is_ok());
    }

    #[test]
    fn series_has_one_sample_per_scrape() {
        let mut scrape = Scrape::at(7);
        scrape.push_labelled("host.temperature_celsius", "sensor", "a,b", 1.0);
        scrape.push_labelled("host.temperature_celsius", "sensor", "a\nb", 2.0);
        scrape.push_labelled("host.temperature_celsius", "sensor", "c", 3.0);
        let values: Vec<f64> = scrape.into_samples().iter().map(|s| s.sample.value).collect();
        assert_eq!(values, [1.0, 3.0]);
    }

    #[test]
    fn values_that_are_not_finite_are_skipped() {
        let mut scrape = Scrape::at(7);
        scrape.push("host.load.1m", f64::NAN);
        scrape.push("host.load.5m", f64::INFINITY);
        scrape.push_share("host.swap.used_percent", "host.swap.used_bytes", 0, 0);
        assert_eq!(scrape.into_samples(), []);
    }

    #[test]
    fn shares_are_percent_of_the_total() {
        let mut scrape = Scrape::at(7);
        scrape.push_share("host.memory.used_percent", "host.memory.used_bytes", 1, 4);
        let values: Vec<f64> = scrape.into_samples().iter().map(|s| s.sample.value).collect();
        assert_eq!(values, [25.0, 1.0]);
    }
}
