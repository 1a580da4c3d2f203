//! A series as its sender names it, before the workspace's rules apply.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use earcon_model::Reading;

/// Label pairs as sent.
pub type LabelPairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// The protocol of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Earcon's own bodies: names are used unchanged or rejected.
    Native,
    /// Influx line protocol.
    Influx,
    /// Prometheus remote write.
    Prometheus,
    /// OTLP metrics.
    Otlp,
}

/// A series as sent.
#[derive(Debug, Clone, PartialEq)]
pub struct RawSeries<'a> {
    /// Its protocol.
    pub protocol: Protocol,
    /// Its name; for Influx `measurement.field`, or the measurement alone for a field called
    /// `value`.
    pub name: Cow<'a, str>,
    /// Its labels, tags or attributes.
    pub labels: LabelPairs<'a>,
    /// Attributes of the resource (OTLP): only those that the rules select become labels.
    pub resource: LabelPairs<'a>,
    /// The reading that the protocol states; `None` if it does not.
    pub reading: Option<Reading>,
}
