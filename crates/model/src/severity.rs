//! How urgent an anomaly, an incident or a cue is.

use serde::{Deserialize, Serialize};

/// How urgent something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth a look.
    Warning,
    /// Worth waking up for.
    Critical,
}

/// Bits of a member's surprise that count at most. A single spike, however high, is no reason to
/// wake up for.
const MOST_BITS: f32 = 11.0;
/// An incident that lasts this long has one bit more, three times as long another one, and so on.
/// Milliseconds.
const BIT_OF_TIME_MS: f32 = 600_000.0;
const WARNING_BITS: f32 = 4.0;
const CRITICAL_BITS: f32 = 12.0;

impl Severity {
    /// The severity of a score 0..1. Episodes open near 0.5; three and a half times the usual
    /// surprise is about 0.85.
    pub fn of_score(score: f32) -> Self {
        if score >= 0.9 {
            Severity::Critical
        } else if score >= 0.7 {
            Severity::Warning
        } else {
            Severity::Info
        }
    }

    /// The severity of an incident with this surprise in bits, this many series, and this duration
    /// in milliseconds of the samples' time. `loss`: a series has lost most of its value. In a
    /// series with much noise that is hardly surprising, and worth a look all the same.
    pub fn of_incident(surprise: f32, series: u32, lasted_ms: i64, loss: bool) -> Self {
        let many = (series.max(1) as f32).log2();
        let long = (1.0 + lasted_ms.max(0) as f32 / BIT_OF_TIME_MS).log2();
        let bits = surprise.min(MOST_BITS + many) + long;
        if bits >= CRITICAL_BITS {
            Severity::Critical
        } else if bits >= WARNING_BITS || loss {
            Severity::Warning
        } else {
            Severity::Info
        }
    }

    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Severity::{Critical, Info, Warning};
    use super::*;

    #[test]
    fn score_determines_the_severity_of_an_anomaly() {
        assert_eq!(
            [0.5, 0.69, 0.7, 0.89, 0.9, 1.0].map(Severity::of_score),
            [Info, Info, Warning, Warning, Critical, Critical]
        );
    }

    #[test]
    fn surprise_members_and_duration_raise_the_severity_of_an_incident() {
        let minute = 60_000;
        let of = |surprise, series, lasted_ms| Severity::of_incident(surprise, series, lasted_ms, false);
        assert_eq!(of(1.5, 1, 0), Info, "one series, slightly out of its range");
        assert_eq!(of(1.5, 1, 90 * minute), Warning, "the same for an hour and a half");
        assert_eq!(of(1.5 + 3.0, 8, 0), Warning, "eight weak series");
        assert_eq!(of(25.0, 1, 0), Warning, "one sample of one series, however far");
        assert_eq!(of(25.0, 1, 10 * minute), Critical, "ten minutes of it");
        assert_eq!(of(25.0 + 2.0, 4, 0), Critical, "four series at once");
        assert_eq!(of(0.0, 0, -5), Info, "all members are muted");
    }

    #[test]
    fn a_loss_of_most_of_a_value_is_a_warning_however_little_it_surprises() {
        let of = |surprise, lasted_ms| Severity::of_incident(surprise, 1, lasted_ms, true);
        assert_eq!([of(1.0, 0), of(1.0, 3_600_000), of(25.0, 600_000)], [Warning, Warning, Critical]);
    }
}
