//! Decodes the compact encoding of an event: `[type, seq, time, subject, data]`, with a rate
//! followed by `resume, conflated`.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;

use crate::event::{BackfilledData, Changed, Event, EventData, Parked, Restored, Stalled, Trained};
use crate::message::DecodeError;
use crate::series::{Features, Labels, ScoredSample, SeriesSamples, SeriesState, Warming};

impl Event {
    /// Decodes a binary message. The workspace is that of the connection. The epoch is that of the
    /// last `subscribed` or `epoch` message.
    ///
    /// # Errors
    /// If the bytes are not MessagePack, or a part is missing or has the wrong type.
    pub fn from_msgpack(bytes: &[u8], workspace: &Arc<str>, epoch: &Arc<str>) -> Result<Self, DecodeError> {
        let Compact { seq, time, subject, data, resume, conflated } =
            rmp_serde::from_slice(bytes).map_err(DecodeError::MessagePack)?;
        let (workspace, epoch) = (workspace.clone(), epoch.clone());
        let kpi = subject.strip_prefix("kpi/").map(str::to_owned);
        Ok(Event { seq, epoch, time, workspace, subject, kpi, data, resume, conflated })
    }
}

struct Compact {
    seq: u64,
    time: i64,
    subject: String,
    data: EventData,
    resume: Option<u64>,
    conflated: Option<u64>,
}

/// Reads the next part of an array. A missing part is an error.
fn part<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(parts: &mut A, name: &str) -> Result<T, A::Error> {
    parts.next_element()?.ok_or_else(|| A::Error::custom(format_args!("{name} is missing")))
}

/// Skips the parts that a later version may have added.
fn skip_remaining<'de, A: SeqAccess<'de>>(parts: &mut A) -> Result<(), A::Error> {
    while parts.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de> Deserialize<'de> for Compact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;

        impl<'de> Visitor<'de> for Parts {
            type Value = Compact;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event: [type, seq, time, subject, data]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Compact, A::Error> {
                let code: u64 = part(&mut parts, "type")?;
                let seq = part(&mut parts, "seq")?;
                let time = part(&mut parts, "time")?;
                let subject = part(&mut parts, "subject")?;
                let data = data(code, time, &mut parts)?;
                let resume = parts.next_element::<Option<u64>>()?.flatten();
                let conflated = parts.next_element::<Option<u64>>()?.flatten();
                skip_remaining(&mut parts)?;
                Ok(Compact { seq, time, subject, data, resume, conflated })
            }
        }

        deserializer.deserialize_seq(Parts)
    }
}

fn data<'de, A: SeqAccess<'de>>(code: u64, time: i64, parts: &mut A) -> Result<EventData, A::Error> {
    const NAME: &str = "data";
    Ok(match code {
        0 => {
            let series: Vec<OneSeries> = part(parts, NAME)?;
            EventData::Samples { series: series.into_iter().map(|series| series.at(time)).collect() }
        }
        1 => EventData::AnomalyOpened(part(parts, NAME)?),
        2 => EventData::AnomalyUpdated(part(parts, NAME)?),
        3 => EventData::AnomalyClosed(part(parts, NAME)?),
        4 => EventData::AnomalyAcknowledged(part(parts, NAME)?),
        5 => {
            let Stalled { labels, last_timestamp } = part(parts, NAME)?;
            EventData::SeriesStalled { labels, last_timestamp }
        }
        6 => {
            let Restored { labels, timestamp } = part(parts, NAME)?;
            EventData::SeriesRestored { labels, timestamp }
        }
        7 => EventData::KpiParked { reason: part::<_, Parked>(parts, NAME)?.reason },
        8 => {
            part::<_, IgnoredAny>(parts, NAME)?;
            EventData::KpiResumed
        }
        9 => {
            let Restored { labels, timestamp } = part(parts, NAME)?;
            EventData::SeriesEnded { labels, timestamp }
        }
        10 => EventData::SamplesBackfilled { series: part::<_, BackfilledData>(parts, NAME)?.series },
        11 => part::<_, Changed>(parts, NAME)?.into(),
        12 => part::<_, Trained>(parts, NAME)?.into(),
        13 => EventData::AnomalyFeedback(part(parts, NAME)?),
        14 => EventData::IncidentOpened(part(parts, NAME)?),
        15 => EventData::IncidentUpdated(part(parts, NAME)?),
        16 => EventData::IncidentClosed(part(parts, NAME)?),
        17 => EventData::Deleted(part(parts, NAME)?),
        code => EventData::Other { name: format!("type {code}"), data: part::<_, Value>(parts, NAME)? },
    })
}

