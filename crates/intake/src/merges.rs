//! Two series of a sender that could become one, at every door.

use serde_json::{Value, json};

use crate::protobuf::writing::Message;
use crate::spellings::{AGENTS, send};
use crate::{Batch, ParsedBatch, Rules, SeriesCache, influx, json, naming, otlp};

fn cache() -> SeriesCache {
    SeriesCache::new(Rules::default(), 1_000, 1)
}

/// A gauge with a point for each attribute `k` of one of these values.
fn otlp_json(values: &[Value]) -> Vec<u8> {
    let points = values.iter().zip(1..).map(|(value, at)| {
        let attributes = json!([{"key": "k", "value": value}, {"key": "z", "value": {"stringValue": "z"}}]);
        json!({"timeUnixNano": (at * 1_000_000).to_string(), "asInt": at, "attributes": attributes})
    });
    let metric = json!({"name": "m", "gauge": {"dataPoints": points.collect::<Vec<_>>()}});
    json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}).to_string().into_bytes()
}

fn take(cache: &SeriesCache, values: &[Value]) -> ParsedBatch {
    let mut batch = Batch::new(cache, 0, 100);
    otlp::parse_json(&otlp_json(values), &mut batch).unwrap();
    batch.finish()
}

#[test]
fn attributes_that_are_equal_as_texts_only_are_refused_within_a_request_and_noted_across_requests() {
    for (one, other) in [
        (json!({"intValue": "1"}), json!({"stringValue": "1"})),
        (json!({"stringValue": "1"}), json!({"intValue": 1})),
        (json!({"intValue": 1}), json!({"doubleValue": 1.0})),
        (json!({"boolValue": true}), json!({"stringValue": "true"})),
        (json!({"bytesValue": "Zg=="}), json!({"stringValue": "Zg=="})),
        (json!({"arrayValue": {"values": [{"intValue": 1}]}}), json!({"stringValue": "[1]"})),
    ] {
        let known = cache();
        let both = take(&known, &[one.clone(), other.clone(), one.clone()]);
        assert_eq!(both.batches[0].series[0].rows.len(), 2, "{one} {other}");
        assert_eq!(both.rejected.iter().map(|row| row.row).collect::<Vec<_>>(), [1], "{one} {other}");
        assert!(both.rejected[0].error.contains("the number 1 and the text \"1\""), "{:?}", both.rejected);

        let apart = cache();
        assert_eq!(take(&apart, std::slice::from_ref(&one)).notes, [""; 0]);
        let parsed = take(&apart, std::slice::from_ref(&other));
        assert_eq!((parsed.batches[0].series[0].rows.len(), parsed.rejected.len()), (1, 0), "{one} {other}");
        assert!(parsed.notes[0].starts_with("m{k:"), "{:?}", parsed.notes);
        assert!(parsed.notes[0].contains("has come before as another series"), "{:?}", parsed.notes);
        assert_eq!(take(&apart, std::slice::from_ref(&other)).notes, [""; 0], "once");
    }
}

#[test]
fn attributes_in_protobuf_have_kinds_too() {
    let pair = |value: &[u8]| Message::new().bytes(1, b"k").bytes(2, value).finish();
    let values = [
        Message::new().varint(3, 1).finish(),
        Message::new().bytes(1, b"1").finish(),
        Message::new().varint(2, 1).finish(),
    ];
    let points = values.iter().zip(1..).map(|(value, at): (_, u64)| {
        Message::new().fixed64(3, at * 1_000_000).double(4, 5.0).bytes(7, &pair(value)).finish()
    });
    let gauge = points.fold(Message::new(), |gauge, point| gauge.bytes(1, &point)).finish();
    let metric = Message::new().bytes(1, b"m").bytes(5, &gauge).finish();
    let resource = Message::new().bytes(2, &Message::new().bytes(2, &metric).finish()).finish();
    let known = cache();
    let mut batch = Batch::new(&known, 0, 100);
    otlp::parse_protobuf(&Message::new().bytes(1, &resource).finish(), &mut batch).unwrap();
    let parsed = batch.finish();
    let labels: Vec<_> = parsed.batches[0].series.iter().map(|series| series.labels.to_string()).collect();
    assert_eq!((labels, parsed.rejected.len()), (vec!["k:1".to_owned(), "k:true".to_owned()], 1));
}

