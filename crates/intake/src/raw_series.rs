//! A series as its sender names it, before the workspace's rules.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use earcon_model::Reading;

/// Label pairs as they were sent.
pub type LabelPairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// What carried the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Earcon's own bodies: names are taken as they are or refused.
    Native,
    /// Influx line protocol.
    Influx,
    /// Prometheus remote write.
    Prometheus,
    /// OTLP metrics.
    Otlp,
}

/// A series as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct RawSeries<'a> {
    /// What carried it.
    pub protocol: Protocol,
    /// Its name; for Influx `measurement.field`, or the measurement alone for a field called `value`.
    pub name: Cow<'a, str>,
    /// Its labels, tags or attributes.
    pub labels: LabelPairs<'a>,
    /// Attributes of what the series comes from (OTLP resources): only those that the rules name become labels.
    pub resource: LabelPairs<'a>,
    /// How the protocol itself says that it is to be read; `None` when it says nothing.
    pub reading: Option<Reading>,
}
