//! The sentences of all clients, from one file of cases. `tests/it/sentences.rs` checks those of
//! anomalies that the detector finds.

use serde_json::Value;

use super::*;
use crate::live::wire::WireAnomaly;
use earcon_model::{AnomalyId, KpiName, Labels};

fn anomaly() -> Anomaly {
    Anomaly {
        id: AnomalyId(uuid::Uuid::nil()),
        kpi: KpiName::new("checkout.revenue").unwrap(),
        labels: Labels::none(),
        opened_at_ms: 1_767_225_600_000,
        last_at_ms: 1_767_225_660_000,
        closed_at_ms: None,
        peak_score: 0.875,
        peak_at_ms: 1_767_225_630_000,
        peak_value: 12.5,
        peak_expected: 98.0,
        peak_lower: 90.25,
        peak_upper: 105.75,
        direction: Direction::Below,
        reason: Feature::ResidualZ,
        samples: 14,
        detector: "season-reach-1".into(),
        acknowledged: None,
        feedback: None,
        muted: None,
        unit: None,
        end: None,
        learning: false,
    }
}

/// The anomaly of a wire form.
fn parsed(wire: &Value) -> Anomaly {
    let text = |name: &str| wire[name].as_str();
    let time = |name: &str| wire[name].as_i64();
    let number = |name: &str| wire["peak"][name].as_f64().unwrap_or(f64::NAN);
    let labels = wire["labels"].as_object().unwrap().iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap()));
    Anomaly {
        kpi: KpiName::new(text("kpi").unwrap()).unwrap(),
        labels: Labels::from_pairs(labels).unwrap(),
        opened_at_ms: time("opened_at").unwrap(),
        last_at_ms: time("last_at").unwrap(),
        closed_at_ms: time("closed_at"),
        peak_at_ms: wire["peak"]["timestamp"].as_i64().unwrap(),
        peak_value: number("value"),
        peak_expected: number("expected"),
        peak_lower: number("lower"),
        peak_upper: number("upper"),
        direction: serde_json::from_value(wire["direction"].clone()).unwrap(),
        reason: serde_json::from_value(wire["reason"].clone()).unwrap(),
        samples: wire["samples"].as_u64().unwrap() as u32,
        unit: text("unit").map(str::to_owned),
        end: text("end").map(|end| {
            let all = [
                EpisodeEnd::Calm,
                EpisodeEnd::SeriesEnded,
                EpisodeEnd::Stalled,
                EpisodeEnd::Deleted,
                EpisodeEnd::OtherSide,
            ];
            all.into_iter().find(|known| known.as_str() == end).unwrap()
        }),
        ..anomaly()
    }
}

#[test]
fn sentences_are_those_that_clients_write() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../../tests/conformance/sentences.json")).unwrap();
    for case in &cases {
        let wire = &case["anomaly"];
        let anomaly = parsed(wire);
        assert_eq!(sentence(&anomaly), wire["sentence"].as_str().unwrap());
        // All members, as they are sent.
        assert_eq!(&serde_json::to_value(WireAnomaly::from_anomaly(&anomaly)).unwrap(), wire);
    }
}

#[test]
fn a_factor_is_as_exact_as_it_can_be() {
    let text = |value: f64| {
        finding(&Anomaly { peak_value: value, peak_expected: 0.0, peak_lower: -10.0, peak_upper: 10.0, ..anomaly() })
    };
    let cases = [
        (10.6, "1.1"),
        (24.0, "2.4"),
        (20.0, "2"),
        (99.4, "9.9"),
        (99.6, "10"),
        (996.0, "100"),
        (1001.0, "more than 100"),
    ];
    for (value, times) in cases {
        assert!(text(value).ends_with(&format!("), {times} times as far from the expected value as the range allows")));
    }
    assert!(text(10.4).ends_with("(-10 to 10)"), "hardly outside: {}", text(10.4));
    let expected_at_the_edge = Anomaly { peak_expected: 90.25, ..anomaly() };
    assert!(finding(&expected_at_the_edge).ends_with("(90.25–105.8)"));
}

#[test]
fn units_are_those_that_were_stated() {
    let of = |unit: &str| sentence(&Anomaly { unit: Some(unit.to_owned()), ..anomaly() });
    assert!(of("ms").contains("12.5 ms where 98 ms was expected (90.25–105.8 ms),"), "{}", of("ms"));
    assert!(of("By/s").contains("12.5 B/s where 98 B/s"), "{}", of("By/s"));
    assert!(of("{request}/s").contains("12.5 request/s where"), "{}", of("{request}/s"));
    assert!(of("1/s").contains("12.5/s where 98/s"), "{}", of("1/s"));
    assert!(of("1").contains("12.5 where 98 was"), "{}", of("1"));
}
