//! The byte form of [`EventBody`] in logs and in messages between nodes.
//!
//! The families are laid out flat, so that moving a kind to another family changes no byte. The
//! format (postcard) names no fields. The order of the variants below is the format; new kinds go
//! to the end.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{AnomalyEvent, DetectorEvent, EventBody, IncidentEvent, KpiEvent, SeriesEvent, SeriesSamples};
use crate::anomaly::{Acknowledgement, Anomaly, AnomalyId, Feedback};
use crate::deletion::Deletion;
use crate::detector::{DetectorRef, DetectorSlots, TrainedSeries};
use crate::ids::Labels;
use crate::incident::Incident;

/// All kinds of events in one list. It borrows for writing and owns after reading.
#[derive(Serialize, Deserialize)]
enum Stored<'a> {
    Samples(Cow<'a, [SeriesSamples]>),
    AnomalyOpened(Cow<'a, Anomaly>),
    AnomalyUpdated(Cow<'a, Anomaly>),
    AnomalyClosed(Cow<'a, Anomaly>),
    AnomalyAcknowledged { id: AnomalyId, labels: Cow<'a, Labels>, acknowledgement: Cow<'a, Acknowledgement> },
    SeriesStalled { labels: Cow<'a, Labels>, last_timestamp_ms: i64 },
    SeriesRestored { labels: Cow<'a, Labels>, timestamp_ms: i64 },
    KpiParked { reason: Cow<'a, str> },
    KpiResumed,
    SeriesEnded { labels: Cow<'a, Labels>, timestamp_ms: i64 },
    Backfilled(Cow<'a, [SeriesSamples]>),
    DetectorChanged(Cow<'a, DetectorSlots>),
    DetectorTrained { detector: Cow<'a, DetectorRef>, algorithm: Cow<'a, str>, series: Cow<'a, [TrainedSeries]> },
    AnomalyFeedback { id: AnomalyId, labels: Cow<'a, Labels>, feedback: Cow<'a, Feedback>, sensitivity: f32 },
    IncidentOpened(Cow<'a, Incident>),
    IncidentUpdated(Cow<'a, Incident>),
    IncidentClosed(Cow<'a, Incident>),
    KpiDeleted(Cow<'a, Deletion>),
}

impl Serialize for EventBody {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            EventBody::Series(event) => Stored::of_series(event),
            EventBody::Anomaly(event) => Stored::of_anomaly(event),
            EventBody::Kpi(event) => Stored::of_kpi(event),
            EventBody::Detector(event) => Stored::of_detector(event),
            EventBody::Incident(event) => Stored::of_incident(event),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for EventBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Stored::deserialize(deserializer).map(Stored::into_body)
    }
}

impl<'a> Stored<'a> {
    fn of_series(event: &'a SeriesEvent) -> Self {
        match event {
            SeriesEvent::Samples(series) => Stored::Samples(series.into()),
            SeriesEvent::Backfilled(series) => Stored::Backfilled(series.into()),
            SeriesEvent::Stalled { labels, last_timestamp_ms } => {
                Stored::SeriesStalled { labels: Cow::Borrowed(labels), last_timestamp_ms: *last_timestamp_ms }
            }
            SeriesEvent::Restored { labels, timestamp_ms } => {
                Stored::SeriesRestored { labels: Cow::Borrowed(labels), timestamp_ms: *timestamp_ms }
            }
            SeriesEvent::Ended { labels, timestamp_ms } => {
                Stored::SeriesEnded { labels: Cow::Borrowed(labels), timestamp_ms: *timestamp_ms }
            }
        }
    }

    fn of_anomaly(event: &'a AnomalyEvent) -> Self {
        match event {
            AnomalyEvent::Opened(anomaly) => Stored::AnomalyOpened(Cow::Borrowed(anomaly)),
            AnomalyEvent::Updated(anomaly) => Stored::AnomalyUpdated(Cow::Borrowed(anomaly)),
            AnomalyEvent::Closed(anomaly) => Stored::AnomalyClosed(Cow::Borrowed(anomaly)),
            AnomalyEvent::Acknowledged { id, labels, acknowledgement } => Stored::AnomalyAcknowledged {
                id: *id,
                labels: Cow::Borrowed(labels),
                acknowledgement: Cow::Borrowed(acknowledgement),
            },
            AnomalyEvent::Feedback { id, labels, feedback, sensitivity } => Stored::AnomalyFeedback {
                id: *id,
                labels: Cow::Borrowed(labels),
                feedback: Cow::Borrowed(feedback),
                sensitivity: *sensitivity,
            },
        }
    }

    fn of_kpi(event: &'a KpiEvent) -> Self {
        match event {
            KpiEvent::Parked { reason } => Stored::KpiParked { reason: reason.into() },
            KpiEvent::Resumed => Stored::KpiResumed,
            KpiEvent::Deleted(deletion) => Stored::KpiDeleted(Cow::Borrowed(deletion)),
        }
    }

    fn of_detector(event: &'a DetectorEvent) -> Self {
        match event {
            DetectorEvent::Changed(slots) => Stored::DetectorChanged(Cow::Borrowed(slots)),
            DetectorEvent::Trained { detector, algorithm, series } => Stored::DetectorTrained {
                detector: Cow::Borrowed(detector),
                algorithm: algorithm.into(),
                series: series.into(),
            },
        }
    }

    fn of_incident(event: &'a IncidentEvent) -> Self {
        match event {
            IncidentEvent::Opened(incident) => Stored::IncidentOpened(Cow::Borrowed(incident)),
            IncidentEvent::Updated(incident) => Stored::IncidentUpdated(Cow::Borrowed(incident)),
            IncidentEvent::Closed(incident) => Stored::IncidentClosed(Cow::Borrowed(incident)),
        }
    }

    fn into_body(self) -> EventBody {
        let boxed = |anomaly: Cow<'a, Anomaly>| Box::new(anomaly.into_owned());
        let incident = |incident: Cow<'a, Incident>| Box::new(incident.into_owned());
        match self {
            Stored::Samples(series) => SeriesEvent::Samples(series.into_owned()).into(),
            Stored::AnomalyOpened(anomaly) => AnomalyEvent::Opened(boxed(anomaly)).into(),
            Stored::AnomalyUpdated(anomaly) => AnomalyEvent::Updated(boxed(anomaly)).into(),
            Stored::AnomalyClosed(anomaly) => AnomalyEvent::Closed(boxed(anomaly)).into(),
            Stored::AnomalyAcknowledged { id, labels, acknowledgement } => AnomalyEvent::Acknowledged {
                id,
                labels: labels.into_owned(),
                acknowledgement: acknowledgement.into_owned(),
            }
            .into(),
            Stored::SeriesStalled { labels, last_timestamp_ms } => {
                SeriesEvent::Stalled { labels: labels.into_owned(), last_timestamp_ms }.into()
            }
            Stored::SeriesRestored { labels, timestamp_ms } => {
                SeriesEvent::Restored { labels: labels.into_owned(), timestamp_ms }.into()
            }
            Stored::KpiParked { reason } => KpiEvent::Parked { reason: reason.into_owned() }.into(),
            Stored::KpiResumed => KpiEvent::Resumed.into(),
            Stored::SeriesEnded { labels, timestamp_ms } => {
                SeriesEvent::Ended { labels: labels.into_owned(), timestamp_ms }.into()
            }
            Stored::Backfilled(series) => SeriesEvent::Backfilled(series.into_owned()).into(),
            Stored::DetectorChanged(slots) => DetectorEvent::Changed(Box::new(slots.into_owned())).into(),
            Stored::DetectorTrained { detector, algorithm, series } => DetectorEvent::Trained {
                detector: detector.into_owned(),
                algorithm: algorithm.into_owned(),
                series: series.into_owned(),
            }
            .into(),
            Stored::AnomalyFeedback { id, labels, feedback, sensitivity } => {
                AnomalyEvent::Feedback { id, labels: labels.into_owned(), feedback: feedback.into_owned(), sensitivity }
                    .into()
            }
            Stored::IncidentOpened(opened) => IncidentEvent::Opened(incident(opened)).into(),
            Stored::IncidentUpdated(updated) => IncidentEvent::Updated(incident(updated)).into(),
            Stored::IncidentClosed(closed) => IncidentEvent::Closed(incident(closed)).into(),
            Stored::KpiDeleted(deletion) => KpiEvent::Deleted(deletion.into_owned()).into(),
        }
    }
}

#[cfg(test)]
mod tests;
