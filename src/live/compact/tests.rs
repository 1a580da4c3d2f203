use earcon_client::Event as Decoded;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::live::wire::{event_json, event_json_rated};
use earcon_model::{
    Acknowledgement, Anomaly, AnomalyEvent, AnomalyId, DetectorEvent, DetectorRef, DetectorSlots, Direction,
    EpisodeEnd, Feature, Feedback, FeedbackOutcome, Incident, IncidentEvent, IncidentId, JobId, KpiEvent, KpiName,
    Link, Member, RunId, Subject, TimelineEntry, TimelineKind, WorkspaceId,
};

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("finite", |value| value.is_finite()),
        any::<f32>().prop_filter("finite", |value| value.is_finite()).prop_map(f64::from),
        any::<i32>().prop_map(f64::from),
        Just(-0.0),
        Just(0.0),
        Just(9_007_199_254_740_992.0),
    ]
}

/// The expected value may be missing (NaN).
fn expected() -> impl Strategy<Value = f64> {
    prop_oneof![4 => number(), 1 => Just(f64::NAN)]
}

fn single() -> impl Strategy<Value = f32> {
    any::<f32>().prop_filter("finite", |value| value.is_finite())
}

fn labels() -> impl Strategy<Value = Labels> {
    prop::collection::btree_map("[a-z_]{1,5}", "[^,\\p{Cc}]{1,12}", 0..4)
        .prop_map(|pairs| Labels::from_pairs(pairs).expect("made by the rules"))
}

prop_compose! {
    fn sample()(timestamp_ms in any::<i64>(), value in number(), score in prop::option::of(0.0_f32..=1.0),
        expected in expected(), lower in expected(), upper in expected()) -> ScoredSample {
        ScoredSample { timestamp_ms, value, score, expected, lower, upper }
    }
}

prop_compose! {
    fn series()(labels in labels(), samples in prop::collection::vec(sample(), 0..5),
        late in prop::collection::vec((any::<i64>(), number()), 0..3),
        features in prop::option::of(prop::array::uniform5(single())), status in 0..5_u8, seen in any::<u32>()) -> SeriesSamples {
        let features = features.map(|[robust_z, residual_z, volatility, slope, level]| {
            Features { robust_z, residual_z, volatility, slope, level }
        });
        let status = match status {
            0 => SeriesStatus::Warming { seen, needed: 30 },
            1 => SeriesStatus::Normal,
            2 => SeriesStatus::Anomalous,
            3 => SeriesStatus::Stalled,
            _ => SeriesStatus::Ended,
        };
        let late = late.into_iter().map(|(timestamp_ms, value)| Sample { timestamp_ms, value }).collect();
        SeriesSamples { labels, samples: samples.into(), late, features, status, counter: None, looks_like: None }
    }
}

prop_compose! {
    fn anomaly()(labels in labels(), peak in sample(), closed_at_ms in prop::option::of(any::<i64>()), samples in any::<u32>(),
        by in prop::option::of(".{0,8}"), id in any::<u128>()) -> Box<Anomaly> {
        Box::new(Anomaly {
            id: AnomalyId(uuid::Uuid::from_u128(id)),
            kpi: KpiName::new("a.b").expect("a name"),
            labels,
            opened_at_ms: peak.timestamp_ms,
            last_at_ms: 7,
            closed_at_ms,
            peak_score: peak.score.unwrap_or(0.5),
            peak_at_ms: peak.timestamp_ms,
            peak_value: peak.value,
            peak_expected: peak.expected,
            peak_lower: peak.lower,
            peak_upper: peak.upper,
            direction: if samples % 2 == 0 { Direction::Above } else { Direction::Below },
            reason: [Feature::RobustZ, Feature::ResidualZ, Feature::Volatility, Feature::Slope][samples as usize % 4],
            samples,
            detector: "season-reach-1".to_owned(),
            muted: by.clone(),
            unit: by.clone(),
            end: closed_at_ms.map(|_| EpisodeEnd::SeriesEnded),
            learning: by.is_none(),
            feedback: by.as_ref().map(|by| Feedback { outcome: FeedbackOutcome::False, at_ms: 6, by: by.clone(), note: None }),
            acknowledged: by.map(|by| Acknowledgement { at_ms: 5, note: Some(by.clone()), by }),
        })
    }
}