/// A series with timestamps relative to the event's time.
struct OneSeries(SeriesSamples);

impl OneSeries {
    /// Returns the series with absolute timestamps, for an event at `time`.
    fn at(self, time: i64) -> SeriesSamples {
        let mut series = self.0;
        series.samples.iter_mut().for_each(|sample| sample.timestamp = sample.timestamp.wrapping_add(time));
        series.late.iter_mut().for_each(|(timestamp, _)| *timestamp = timestamp.wrapping_add(time));
        series
    }
}

impl<'de> Deserialize<'de> for OneSeries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;

        impl<'de> Visitor<'de> for Parts {
            type Value = OneSeries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a series: [labels, state, warming, features, rows, late]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<OneSeries, A::Error> {
                let labels: Labels = part(&mut parts, "labels")?;
                let state = match part::<_, u64>(&mut parts, "state")? {
                    0 => SeriesState::Warming,
                    1 => SeriesState::Normal,
                    2 => SeriesState::Anomalous,
                    3 => SeriesState::Stalled,
                    4 => SeriesState::Ended,
                    _ => SeriesState::Unknown,
                };
                let warming: Option<(u32, u32)> = part(&mut parts, "warming")?;
                let features: Option<[Option<f32>; 5]> = part(&mut parts, "features")?;
                let Rows(samples) = part(&mut parts, "rows")?;
                let Late(late) = part(&mut parts, "late")?;
                skip_remaining(&mut parts)?;
                let warming = warming.map(|(seen, needed)| Warming { seen, needed });
                let features = features.map(|values| {
                    let [robust_z, residual_z, volatility, slope, level] =
                        values.map(|value| value.unwrap_or(f32::NAN));
                    Features { robust_z, residual_z, volatility, slope, level }
                });
                Ok(OneSeries(SeriesSamples { labels, samples, late, state, warming, features }))
            }
        }

        deserializer.deserialize_seq(Parts)
    }
}

struct Rows(Vec<ScoredSample>);

impl<'de> Deserialize<'de> for Rows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;

        impl<'de> Visitor<'de> for Parts {
            type Value = Rows;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("rows of six: time difference, value, score, expected, lower, upper")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Rows, A::Error> {
                let mut rows = Vec::new();
                let mut timestamp = 0_i64;
                while let Some(difference) = parts.next_element::<i64>()? {
                    timestamp = timestamp.wrapping_add(difference);
                    rows.push(ScoredSample {
                        timestamp,
                        value: part(&mut parts, "value")?,
                        score: part(&mut parts, "score")?,
                        expected: part(&mut parts, "expected")?,
                        lower: part(&mut parts, "lower")?,
                        upper: part(&mut parts, "upper")?,
                    });
                }
                Ok(Rows(rows))
            }
        }

        deserializer.deserialize_seq(Parts)
    }
}

struct Late(Vec<(i64, f64)>);

impl<'de> Deserialize<'de> for Late {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Parts;

        impl<'de> Visitor<'de> for Parts {
            type Value = Late;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("rows of two: time difference, value")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Late, A::Error> {
                let mut rows = Vec::new();
                let mut timestamp = 0_i64;
                while let Some(difference) = parts.next_element::<i64>()? {
                    timestamp = timestamp.wrapping_add(difference);
                    rows.push((timestamp, part(&mut parts, "value")?));
                }
                Ok(Late(rows))
            }
        }

        deserializer.deserialize_seq(Parts)
    }
}
