//! Which samples of a file a server would refuse, before they are sent.

use std::sync::Arc;

use super::SourceSample;
use earcon_model::{Reading, rfc3339};
use earcon_streams::{StreamSettings, check_sample};

/// The times that samples may have.
#[derive(Debug, Clone)]
pub struct SampleTimes(Arc<StreamSettings>);

impl SampleTimes {
    /// Those of a server with these settings.
    pub fn new(settings: Arc<StreamSettings>) -> Self {
        Self(settings)
    }
}

/// Reasons that are kept.
const KEPT: usize = 20;

/// Samples that would be refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WouldRefuse {
    /// How many.
    pub count: usize,
    /// The first of them, each with its reason.
    pub reasons: Vec<String>,
}

/// The samples that a server refuses at `now_ms`, because they are too old or
/// too far ahead of its clock.
pub fn would_refuse(samples: &[SourceSample], times: &SampleTimes, now_ms: i64) -> WouldRefuse {
    let mut found = WouldRefuse::default();
    for one in samples {
        if let Err(reason) = check_sample(&times.0, one.sample, Reading::Gauge, now_ms) {
            found.count += 1;
            if found.reasons.len() < KEPT {
                found.reasons.push(format!("{}: {reason}", named(one)));
            }
        }
    }
    found
}

/// A sample as messages name it: `sales{region:eu} at 2026-01-01T12:00:00Z`.
pub fn named(one: &SourceSample) -> String {
    let SourceSample { kpi, labels, sample } = one;
    let labels = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
    format!("{kpi}{labels} at {}", rfc3339(sample.timestamp_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::{KpiName, Labels, Sample};
    use earcon_streams::StreamOptions;

    #[test]
    fn samples_that_are_too_old_or_ahead_are_counted_and_named() {
        let now_ms = 1_767_225_600_000;
        let options = StreamOptions { max_age_ms: 3_600_000, max_ahead_ms: 60_000, ..StreamOptions::default() };
        let settings = StreamSettings::try_from(options).unwrap();
        let at = |timestamp_ms| SourceSample {
            kpi: KpiName::new("sales").unwrap(),
            labels: Labels::parse("region:eu").unwrap(),
            sample: Sample { timestamp_ms, value: 1.0 },
        };
        let samples: Vec<_> = [0, -3_600_001, 60_001, 60_000, -3_600_000].map(|by| at(now_ms + by)).into();
        let found = would_refuse(&samples, &SampleTimes::new(Arc::new(settings)), now_ms);
        assert_eq!(found.count, 2);
        assert!(found.reasons[0].starts_with("sales{region:eu} at 2025-12-31T22:59:59.999Z: its time"), "{found:?}");
        assert!(found.reasons[1].contains("ahead of the server's clock"), "{found:?}");
    }
}
