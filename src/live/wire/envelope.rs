//! An event with its envelope: position, time, type, subject and `data`.

use serde::{Serialize, Serializer};

use super::anomaly::AnomalyData;
use super::control::to_json;
use super::detector::DetectorData;
use super::incident::WireIncident;
use super::kpi::KpiData;
use super::series::SeriesData;
use earcon_model::{Event, EventBody, Seq, Subject, WorkspaceId};

/// Encodes an event.
pub fn event_json(event: &Event, workspace: &WorkspaceId, epoch: &str) -> String {
    to_json(&WireEvent::new(event, workspace, epoch))
}

/// Additional fields of an event for a follower with a rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Rated {
    /// The position to resume from without losing held samples, unless that is the event's own
    /// `seq`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume: Option<Seq>,
    /// How many events were merged into this one, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflated: Option<u64>,
}

/// Encodes an event for a follower with a rate.
pub fn event_json_rated(event: &Event, workspace: &WorkspaceId, epoch: &str, rated: Rated) -> String {
    #[derive(Serialize)]
    struct Both<'a> {
        #[serde(flatten)]
        event: WireEvent<'a>,
        #[serde(flatten)]
        rated: Rated,
    }
    to_json(&Both { event: WireEvent::new(event, workspace, epoch), rated })
}

#[derive(Serialize)]
struct WireEvent<'a> {
    seq: Seq,
    epoch: &'a str,
    time: i64,
    r#type: &'static str,
    workspace: &'a str,
    #[serde(serialize_with = "subject_text")]
    subject: &'a Subject,
    #[serde(skip_serializing_if = "Option::is_none")]
    kpi: Option<&'a str>,
    data: Data<'a>,
}

impl<'a> WireEvent<'a> {
    fn new(event: &'a Event, workspace: &'a WorkspaceId, epoch: &'a str) -> Self {
        Self {
            seq: event.seq,
            epoch,
            time: event.time_ms,
            r#type: event.event_type().as_str(),
            workspace: workspace.as_str(),
            subject: &event.subject,
            kpi: event.kpi().map(earcon_model::KpiName::as_str),
            data: Data::from_body(&event.body),
        }
    }
}

fn subject_text<S: Serializer>(subject: &&Subject, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(subject)
}

/// The `data` of an event, by family.
#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::live) enum Data<'a> {
    Series(SeriesData<'a>),
    Anomaly(AnomalyData<'a>),
    Kpi(KpiData<'a>),
    Detector(DetectorData<'a>),
    Incident(Box<WireIncident<'a>>),
}

impl<'a> Data<'a> {
    pub(in crate::live) fn from_body(body: &'a EventBody) -> Self {
        match body {
            EventBody::Series(event) => Data::Series(SeriesData::from_event(event)),
            EventBody::Anomaly(event) => Data::Anomaly(AnomalyData::from_event(event)),
            EventBody::Kpi(event) => Data::Kpi(KpiData::from_event(event)),
            EventBody::Detector(event) => Data::Detector(DetectorData::from_event(event)),
            EventBody::Incident(event) => Data::Incident(Box::new(WireIncident::from_incident(event.incident()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_model::{
        Incident, IncidentEvent, KpiName, Labels, Sample, ScoredSample, SeriesEvent, SeriesSamples, SeriesStatus,
    };

    fn json(event: &Event) -> serde_json::Value {
        serde_json::from_str(&event_json(event, &WorkspaceId::new("local").unwrap(), "e1")).unwrap()
    }

    #[test]
    fn a_warming_sample_has_nulls_where_nothing_was_expected() {
        let nan = f64::NAN;
        let sample =
            ScoredSample { timestamp_ms: 1_000, value: 12.5, score: None, expected: nan, lower: nan, upper: nan };
        let series = SeriesSamples {
            labels: Labels::parse("region:eu").unwrap(),
            samples: vec![sample].into(),
            late: vec![Sample { timestamp_ms: 5, value: 1.0 }],
            features: None,
            status: SeriesStatus::Warming { seen: 1, needed: 30 },
            counter: None,
            looks_like: None,
        };
        let kpi = KpiName::new("checkout.revenue").unwrap();
        let event = Event::new(7, 2_000, kpi, SeriesEvent::Samples(vec![series]));
        assert_eq!(
            json(&event),
            serde_json::json!({
                "seq": 7, "epoch": "e1", "time": 2000, "type": "samples", "workspace": "local",
                "subject": "kpi/checkout.revenue", "kpi": "checkout.revenue",
                "data": {"series": [{
                    "labels": {"region": "eu"}, "samples": [[1000, 12.5, null, null, null, null]],
                    "late": [[5, 1.0]], "state": "warming", "warming": {"seen": 1, "needed": 30}, "features": null
                }]}
            })
        );
    }

    #[test]
    fn an_event_about_an_incident_has_no_kpi() {
        let incident = Incident::example(&["a"]);
        let event = Event::new(7, 2_000, incident.id, IncidentEvent::Opened(Box::new(incident)));
        let json = json(&event);
        assert_eq!(json["subject"], "incident/00000000-0000-0000-0000-000000000000");
        assert_eq!((json.get("kpi"), &json["type"]), (None, &"incident.opened".into()));
    }

    #[test]
    fn history_is_reported_in_numbers() {
        let late = [40, 7].map(|timestamp_ms| Sample { timestamp_ms, value: 1.0 });
        let series = SeriesSamples {
            labels: Labels::none(),
            samples: Default::default(),
            late: late.to_vec(),
            features: None,
            status: SeriesStatus::Ended,
            counter: None,
            looks_like: None,
        };
        let event = Event::new(7, 2_000, KpiName::new("a").unwrap(), SeriesEvent::Backfilled(vec![series]));
        let json = json(&event);
        assert_eq!(json["type"], "samples.backfilled");
        let series =
            serde_json::json!([{"labels": {}, "samples": 0, "late": 2, "from": 7, "to": 40, "state": "ended"}]);
        assert_eq!(json["data"], serde_json::json!({ "series": series }));
    }
}
