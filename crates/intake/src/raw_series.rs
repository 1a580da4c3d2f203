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
    /// collectd's JSON.
    Collectd,
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
    /// How the name was joined; 0 for a name as sent. Equal names that were joined differently are
    /// different names.
    pub joint: u64,
    /// What the sender says about the values of its KPI.
    pub stated: Stated<'a>,
}

/// What a sender says about the values of a KPI. An empty text says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stated<'a> {
    /// The unit of the values as they are sent.
    pub unit: Cow<'a, str>,
    /// A sentence about them.
    pub description: Cow<'a, str>,
}

impl Stated<'_> {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.unit.is_empty() && self.description.is_empty()
    }
}
