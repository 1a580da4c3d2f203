//! Refuses the keys of former versions of OTLP.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

/// What a sender of a former version is told.
pub(crate) const FORMER: &str = "it has fields of OTLP before 0.15 (instrumentationLibraryMetrics, intGauge, intSum, \
                                 intHistogram), which are not read; use an exporter that sends scopeMetrics";

/// The field of a key that OTLP no longer has. Such a key must not be ignored as an unknown one,
/// because its value would be lost in silence.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Former;

impl<'de> Deserialize<'de> for Former {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(FORMER))
    }
}
