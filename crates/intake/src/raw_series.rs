//! A series as its sender names it, before the workspace's rules apply.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::naming;
use earcon_model::{KpiName, Reading};

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
    /// Whether the name already ends in a hash, see [`crate::naming`].
    pub hashed: bool,
    /// The labels and attributes whose value is no text, with its kind: as labels, the number 1 and
    /// the text "1" are equal.
    pub typed: Typed<'a>,
    /// How the name was joined; 0 for a name as sent. Equal names that were joined differently are
    /// different names.
    pub joint: u64,
    /// What the sender says about the values of its KPI.
    pub stated: Stated<'a>,
}

/// Keys with the kind of their value.
pub type Typed<'a> = Vec<(Cow<'a, str>, ValueKind)>;

/// The kind of a value that is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// True or false.
    Truth = 1,
    /// A whole number.
    Integer,
    /// A number that may have a fraction.
    Float,
    /// Bytes.
    Bytes,
    /// A list of values.
    List,
    /// Values by key.
    Map,
}

impl<'a> RawSeries<'a> {
    /// A series without labels, of which nothing else is known.
    pub fn new(protocol: Protocol, name: Cow<'a, str>) -> Self {
        let (labels, resource, typed) = (Vec::new(), Vec::new(), Vec::new());
        let (reading, stated) = (None, Stated::default());
        Self { protocol, name, labels, resource, reading, hashed: false, typed, joint: 0, stated }
    }

    /// The name of the KPI if no rule changes it. `None` if the name is empty.
    pub(crate) fn kpi_name(&self) -> Option<KpiName> {
        match self.protocol {
            Protocol::Native => KpiName::new(&self.name).ok(),
            _ if self.hashed => naming::joined_kpi_name(&self.name),
            _ => naming::kpi_name(&self.name),
        }
    }

    /// A number that differs between series whose labels have values of different kinds. Counts
    /// only the keys for which `is_label` holds.
    pub(crate) fn kinds(&self, is_label: impl Fn(&str) -> bool) -> u64 {
        let labels = self.typed.iter().filter(|(key, _)| is_label(key));
        // The order of labels means nothing.
        labels.fold(0, |all, (key, kind)| all ^ xxh3_64_with_seed(key.as_bytes(), *kind as u64))
    }
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
