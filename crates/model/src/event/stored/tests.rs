use super::*;
use crate::anomaly::{Direction, Feature, FeedbackOutcome};
use crate::deletion::DeletionScope;
use crate::detector::DetectorEntry;
use crate::event::{CounterSamples, Event, EventType, SeriesStatus, Subject};
use crate::ids::KpiName;
use crate::incident::{IncidentId, Link, Member, TimelineEntry, TimelineKind};
use crate::sample::{Features, Sample, ScoredSample};

const ID: uuid::Uuid = uuid::Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff);

fn kpi() -> KpiName {
    KpiName::new("k").unwrap()
}

fn labels() -> Labels {
    Labels::parse("a:b").unwrap()
}

fn seen() -> Acknowledgement {
    Acknowledgement { at_ms: 9, by: "ann".into(), note: Some("ok".into()) }
}

fn feedback() -> Feedback {
    Feedback { outcome: FeedbackOutcome::False, at_ms: 3, by: "ben".into(), note: None }
}

fn samples(status: SeriesStatus, counter: Option<CounterSamples>) -> Vec<SeriesSamples> {
    let scored = ScoredSample { timestamp_ms: 5, value: 0.5, score: Some(0.25), expected: 1.0, lower: 0.0, upper: 2.0 };
    let late = vec![Sample { timestamp_ms: 1, value: 2.0 }];
    let features = Some(Features { robust_z: 1.0, residual_z: -1.0, volatility: 0.5, slope: 0.25, level: 2.0 });
    vec![SeriesSamples {
        labels: labels(),
        samples: vec![scored].into(),
        late,
        features,
        status,
        counter,
        looks_like: None,
    }]
}

fn anomaly() -> Anomaly {
    Anomaly {
        id: AnomalyId(ID),
        kpi: kpi(),
        labels: labels(),
        opened_at_ms: -5,
        last_at_ms: 6,
        closed_at_ms: Some(7),
        peak_score: 0.75,
        peak_at_ms: 1,
        peak_value: 1e300,
        peak_expected: 0.5,
        peak_lower: -0.0,
        peak_upper: 3.5,
        direction: Direction::Below,
        reason: Feature::Slope,
        samples: 300,
        detector: "d-1".into(),
        acknowledged: Some(seen()),
        feedback: Some(feedback()),
        muted: Some("m".into()),
        unit: Some("ms".into()),
        end: None,
        learning: false,
    }
}

fn incident() -> Incident {
    let member = Member {
        anomaly: AnomalyId(ID),
        kpi: kpi(),
        labels: labels(),
        opened_at_ms: 1,
        closed_at_ms: None,
        peak_score: 0.75,
        peak_at_ms: 2,
        direction: Direction::Above,
        reason: Feature::Volatility,
        episodes: 1,
        link: Link::Shared("a:b".into()),
        muted: None,
        acknowledged: false,
        learning: true,
    };
    let entry = TimelineEntry { at_ms: 1, what: TimelineKind::Alerted, kpi: kpi(), labels: labels() };
    Incident {
        id: IncidentId(ID),
        revision: 1,
        cause_seq: 200,
        opened_at_ms: 1,
        last_at_ms: 0,
        closed_at_ms: None,
        merged_into: Some(IncidentId(ID)),
        alerted_at_ms: Some(3),
        peak_score: 0.75,
        surprise: 1.5,
        first_mover: 0,
        members: vec![member],
        members_total: 1,
        members_open: 1,
        timeline: vec![entry],
        timeline_left_out: 0,
        acknowledged: None,
    }
}

/// An event body of each type, in the order of the types.
fn one_of_each() -> Vec<EventBody> {
    let counter = CounterSamples { start: Some(Sample { timestamp_ms: -1, value: 7.5 }), raw: Some(8.0), late: 9 };
    let entry = DetectorEntry { name: "calm".into(), revision: 3, detector: "d-1".into(), options: [].into() };
    let slots = DetectorSlots { live: DetectorRef::Configured, shadow: Some(DetectorRef::Entry(Box::new(entry))) };
    let trained = TrainedSeries { labels: labels(), last_timestamp_ms: 4, state: vec![1, 2, 3] };
    vec![
        SeriesEvent::Samples(samples(SeriesStatus::Warming { seen: 3, needed: 30 }, None)).into(),
        AnomalyEvent::Opened(Box::new(anomaly())).into(),
        AnomalyEvent::Updated(Box::new(Anomaly { acknowledged: None, feedback: None, ..anomaly() })).into(),
        AnomalyEvent::Closed(Box::new(Anomaly { muted: None, ..anomaly() })).into(),
        AnomalyEvent::Acknowledged { id: AnomalyId(ID), labels: labels(), acknowledgement: seen() }.into(),
        SeriesEvent::Stalled { labels: labels(), last_timestamp_ms: 300 }.into(),
        SeriesEvent::Restored { labels: labels(), timestamp_ms: 301 }.into(),
        KpiEvent::Parked { reason: "boom".into() }.into(),
        KpiEvent::Resumed.into(),
        SeriesEvent::Ended { labels: labels(), timestamp_ms: 302 }.into(),
        SeriesEvent::Backfilled(samples(SeriesStatus::Ended, Some(counter))).into(),
        DetectorEvent::Changed(Box::new(slots)).into(),
        DetectorEvent::Trained { detector: DetectorRef::Configured, algorithm: "d-1".into(), series: vec![trained] }
            .into(),
        AnomalyEvent::Feedback { id: AnomalyId(ID), labels: labels(), feedback: feedback(), sensitivity: 0.5 }.into(),
        IncidentEvent::Opened(Box::new(incident())).into(),
        IncidentEvent::Updated(Box::new(Incident { merged_into: None, ..incident() })).into(),
        IncidentEvent::Closed(Box::new(Incident { acknowledged: Some(seen()), ..incident() })).into(),
        KpiEvent::Deleted(Deletion {
            scope: DeletionScope::Samples { labels: labels(), from_ms: -1, to_ms: 300 },
            by: "ann".into(),
        })
        .into(),
    ]
}