prop_compose! {
    fn incident()(all in prop::collection::vec(anomaly(), 1..4), alerted_at_ms in prop::option::of(any::<i64>()),
        merged in prop::option::of(any::<u128>()), shared in prop::option::of(".{0,8}"), score in 0.0_f32..=1.0) -> Incident {
        let member = |anomaly: &Anomaly| Member {
            anomaly: anomaly.id,
            kpi: anomaly.kpi.clone(),
            labels: anomaly.labels.clone(),
            opened_at_ms: anomaly.opened_at_ms,
            closed_at_ms: anomaly.closed_at_ms,
            peak_score: anomaly.peak_score,
            peak_at_ms: anomaly.peak_at_ms,
            direction: anomaly.direction,
            reason: anomaly.reason,
            episodes: anomaly.samples,
            link: shared.clone().map_or(Link::Burst, Link::Shared),
            muted: shared.clone(),
            acknowledged: anomaly.acknowledged.is_some(),
            learning: anomaly.learning,
        };
        let entry = |anomaly: &Anomaly| TimelineEntry {
            at_ms: anomaly.opened_at_ms,
            what: TimelineKind::Joined,
            kpi: anomaly.kpi.clone(),
            labels: anomaly.labels.clone(),
        };
        Incident {
            id: IncidentId(uuid::Uuid::from_u128(7)),
            revision: 3,
            cause_seq: u64::MAX,
            opened_at_ms: all[0].opened_at_ms,
            last_at_ms: 0,
            closed_at_ms: all[0].closed_at_ms,
            merged_into: merged.map(|id| IncidentId(uuid::Uuid::from_u128(id))),
            alerted_at_ms,
            peak_score: score,
            surprise: score * 20.0,
            first_mover: 0,
            members: all.iter().map(|anomaly| member(anomaly)).collect(),
            members_total: 500,
            members_open: 400,
            timeline: all.iter().map(|anomaly| entry(anomaly)).collect(),
            timeline_left_out: 9,
            acknowledged: all[0].acknowledged.clone(),
        }
    }
}

fn body() -> impl Strategy<Value = EventBody> {
    prop_oneof![
        6 => prop::collection::vec(series(), 0..4).prop_map(|all| SeriesEvent::Samples(all).into()),
        1 => anomaly().prop_map(|all| AnomalyEvent::Opened(all).into()),
        1 => anomaly().prop_map(|all| AnomalyEvent::Updated(all).into()),
        1 => anomaly().prop_map(|all| AnomalyEvent::Closed(all).into()),
        1 => (any::<u128>(), labels(), any::<i64>()).prop_map(|(id, labels, at_ms)| EventBody::Anomaly(AnomalyEvent::Acknowledged {
            id: AnomalyId(uuid::Uuid::from_u128(id)),
            labels,
            acknowledgement: Acknowledgement { at_ms, by: "me".to_owned(), note: None },
        })),
        1 => (labels(), any::<i64>())
            .prop_map(|(labels, last_timestamp_ms)| EventBody::Series(SeriesEvent::Stalled { labels, last_timestamp_ms })),
        1 => (labels(), any::<i64>()).prop_map(|(labels, timestamp_ms)| EventBody::Series(SeriesEvent::Restored { labels, timestamp_ms })),
        1 => (labels(), any::<i64>()).prop_map(|(labels, timestamp_ms)| EventBody::Series(SeriesEvent::Ended { labels, timestamp_ms })),
        1 => prop::collection::vec(series(), 0..4).prop_map(|all| SeriesEvent::Backfilled(all).into()),
        1 => (any::<u128>(), labels(), any::<i64>(), 0.5f32..2.0).prop_map(|(id, labels, at_ms, sensitivity)| {
            let feedback = Feedback { outcome: FeedbackOutcome::Real, at_ms, by: "me".to_owned(), note: Some(String::new()) };
            EventBody::Anomaly(AnomalyEvent::Feedback { id: AnomalyId(uuid::Uuid::from_u128(id)), labels, feedback, sensitivity })
        }),
        1 => ".{0,20}".prop_map(|reason| EventBody::Kpi(KpiEvent::Parked { reason })),
        1 => Just(EventBody::Kpi(KpiEvent::Resumed)),
        1 => any::<bool>().prop_map(|shadow| EventBody::Detector(DetectorEvent::Changed(Box::new(DetectorSlots {
            live: DetectorRef::Configured,
            shadow: shadow.then(DetectorRef::default),
        })))),
        1 => ".{0,20}".prop_map(|algorithm| EventBody::Detector(DetectorEvent::Trained {
            detector: DetectorRef::Configured,
            algorithm,
            series: Vec::new(),
        })),
        1 => incident().prop_map(|incident| EventBody::Incident(IncidentEvent::Updated(Box::new(incident)))),
    ]
}

