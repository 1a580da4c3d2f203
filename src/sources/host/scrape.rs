//! The samples of one sweep over the machine, all of the same time.

use std::collections::HashSet;

use super::HostSample;
use earcon_model::{KpiName, Labels, Sample};

/// Label values longer than this are cut; sensors' names are a few words.
const LONGEST_LABEL: usize = 120;

/// Collects samples, leaving out values that are no number and series that already have one.
#[derive(Debug)]
pub(super) struct Sweep {
    now_ms: i64,
    samples: Vec<HostSample>,
    taken: HashSet<(KpiName, Labels)>,
}

impl Sweep {
    pub(super) fn at(now_ms: i64) -> Self {
        Self { now_ms, samples: Vec::with_capacity(64), taken: HashSet::with_capacity(64) }
    }

    /// Adds a value of a KPI without labels.
    pub(super) fn push(&mut self, kpi: &'static str, value: f64) {
        self.add(kpi, Labels::none(), value);
    }

    /// Adds a value of a KPI with one label, whose value is cleaned of what a label may not hold.
    pub(super) fn push_labelled(&mut self, kpi: &'static str, key: &'static str, label: &str, value: f64) {
        if let Ok(labels) = Labels::from_pairs([(key, clean_label(label))]) {
            self.add(kpi, labels, value);
        }
    }

    /// Adds `used` in bytes and as a share of `total`; nothing when there is no `total`, as on a machine without swap.
    pub(super) fn push_share(&mut self, percent: &'static str, bytes: &'static str, used: u64, total: u64) {
        if total > 0 {
            self.push(percent, used as f64 / total as f64 * 100.0);
            self.push(bytes, used as f64);
        }
    }

    pub(super) fn into_samples(self) -> Vec<HostSample> {
        self.samples
    }

    fn add(&mut self, kpi: &'static str, labels: Labels, value: f64) {
        let kpi = KpiName::new(kpi).expect("the host's KPI names are legal");
        if value.is_finite() && self.taken.insert((kpi.clone(), labels.clone())) {
            self.samples.push(HostSample { kpi, labels, sample: Sample { timestamp_ms: self.now_ms, value } });
        }
    }
}

/// Turns any text into a legal label value: illegal characters become `_`, edges are trimmed, empty becomes `unnamed`.
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
    fn labels_are_cleaned_until_they_are_legal() {
        assert_eq!(clean_label("coretemp Core 0"), "coretemp Core 0");
        assert_eq!(clean_label(" a,b\n\tc\u{7f} "), "a_b__c_");
        assert_eq!(clean_label("  "), "unnamed");
        let long = clean_label(&"ü".repeat(500));
        assert!(long.len() <= LONGEST_LABEL && long.starts_with('ü'));
        assert!(Labels::from_pairs([("sensor", long)]).is_ok());
    }

    #[test]
    fn a_series_has_one_sample_in_a_sweep() {
        let mut sweep = Sweep::at(7);
        sweep.push_labelled("host.temperature_celsius", "sensor", "a,b", 1.0);
        sweep.push_labelled("host.temperature_celsius", "sensor", "a\nb", 2.0);
        sweep.push_labelled("host.temperature_celsius", "sensor", "c", 3.0);
        let values: Vec<f64> = sweep.into_samples().iter().map(|s| s.sample.value).collect();
        assert_eq!(values, [1.0, 3.0]);
    }

    #[test]
    fn values_that_are_no_number_are_left_out() {
        let mut sweep = Sweep::at(7);
        sweep.push("host.load.1m", f64::NAN);
        sweep.push("host.load.5m", f64::INFINITY);
        sweep.push_share("host.swap.used_percent", "host.swap.used_bytes", 0, 0);
        assert_eq!(sweep.into_samples(), []);
    }

    #[test]
    fn shares_are_percent_of_the_total() {
        let mut sweep = Sweep::at(7);
        sweep.push_share("host.memory.used_percent", "host.memory.used_bytes", 1, 4);
        let values: Vec<f64> = sweep.into_samples().iter().map(|s| s.sample.value).collect();
        assert_eq!(values, [25.0, 1.0]);
    }
}
