//! Refuses the keys of former versions of OTLP, and those of other messages.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// The message to a sender of a former version.
pub(crate) const FORMER: &str = "it has fields of OTLP before 0.15 (instrumentationLibraryMetrics, intGauge, intSum, \
                                 intHistogram), which are not read; use an exporter that sends scopeMetrics";

/// The message about a metric without data that can be read.
pub(crate) const NO_KIND: &str =
    "it has no data of a kind that is known: gauge, sum, histogram, exponentialHistogram or summary";

/// The field of a key that belongs into another message, such as `resourceSpans`. Without the right
/// keys, nothing would be taken in silence.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Misplaced;

impl<'de> Deserialize<'de> for Misplaced {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(
            "it has a key of another message, such as resourceSpans; metrics are in \
             resourceMetrics[].scopeMetrics[].metrics",
        ))
    }
}

/// The field of a key that OTLP no longer has. Such a key must not be ignored as an unknown one,
/// because its value would be lost in silence.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Former;

impl<'de> Deserialize<'de> for Former {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(FORMER))
    }
}
