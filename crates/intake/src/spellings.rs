//! One name in two spellings, at every door: `é` as one character, and as `e` with an accent.

use crate::protobuf::writing::Message;
use crate::statsd::Aggregator;
use crate::{Batch, IntakeError, ParsedBatch, Rules, SeriesCache, collectd, influx, json, otlp, remote_write};

const COMPOSED: &str = "caf\u{e9}";
const IN_PARTS: &str = "cafe\u{301}";

pub(crate) type Door = fn(&str, &str, &mut Batch<'_>) -> Result<(), IntakeError>;

fn influx(one: &str, other: &str, batch: &mut Batch<'_>) -> Result<(), IntakeError> {
    influx::parse(format!("{one} value=1 1\n{other} value=2 2").as_bytes(), influx::Precision::Milliseconds, batch)
}

fn prometheus(one: &str, other: &str, batch: &mut Batch<'_>) -> Result<(), IntakeError> {
    let series = |name: &str, at: u64| {
        let label = Message::new().bytes(1, b"__name__").bytes(2, name.as_bytes()).finish();
        let sample = Message::new().double(1, at as f64).varint(2, at).finish();
        Message::new().bytes(1, &label).bytes(2, &sample).finish()
    };
    let request = Message::new().bytes(1, &series(one, 1)).bytes(1, &series(other, 2)).finish();
    remote_write::parse(remote_write::Version::V1, &request, batch).map(|_| ())
}

fn otlp(one: &str, other: &str, batch: &mut Batch<'_>) -> Result<(), IntakeError> {
    let metric = |name: &str, at: u64| {
        let points = serde_json::json!([{"timeUnixNano": (at * 1_000_000).to_string(), "asInt": at}]);
        serde_json::json!({"name": name, "gauge": {"dataPoints": points}})
    };
    let metrics = serde_json::json!([{"metrics": [metric(one, 1), metric(other, 2)]}]);
    let body = serde_json::json!({"resourceMetrics": [{"scopeMetrics": metrics}]}).to_string();
    otlp::parse_json(body.as_bytes(), batch).map(|_| ())
}

fn collectd(one: &str, other: &str, batch: &mut Batch<'_>) -> Result<(), IntakeError> {
    let list = |plugin: &str, at: u32| {
        serde_json::json!({"values": [at], "dstypes": ["gauge"], "dsnames": ["value"], "time": f64::from(at) / 1e3,
            "interval": 10, "host": "h", "plugin": plugin, "type": plugin})
    };
    collectd::parse(serde_json::json!([list(one, 1), list(other, 2)]).to_string().as_bytes(), batch)
}

pub(crate) const AGENTS: [(&str, Door); 4] =
    [("influx", influx), ("prometheus", prometheus), ("otlp", otlp), ("collectd", collectd)];

pub(crate) fn send(cache: &SeriesCache, door: Door, one: &str, other: &str) -> ParsedBatch {
    let mut batch = Batch::new(cache, 0, 100);
    door(one, other, &mut batch).unwrap();
    batch.finish()
}

#[test]
fn the_second_spelling_of_a_name_in_one_request_is_refused() {
    for (name, door) in AGENTS {
        let cache = SeriesCache::new(Rules::default(), 1_000, 1);
        for (one, other) in [(COMPOSED, IN_PARTS), (IN_PARTS, COMPOSED), (COMPOSED, IN_PARTS)] {
            let parsed = send(&cache, door, one, other);
            assert_eq!((parsed.batches.len(), parsed.rejected.len()), (1, 1), "{name}: {parsed:?}");
            assert_eq!(parsed.batches[0].series[0].rows.len(), 1, "{name}");
            assert!(parsed.rejected[0].error.contains("look alike"), "{name}: {parsed:?}");
        }
        // Alone, each is the same name.
        for spelling in [COMPOSED, IN_PARTS] {
            let parsed = send(&cache, door, spelling, spelling);
            assert_eq!((parsed.batches[0].kpi.as_str(), parsed.rejected.len()), (COMPOSED, 0), "{name}");
        }
    }
}

#[test]
fn the_own_json_takes_composed_names_only() {
    let cache = SeriesCache::new(Rules::default(), 1_000, 1);
    let mut batch = Batch::new(&cache, 0, 100);
    let row = |kpi: &str| serde_json::json!({"kpi": kpi, "value": 1});
    let body = serde_json::json!({"samples": [row(COMPOSED), row(IN_PARTS)]}).to_string();
    json::parse_document(body.as_bytes(), &mut batch).unwrap();
    let parsed = batch.finish();
    assert_eq!((parsed.batches.len(), parsed.rejected.len()), (1, 1));
    assert_eq!(parsed.rejected[0].row, 1);
}

#[test]
fn the_second_spelling_of_a_statsd_name_is_refused() {
    let mut aggregator = Aggregator::new(10);
    let packet = format!("{COMPOSED}:1|c\n{IN_PARTS}:2|c\n{COMPOSED}:3|c");
    let summary = aggregator.ingest(packet.as_bytes());
    assert_eq!((summary.lines, summary.rejected), (2, 1));
    assert!(summary.first_error.unwrap().contains("look alike"));
}