fn subject() -> impl Strategy<Value = Subject> {
    let id = uuid::Uuid::from_u128(9);
    prop_oneof![
        4 => Just(Subject::Kpi(KpiName::new("checkout.revenue").expect("a name"))),
        1 => Just(Subject::Workspace),
        1 => Just(Subject::Incident(IncidentId(id))),
        1 => Just(Subject::Run(RunId(id))),
        1 => Just(Subject::Job(JobId(id))),
    ]
}

prop_compose! {
    fn event()(seq in any::<u64>(), time_ms in any::<i64>(), subject in subject(), body in body()) -> Event {
        Event { seq, time_ms, subject, body }
    }
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn decoded(bytes: &[u8]) -> Value {
    let event = Decoded::from_msgpack(bytes, &"w".into(), &"e".into()).expect("what was encoded is understood");
    value(&serde_json::to_string(&event).expect("it serialises"))
}

proptest! {
    #[test]
    fn compact_form_decodes_to_the_json_form(event in event(), resume in any::<u64>(), conflated in prop::option::of(any::<u64>())) {
        let workspace = WorkspaceId::new("w").expect("a name");
        prop_assert_eq!(decoded(&event_msgpack(&event)), value(&event_json(&event, &workspace, "e")));
        let rated = Rated { resume: Some(resume), conflated };
        prop_assert_eq!(decoded(&event_msgpack_rated(&event, rated)), value(&event_json_rated(&event, &workspace, "e", rated)));
    }

    #[test]
    fn bytes_of_others_never_panic_the_client(bytes in prop::collection::vec(any::<u8>(), 0..200), event in event(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let _nonsense = Decoded::from_msgpack(&bytes, &"w".into(), &"e".into()).is_err();
        let mut changed = event_msgpack(&event);
        let at = at.index(changed.len());
        changed[at] = byte;
        let _perhaps = Decoded::from_msgpack(&changed, &"w".into(), &"e".into()).is_err();
        let _short = Decoded::from_msgpack(&changed[..at], &"w".into(), &"e".into()).is_err();
    }
}

/// The example of `docs/protocol.md`.
#[test]
fn a_usual_event_is_these_bytes() {
    let sample = ScoredSample {
        timestamp_ms: 1_767_225_600_000,
        value: 12.5,
        score: Some(0.125),
        expected: 12.0,
        lower: 10.1,
        upper: f64::NAN,
    };
    let series = SeriesSamples {
        labels: Labels::parse("region:eu").expect("labels"),
        samples: vec![sample, ScoredSample { timestamp_ms: 1_767_225_601_000, value: 13.0, ..sample }].into(),
        late: vec![],
        features: None,
        status: SeriesStatus::Normal,
        counter: None,
        looks_like: None,
    };
    let kpi = KpiName::new("a").expect("a name");
    let event = Event::new(300, 1_767_225_601_005, kpi, SeriesEvent::Samples(vec![series]));
    let hex: String = event_msgpack(&event).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        concat!(
            "95",
            "00",
            "cd012c",
            "cf0000019b76daabed",
            "a56b70692f61",
            "91",
            "96",
            "81a6726567696f6ea26575",
            "01",
            "c0",
            "c0",
            "9c",
            "d1fc13",
            "ca41480000",
            "ca3e000000",
            "0c",
            "cb4024333333333333",
            "c0",
            "cd03e8",
            "0d",
            "ca3e000000",
            "0c",
            "cb4024333333333333",
            "c0",
            "90",
        )
    );
}