#[test]
fn attributes_that_do_not_become_labels_keep_no_series_apart() {
    let rules = crate::rules::RulesDocument::parse(br#"{"rules": [{"name": "m", "drop_labels": ["k"]}]}"#).unwrap();
    let known = SeriesCache::new(rules, 1_000, 1);
    let parsed = take(&known, &[json!({"intValue": 1}), json!({"stringValue": "1"})]);
    assert_eq!((parsed.batches[0].series.len(), parsed.rejected.len()), (1, 0), "{parsed:?}");
}

#[test]
fn names_that_are_joined_alike_in_two_requests_are_noted_once() {
    let known = cache();
    let line = |text: &str| {
        let mut batch = Batch::new(&known, 0, 100);
        influx::parse(text.as_bytes(), influx::Precision::Milliseconds, &mut batch).unwrap();
        batch.finish().notes
    };
    assert_eq!(line("a.b value=1 1"), [""; 0]);
    assert!(line("a b=1 2")[0].starts_with("a.b has come before as another series"));
    assert_eq!((line("a b=1 3"), line("a.b value=1 4")), (vec![], vec![]));
}

#[test]
fn a_sent_name_is_never_one_that_was_made_of_another() {
    for (door, parse) in AGENTS {
        for sent in ["disk%used", "a/b", &"n".repeat(200)] {
            let made = naming::kpi_name(sent).unwrap();
            let parsed = send(&cache(), parse, sent, made.as_str());
            assert_eq!((parsed.batches.len(), parsed.rejected.len()), (2, 0), "{door}: {parsed:?}");
            assert_eq!(parsed.batches[0].kpi, made, "{door}");
        }
    }
    let mut aggregator = crate::statsd::Aggregator::new(10);
    let summary = aggregator.ingest(b"a b:1|g\na_b_3d2a1b4c5d6e7f80:1|g");
    assert_eq!((summary.lines, aggregator.flush(1, 1.0).len()), (2, 2));
}

#[test]
fn a_joined_name_with_a_hash_keeps_it_and_its_text_is_another_name() {
    let known = cache();
    let mut batch = Batch::new(&known, 0, 100);
    let (made, _) = naming::joined(&["a", "b.c"], 1);
    let lines = format!("a b.c=1 1\n{made} value=1 1");
    influx::parse(lines.as_bytes(), influx::Precision::Milliseconds, &mut batch).unwrap();
    let names: Vec<_> = batch.finish().batches.into_iter().map(|batch| batch.kpi.to_string()).collect();
    assert_eq!(names.len(), 2);
    assert_eq!(names[0], made);
}

#[test]
fn a_series_that_is_counter_and_gauge_in_one_request_is_refused_at_its_second_kind() {
    let known = cache();
    let rows = |counters: [bool; 3]| {
        let row = |(at, counter): (usize, bool)| json!({"kpi": "n", "timestamp": at, "value": 1, "counter": counter});
        let body = json!({"samples": counters.into_iter().enumerate().map(row).collect::<Vec<_>>()}).to_string();
        let mut batch = Batch::new(&known, 0, 100);
        json::parse_document(body.as_bytes(), &mut batch).unwrap();
        batch.finish()
    };
    for _ in 0..3 {
        let parsed = rows([true, false, true]);
        assert_eq!(parsed.batches[0].series.len(), 1);
        assert_eq!(parsed.rejected.iter().map(|row| row.row).collect::<Vec<_>>(), [1]);
        let error = &parsed.rejected[0].error;
        assert!(error.contains("are totals of a counter, and this one that they are measurements"), "{error}");
    }
    assert_eq!(rows([false; 3]).rejected, []);

    // The same from OTLP: a sum and a gauge of one name.
    let point = json!([{"timeUnixNano": "1000000", "asInt": 1}]);
    let sum = json!({"name": "x", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": point}});
    let metrics = json!([{"metrics": [sum, {"name": "x", "gauge": {"dataPoints": point}}]}]);
    let body = json!({"resourceMetrics": [{"scopeMetrics": metrics}]}).to_string();
    let mut batch = Batch::new(&known, 0, 100);
    otlp::parse_json(body.as_bytes(), &mut batch).unwrap();
    let parsed = batch.finish();
    assert_eq!((parsed.batches.len(), parsed.rejected.len()), (1, 1), "{parsed:?}");
}