fn hex(value: &impl Serialize) -> String {
    postcard::to_stdvec(value).unwrap().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_tests_cover_every_type() {
    let types: Vec<_> = one_of_each().iter().map(EventBody::event_type).collect();
    assert_eq!(types, EventType::ALL);
}

#[test]
fn bodies_read_back_equal() {
    for body in one_of_each() {
        // More bytes follow it, as in a log.
        let bytes = postcard::to_stdvec(&(&body, 77_u8)).unwrap();
        assert_eq!(postcard::from_bytes::<(EventBody, u8)>(&bytes).unwrap(), (body, 77));
    }
}

#[test]
fn the_bytes_of_each_body_are_pinned() {
    let bytes: Vec<String> = one_of_each().iter().map(hex).collect();
    assert_eq!(bytes, BODIES);
}

#[test]
fn the_bytes_of_each_subject_are_pinned() {
    use crate::event::{JobId, RunId};
    let subjects = [Subject::Workspace, kpi().into(), IncidentId(ID).into(), RunId(ID).into(), JobId(ID).into()];
    assert_eq!(subjects.each_ref().map(hex), SUBJECTS);
    let event = Event::new(300, -1, kpi(), KpiEvent::Resumed);
    assert_eq!(hex(&event), "ac020101016b08");
    assert_eq!(postcard::from_bytes::<Event>(&postcard::to_stdvec(&event).unwrap()).unwrap(), event);
}

const SUBJECTS: [&str; 5] = [
    "00",
    "01016b",
    "021000112233445566778899aabbccddeeff",
    "031000112233445566778899aabbccddeeff",
    "041000112233445566778899aabbccddeeff",
];

const BODIES: [&str; 18] = [
    concat!(
        "000103613a62010a000000000000e03f010000803e000000000000f03f000000000000000000000000000000400102000000",
        "0000000040010000803f000080bf0000003f0000803e0000004000031e0000",
    ),
    concat!(
        "011000112233445566778899aabbccddeeff016b03613a62090c010e0000403f029c7500883ce4377e000000000000e03f00",
        "000000000000800000000000000c400103ac0203642d31011203616e6e01026f6b0101060362656e0001016d01026d730000",
    ),
    concat!(
        "021000112233445566778899aabbccddeeff016b03613a62090c010e0000403f029c7500883ce4377e000000000000e03f00",
        "000000000000800000000000000c400103ac0203642d31000001016d01026d730000",
    ),
    concat!(
        "031000112233445566778899aabbccddeeff016b03613a62090c010e0000403f029c7500883ce4377e000000000000e03f00",
        "000000000000800000000000000c400103ac0203642d31011203616e6e01026f6b0101060362656e000001026d730000",
    ),
    "041000112233445566778899aabbccddeeff03613a621203616e6e01026f6b",
    "0503613a62d804",
    "0603613a62da04",
    "0704626f6f6d",
    "08",
    "0903613a62dc04",
    concat!(
        "0a0103613a62010a000000000000e03f010000803e000000000000f03f000000000000000000000000000000400102000000",
        "0000000040010000803f000080bf0000003f0000803e00000040040101010000000000001e400100000000000020400900",
    ),
    "0b0001010463616c6d0303642d3100",
    "0c0003642d310103613a620803010203",
    "0d1000112233445566778899aabbccddeeff03613a6201060362656e000000003f",
    concat!(
        "0e1000112233445566778899aabbccddeeff01c801020000011000112233445566778899aabbccddeeff01060000403f0000",
        "c03f00011000112233445566778899aabbccddeeff016b03613a6202000000403f040002010203613a620000010101010205",
        "016b03613a620000",
    ),
    concat!(
        "0f1000112233445566778899aabbccddeeff01c8010200000001060000403f0000c03f00011000112233445566778899aabb",
        "ccddeeff016b03613a6202000000403f040002010203613a620000010101010205016b03613a620000",
    ),
    concat!(
        "101000112233445566778899aabbccddeeff01c801020000011000112233445566778899aabbccddeeff01060000403f0000",
        "c03f00011000112233445566778899aabbccddeeff016b03613a6202000000403f040002010203613a620000010101010205",
        "016b03613a6200011203616e6e01026f6b",
    ),
    "110203613a6201d80403616e6e",
];
