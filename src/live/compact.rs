//! The compact form of an event: MessagePack with codes instead of texts, and sample times as
//! differences.
//! `docs/protocol.md` describes it byte for byte. It has the same content as the JSON, to the bit.
//!
//! An encoded event does not refer to earlier events. So one encoding serves all followers,
//! independent of their filters.

use serde::ser::{SerializeMap, SerializeSeq, SerializeTuple};
use serde::{Serialize, Serializer};

use super::wire::{Data, Rated};
use earcon_model::{
    Event, EventBody, Features, Labels, Sample, ScoredSample, SeriesEvent, SeriesSamples, SeriesStatus,
};

/// Encodes an event as a binary message.
pub fn event_msgpack(event: &Event) -> Vec<u8> {
    to_msgpack(&Compact { event, rated: None })
}

/// Encodes an event for a follower with a rate.
pub fn event_msgpack_rated(event: &Event, rated: Rated) -> Vec<u8> {
    to_msgpack(&Compact { event, rated: Some(rated) })
}

fn to_msgpack(event: &Compact) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map();
    event.serialize(&mut serializer).expect("writing into memory does not fail, and all lengths are known");
    bytes
}

/// `[type, seq, time, subject, data]`, and under a rate `[…, resume, conflated]`.
struct Compact<'a> {
    event: &'a Event,
    rated: Option<Rated>,
}

impl Serialize for Compact<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Event { seq, time_ms, subject, body } = self.event;
        let mut parts = serializer.serialize_tuple(if self.rated.is_some() { 7 } else { 5 })?;
        parts.serialize_element(&body.event_type().code())?;
        parts.serialize_element(seq)?;
        parts.serialize_element(time_ms)?;
        parts.serialize_element(&subject.to_string())?;
        match body {
            EventBody::Series(SeriesEvent::Samples(series)) => {
                parts.serialize_element(&AllSeries { series, time_ms: *time_ms })?
            }
            _ => parts.serialize_element(&Data::from_body(body))?,
        }
        if let Some(Rated { resume, conflated }) = self.rated {
            parts.serialize_element(&resume)?;
            parts.serialize_element(&conflated)?;
        }
        parts.end()
    }
}

struct AllSeries<'a> {
    series: &'a [SeriesSamples],
    time_ms: i64,
}

impl Serialize for AllSeries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(Some(self.series.len()))?;
        for series in self.series {
            all.serialize_element(&OneSeries { series, time_ms: self.time_ms })?;
        }
        all.end()
    }
}

/// `[labels, state, warming, features, rows, late]`
struct OneSeries<'a> {
    series: &'a SeriesSamples,
    time_ms: i64,
}

impl Serialize for OneSeries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let SeriesSamples { labels, samples, late, features, status, .. } = self.series;
        let (state, warming) = match *status {
            SeriesStatus::Warming { seen, needed } => (0_u8, Some((seen, needed))),
            SeriesStatus::Normal => (1, None),
            SeriesStatus::Anomalous => (2, None),
            SeriesStatus::Stalled => (3, None),
            SeriesStatus::Ended => (4, None),
        };
        let features = features.map(|Features { robust_z, residual_z, volatility, slope, level }| {
            [robust_z, residual_z, volatility, slope, level].map(Single)
        });
        let mut parts = serializer.serialize_tuple(6)?;
        parts.serialize_element(&LabelMap(labels))?;
        parts.serialize_element(&state)?;
        parts.serialize_element(&warming)?;
        parts.serialize_element(&features)?;
        parts.serialize_element(&Rows { samples, time_ms: self.time_ms })?;
        parts.serialize_element(&Late { samples: late, time_ms: self.time_ms })?;
        parts.end()
    }
}

struct LabelMap<'a>(&'a Labels);

impl Serialize for LabelMap<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.pairs().count()))?;
        for (key, value) in self.0.pairs() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Six elements a row, all in one array: time, value, score, expected, lower, upper. The time is
/// the difference to the previous row, or to the event's time in the first row.
struct Rows<'a> {
    samples: &'a [ScoredSample],
    time_ms: i64,
}

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.samples.len() * 6))?;
        let mut before = self.time_ms;
        for sample in self.samples {
            // Wrapping, as in the readers, so that any two times have a difference.
            rows.serialize_element(&sample.timestamp_ms.wrapping_sub(before))?;
            before = sample.timestamp_ms;
            rows.serialize_element(&Double(sample.value))?;
            rows.serialize_element(&sample.score.map(Single))?;
            for value in [sample.expected, sample.lower, sample.upper] {
                rows.serialize_element(&Double(value))?;
            }
        }
        rows.end()
    }
}

/// Two elements a sample: time, as in [`Rows`], and value.
struct Late<'a> {
    samples: &'a [Sample],
    time_ms: i64,
}

impl Serialize for Late<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(Some(self.samples.len() * 2))?;
        let mut before = self.time_ms;
        for sample in self.samples {
            rows.serialize_element(&sample.timestamp_ms.wrapping_sub(before))?;
            before = sample.timestamp_ms;
            rows.serialize_element(&Double(sample.value))?;
        }
        rows.end()
    }
}

/// A number in the shortest exact form: integer, single or double. Nil if it is not finite.
struct Double(f64);

impl Serialize for Double {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = self.0;
        let negative_zero = value == 0.0 && value.is_sign_negative();
        if !value.is_finite() {
            serializer.serialize_none()
        } else if value.trunc() == value && value.abs() < 9_007_199_254_740_992.0 && !negative_zero {
            serializer.serialize_i64(value as i64)
        } else if f64::from(value as f32) == value {
            serializer.serialize_f32(value as f32)
        } else {
            serializer.serialize_f64(value)
        }
    }
}

/// A number of single precision, written like any other.
struct Single(f32);

impl Serialize for Single {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Double(f64::from(self.0)).serialize(serializer)
    }
}

#[cfg(test)]
mod tests;
