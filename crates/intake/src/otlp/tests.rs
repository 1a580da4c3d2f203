use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::protobuf::writing::Message;
use crate::{Batch, IntakeError, ParsedBatch, Rules, SeriesCache};
use earcon_model::Reading;

const SECOND: u64 = 1_000_000_000;

fn cache() -> SeriesCache {
    SeriesCache::new(Rules::default(), 1_000, 1)
}

fn parse_batch(
    cache: &SeriesCache,
    parse: impl Fn(&mut Batch<'_>) -> Result<u32, IntakeError>,
) -> Result<ParsedBatch, IntakeError> {
    let mut batch = Batch::new(cache, 42, 10_000);
    parse(&mut batch)?;
    Ok(batch.finish())
}

/// `kpi{labels} reading timestamp value`, in order of name.
fn samples(parsed: &ParsedBatch) -> Vec<String> {
    let mut all = Vec::new();
    for batch in &parsed.batches {
        for series in &batch.series {
            let (kpi, labels) = (batch.kpi.as_str(), series.labels.as_str());
            let reading = if series.reading == Reading::Counter { "counter" } else { "gauge" };
            for (_, sample) in &series.rows {
                all.push(format!("{kpi}{{{labels}}} {reading} {} {}", sample.timestamp_ms, sample.value));
            }
        }
    }
    all.sort();
    all
}

fn text_pair(key: &str, value: &str) -> Vec<u8> {
    let any = Message::new().bytes(1, value.as_bytes()).finish();
    Message::new().bytes(1, key.as_bytes()).bytes(2, &any).finish()
}

/// A request with one metric: number and content of its data field.
fn request(name: &str, field: u32, data: &[u8]) -> Vec<u8> {
    let metric = Message::new().bytes(1, name.as_bytes()).bytes(field, data).finish();
    let resource = Message::new().bytes(1, &text_pair("service.name", "shop")).bytes(1, &text_pair("x", "y")).finish();
    let scope = Message::new().bytes(2, &metric).finish();
    Message::new().bytes(1, &Message::new().bytes(1, &resource).bytes(2, &scope).finish()).finish()
}

fn number(start: u64, time: u64, value: f64) -> Message {
    Message::new().fixed64(2, start).fixed64(3, time).double(4, value).bytes(7, &text_pair("code", "200"))
}

fn protobuf(body: &[u8]) -> ParsedBatch {
    let parsed = parse_batch(&cache(), |batch| parse_protobuf(body, batch)).unwrap();
    assert!(parsed.rejected.is_empty(), "{:?}", parsed.rejected);
    parsed
}

#[test]
fn gauges_and_sums_are_read_by_their_kind() {
    let point = number(SECOND, 3 * SECOND, 10.0).finish();
    let gauge = request("g", 5, &Message::new().bytes(1, &point).finish());
    assert_eq!(samples(&protobuf(&gauge)), ["g{code:200,service.name:shop} gauge 3000 10"]);
    for (temporality, monotonic, expected) in [
        (2, 1, "s{code:200,service.name:shop} counter 3000 10"),
        (2, 0, "s{code:200,service.name:shop} gauge 3000 10"),
        (1, 1, "s{code:200,service.name:shop} gauge 3000 5"),
    ] {
        let data = Message::new().bytes(1, &point).varint(2, temporality).varint(3, monotonic).finish();
        let parsed = protobuf(&request("s", 7, &data));
        assert_eq!(samples(&parsed), [expected]);
        let starts: &[i64] = if expected.contains("counter") { &[1_000] } else { &[] };
        assert_eq!(parsed.batches[0].series[0].starts_ms, starts);
    }
}

#[test]
fn bad_delta_and_damaged_point_do_not_affect_others() {
    let data = Message::new()
        .bytes(1, &number(0, SECOND, 1.0).finish())
        .bytes(1, b"\x09\x01")
        .bytes(1, &number(SECOND, 2 * SECOND, 7.0).finish())
        .varint(2, 1)
        .finish();
    let parsed = parse_batch(&cache(), |batch| parse_protobuf(&request("d", 7, &data), batch)).unwrap();
    assert_eq!(samples(&parsed), ["d{code:200,service.name:shop} gauge 2000 7"]);
    let rows: Vec<u32> = parsed.rejected.iter().map(|rejected| rejected.row).collect();
    assert_eq!(rows, [0, 1], "{:?}", parsed.rejected);
    assert!(parsed.rejected[0].error.contains("\"d\"") && parsed.rejected[0].error.contains("start"));
}

#[test]
fn a_point_without_value_ends_its_series() {
    let point = number(0, 5 * SECOND, 0.0).varint(8, 1).finish();
    let parsed = protobuf(&request("g", 5, &Message::new().bytes(1, &point).finish()));
    assert_eq!(parsed.batches[0].series[0].ended_at_ms, Some(5_000));
    assert!(parsed.batches[0].series[0].rows.is_empty());
}

fn histogram(start: u64, time: u64, counts: &[u64]) -> Vec<u8> {
    let packed: Vec<u8> = counts.iter().flat_map(|count| count.to_le_bytes()).collect();
    let bounds: Vec<u8> = [10.0f64, 20.0].iter().flat_map(|bound| bound.to_le_bytes()).collect();
    let total = counts.iter().sum();
    let point = Message::new().fixed64(2, start).fixed64(3, time).fixed64(4, total).double(5, 100.0);
    point.bytes(6, &packed).bytes(7, &bounds).finish()
}

#[test]
fn a_delta_histogram_becomes_rates_and_quantiles() {
    let data = Message::new().bytes(1, &histogram(SECOND, 3 * SECOND, &[0, 10, 0])).varint(2, 1).finish();
    let expected = [
        "h.count{service.name:shop} gauge 3000 5",
        "h.p50{service.name:shop} gauge 3000 15",
        "h.p95{service.name:shop} gauge 3000 19.5",
        "h.p99{service.name:shop} gauge 3000 19.9",
        "h.sum{service.name:shop} gauge 3000 50",
    ];
    assert_eq!(samples(&protobuf(&request("h", 9, &data))), expected);
}

#[test]
fn cumulative_histogram_gives_quantiles_since_the_previous_point() {
    let cache = cache();
    let send = |time, counts: &[u64]| {
        let data = Message::new().bytes(1, &histogram(SECOND, time, counts)).varint(2, 2).finish();
        samples(&parse_batch(&cache, |batch| parse_protobuf(&request("h", 9, &data), batch)).unwrap())
    };
    let first = send(2 * SECOND, &[1_000, 0, 0]);
    assert_eq!(first, ["h.count{service.name:shop} counter 2000 1000", "h.sum{service.name:shop} counter 2000 100"]);
    let second = send(3 * SECOND, &[1_000, 10, 0]);
    assert!(second.contains(&"h.p50{service.name:shop} gauge 3000 15".to_owned()), "{second:?}");
    assert_eq!(send(3 * SECOND, &[1_000, 10, 0]), second, "sent again");
}

#[test]
fn json_and_protobuf_agree() {
    let pair = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let body = json!({"resourceMetrics": [{
        "resource": {"attributes": [pair("service.name", "shop"), {"key": "n", "value": {"intValue": "5"}}]},
        "scopeMetrics": [{"scope": {"name": "x"}, "metrics": [
            {"name": "g", "unit": "1", "gauge": {"dataPoints": [
                {"timeUnixNano": "3000000000", "asDouble": 1.5, "attributes": [pair("code", "200")]},
                {"timeUnixNano": "3000000000", "asInt": "12"},
                {"timeUnixNano": "soon", "asInt": "12"}]}},
            {"name": "s", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [
                {"startTimeUnixNano": "1000000000", "timeUnixNano": 3_000_000_000u64, "asInt": 7}]}},
            {"name": "h", "histogram": {"aggregationTemporality": 1, "dataPoints": [
                {"startTimeUnixNano": "1000000000", "timeUnixNano": "3000000000", "count": "10", "sum": 100.0,
                 "bucketCounts": ["0", "10", "0"], "explicitBounds": [10, 20]}]}},
            {"name": "e", "exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": [
                {"startTimeUnixNano": "1000000000", "timeUnixNano": "3000000000", "count": 2, "scale": 0, "zeroCount": "0",
                 "positive": {"offset": 1, "bucketCounts": ["2"]}}]}},
            {"name": "q", "summary": {"dataPoints": [{"timeUnixNano": "3000000000", "count": "4", "sum": 8,
                 "quantileValues": [{"quantile": 0.999, "value": 3}]}]}}]}]}]});
    let body = body.to_string();
    let parsed = parse_batch(&cache(), |batch| parse_json(body.as_bytes(), batch)).unwrap();
    let expected = [
        "e.count{service.name:shop} gauge 3000 1",
        "e.p50{service.name:shop} gauge 3000 3",
        "e.p95{service.name:shop} gauge 3000 3.9",
        "e.p99{service.name:shop} gauge 3000 3.98",
        "g{code:200,service.name:shop} gauge 3000 1.5",
        "g{service.name:shop} gauge 3000 12",
        "h.count{service.name:shop} gauge 3000 5",
        "h.p50{service.name:shop} gauge 3000 15",
        "h.p95{service.name:shop} gauge 3000 19.5",
        "h.p99{service.name:shop} gauge 3000 19.9",
        "h.sum{service.name:shop} gauge 3000 50",
        "q.count{service.name:shop} counter 3000 4",
        "q.p99.9{service.name:shop} gauge 3000 3",
        "q.sum{service.name:shop} counter 3000 8",
        "s{service.name:shop} counter 3000 7",
    ];
    assert_eq!(samples(&parsed), expected);
    assert_eq!(parsed.rejected.iter().map(|rejected| rejected.row).collect::<Vec<_>>(), [2]);
}

#[test]
fn units_and_descriptions_are_those_of_the_values_as_stored() {
    let point = json!({"startTimeUnixNano": "1000000000", "timeUnixNano": "3000000000", "asInt": "5"});
    let histogram = json!({"startTimeUnixNano": "1000000000", "timeUnixNano": "3000000000", "count": "10", "sum": 100.0,
        "bucketCounts": ["0", "10", "0"], "explicitBounds": [10, 20]});
    let body = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "g", "unit": "By", "description": "used", "gauge": {"dataPoints": [point]}},
        {"name": "d", "unit": "{request}", "sum": {"aggregationTemporality": 1, "dataPoints": [point]}},
        {"name": "c", "unit": "By", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [point]}},
        {"name": "h", "unit": "ms", "histogram": {"aggregationTemporality": 1, "dataPoints": [histogram]}}]}]}]});
    let body = body.to_string();
    let units = |parsed: ParsedBatch| -> Vec<String> {
        let unit =
            |(kpi, meaning): &(_, earcon_model::Meaning)| format!("{kpi} {}", meaning.unit.as_deref().unwrap_or("-"));
        parsed.meanings.iter().map(unit).collect()
    };
    let parsed = parse_batch(&cache(), |batch| parse_json(body.as_bytes(), batch)).unwrap();
    assert_eq!(parsed.meanings[0].1.description.as_deref(), Some("used"));
    assert_eq!(units(parsed), ["g By", "d {request}/s", "c By/s", "h.sum ms/s", "h.p50 ms", "h.p95 ms", "h.p99 ms"]);
    let data = Message::new().bytes(1, &number(0, SECOND, 1.5).finish()).finish();
    let metric = Message::new().bytes(1, b"g").bytes(2, b"used").bytes(3, b"By").bytes(5, &data).finish();
    let scope = Message::new().bytes(2, &metric).finish();
    let body = Message::new().bytes(1, &Message::new().bytes(2, &scope).finish()).finish();
    assert_eq!(units(protobuf(&body)), ["g By"]);
}

/// The samples of a JSON body, and its rejections as `row problem`.
fn json_read(body: &str) -> (Vec<String>, Vec<String>) {
    let parsed = parse_batch(&cache(), |batch| parse_json(body.as_bytes(), batch)).unwrap();
    (samples(&parsed), parsed.rejected.iter().map(|one| format!("{} {}", one.row, one.error)).collect())
}

fn json_metrics(metrics: &serde_json::Value) -> (Vec<String>, Vec<String>) {
    json_read(&json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}).to_string())
}

#[test]
fn null_is_an_absent_value() {
    let point = json!({"attributes": null, "flags": null, "startTimeUnixNano": null, "timeUnixNano": "3000000000",
        "asInt": "5", "exemplars": null});
    let (read, refused) = json_metrics(&json!([
        {"name": "g", "unit": null, "description": null, "gauge": {"dataPoints": [point]}, "sum": null},
        {"name": "n", "gauge": {"dataPoints": null}},
        {"name": "s", "sum": {"dataPoints": [point], "isMonotonic": null, "aggregationTemporality": 2}}]));
    assert_eq!((read, refused), (vec!["g{} gauge 3000 5".to_owned(), "s{} gauge 3000 5".to_owned()], vec![]));
    for body in [
        r#"{"resourceMetrics": null}"#,
        "\u{feff}{}",
        r#"{"resourceMetrics": [{"resource": null, "scopeMetrics": [{"metrics": null}]}]}"#,
        r#"{"resourceMetrics": [{"resource": {"attributes": null}, "scopeMetrics": null}]}"#,
    ] {
        assert_eq!(json_read(body), (vec![], vec![]), "{body}");
    }
}

#[test]
fn numbers_may_be_texts_and_enumerations_names() {
    let point = json!({"timeUnixNano": 3e9, "startTimeUnixNano": "1000000000", "asDouble": "8", "flags": "0"});
    let delta = json!({"aggregationTemporality": "AGGREGATION_TEMPORALITY_DELTA", "dataPoints": [point]});
    let cumulative = json!({"aggregationTemporality": "2", "isMonotonic": true, "dataPoints": [point]});
    let exponential = json!({"timeUnixNano": "3000000000", "startTimeUnixNano": "1000000000", "count": 2.0, "scale": "0",
        "positive": {"offset": "1", "bucketCounts": ["2"]}, "negative": null});
    let (read, refused) = json_metrics(&json!([
        {"name": "d", "sum": delta},
        {"name": "c", "sum": cumulative},
        {"name": "e", "exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": [exponential]}}]));
    assert_eq!(refused, Vec::<String>::new());
    assert_eq!(read[..3], ["c{} counter 3000 8", "d{} gauge 3000 4", "e.count{} gauge 3000 1"]);
}

#[test]
fn keys_in_snake_case_are_refused_and_named() {
    let refused = parse_batch(&cache(), |batch| parse_json(br#"{"resource_metrics": []}"#, batch)).unwrap_err();
    assert!(refused.to_string().contains("lowerCamelCase keys such as resourceMetrics"), "{refused}");
    let good = json!({"timeUnixNano": "3000000000", "asInt": 1});
    let attribute = json!([{"key": "k", "value": {"string_value": "x"}}]);
    let (read, refused) = json_metrics(&json!([
        {"name": "a", "gauge": {"data_points": [good]}},
        {"name": "b", "gauge": {"dataPoints": [
            good, {"time_unix_nano": "3000000000", "asInt": 1}, {"timeUnixNano": "3000000000", "as_int": 1},
            {"timeUnixNano": "3000000000", "asInt": 1, "attributes": attribute}]}},
        {"name": "c", "exponential_histogram": {}}]));
    assert_eq!(read, ["b{} gauge 3000 1"]);
    assert_eq!(refused.len(), 5, "{refused:#?}");
    assert!(refused.iter().all(|one| one.contains("lowerCamelCase")), "{refused:#?}");
}

#[test]
fn fields_of_former_versions_are_refused_and_named() {
    let metrics = json!([{"metrics": [{"name": "a", "gauge": {"dataPoints": [{"timeUnixNano": "1", "asInt": 1}]}}]}]);
    let body = json!({"resourceMetrics": [{"instrumentationLibraryMetrics": metrics}, {"scopeMetrics": metrics}]});
    let parsed = parse_batch(&cache(), |batch| parse_json(body.to_string().as_bytes(), batch)).unwrap();
    assert_eq!((parsed.batches.len(), parsed.rejected.len()), (1, 1));
    assert!(parsed.rejected[0].error.contains("OTLP before 0.15 (instrumentationLibraryMetrics"), "{parsed:?}");
    let (read, refused) = json_metrics(&json!([{"name": "b", "intSum": {"dataPoints": [{"value": 5}]}}]));
    assert!(read.is_empty() && refused[0].contains("before 0.15"), "{refused:?}");
    let metric = Message::new().bytes(1, b"c").bytes(6, b"").finish();
    let scope = Message::new().bytes(2, &metric).finish();
    let resources = [Message::new().bytes(1_000, b"x").finish(), Message::new().bytes(2, &scope).finish()];
    let request = resources.iter().fold(Message::new(), |all, resource| all.bytes(1, resource)).finish();
    let parsed = parse_batch(&cache(), |batch| parse_protobuf(&request, batch)).unwrap();
    assert_eq!(parsed.rejected.len(), 2, "{:?}", parsed.rejected);
    assert!(parsed.rejected.iter().all(|one| one.error.contains("before 0.15")), "{:?}", parsed.rejected);
}

#[test]
fn bodies_and_metrics_without_data_that_can_be_read_are_refused() {
    let parse = |body: &str| parse_batch(&cache(), |batch| parse_json(body.as_bytes(), batch));
    for body in
        [r#"{"resourceSpans": []}"#, r#"{"resourceLogs": [{}]}"#, r#"{"metrics": []}"#, r#"{"scopeMetrics": []}"#]
    {
        let refused = parse(body).unwrap_err().to_string();
        assert!(refused.contains("metrics are in resourceMetrics[]"), "{refused}");
    }
    let ignored = r#"{"unknown": 1, "resourceMetrics": []}"#;
    assert!(parse("{}").unwrap().rejected.is_empty() && parse(ignored).unwrap().rejected.is_empty());
    let resource = parse(r#"{"resourceMetrics": [{"metrics": []}]}"#).unwrap().rejected;
    assert!(resource[0].error.contains("metrics are in"), "{resource:?}");
    let point = json!({"timeUnixNano": "1", "asInt": 1});
    let both = json!({"timeUnixNano": "1", "asInt": 1, "asDouble": 1});
    let (read, refused) = json_metrics(&json!([
        {"name": "a"}, {"name": "b", "gauges": {"dataPoints": [point]}},
        {"name": "c", "gauge": {"dataPoints": [point]}, "sum": {"dataPoints": [point]}},
        {"name": "d", "gauge": {"dataPoints": [both]}}, {"name": "e", "gauge": {}}]));
    assert!(read.is_empty() && refused.len() == 4, "{refused:#?}");
    assert!(refused[..2].iter().all(|one| one.contains("no data of a kind that is known")), "{refused:#?}");
    assert!(refused[2].contains("two kinds") && refused[3].contains("two values"), "{refused:#?}");
    let metric = Message::new().bytes(1, b"c").finish();
    let scope = Message::new().bytes(2, &metric).finish();
    let request = Message::new().bytes(1, &Message::new().bytes(2, &scope).finish()).finish();
    let parsed = parse_batch(&cache(), |batch| parse_protobuf(&request, batch)).unwrap();
    assert!(parsed.rejected[0].error.contains("no data of a kind"), "{:?}", parsed.rejected);
}

#[test]
fn numbers_without_a_finite_value_are_ignored() {
    let points = ["NaN", "Infinity", "-Infinity", "8"].map(|text| json!({"timeUnixNano": 3e9, "asDouble": text}));
    let body = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "g", "gauge": {"dataPoints": points}}]}]}]})
    .to_string();
    let parsed = parse_batch(&cache(), |batch| parse_json(body.as_bytes(), batch)).unwrap();
    assert_eq!((samples(&parsed), parsed.ignored, parsed.rejected), (vec!["g{} gauge 3000 8".to_owned()], 3, vec![]));
}

#[test]
fn times_with_an_exponent_are_exact() {
    let body = r#"{"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "g", "gauge": {"dataPoints": [
        {"timeUnixNano": 1.79604073427e+18, "asInt": 1}]}}]}]}]}"#;
    assert_eq!(json_read(body), (vec!["g{} gauge 1796040734270 1".to_owned()], vec![]));
}

#[test]
fn metric_with_the_name_of_a_sum_is_refused_after_it() {
    let summary = json!({"timeUnixNano": "3000000000", "count": "4", "sum": 8});
    let total = json!({"timeUnixNano": "3000000000", "asInt": "9"});
    let (read, refused) = json_metrics(&json!([
        {"name": "x", "summary": {"dataPoints": [summary]}},
        {"name": "x.count", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [total]}}]));
    assert_eq!(read, ["x.count{} counter 3000 4", "x.sum{} counter 3000 8"]);
    assert!(refused.len() == 1 && refused[0].starts_with("1 x.count is already the name"), "{refused:?}");
}

#[test]
fn odd_element_costs_itself() {
    let good = json!({"timeUnixNano": "3000000000", "asInt": 1});
    let (read, refused) = json_metrics(&json!([
        {"name": "good", "gauge": {"dataPoints": [good, [1], {"timeUnixNano": 1.5, "asInt": 1}, "x"]}},
        {"gauge": {"dataPoints": [good]}},
        {"name": 5, "gauge": {"dataPoints": [good]}},
        [], 7,
        {"name": "keyless", "gauge": {"dataPoints": [
            {"timeUnixNano": "3000000000", "asInt": 1, "attributes": [{"value": {"stringValue": "x"}}]}]}},
        {"name": "twice", "gauge": {"dataPoints": [
            {"timeUnixNano": "3000000000", "asInt": 1, "attributes": [
                {"key": "k", "value": {"stringValue": "x"}}, {"key": "k", "value": {"stringValue": "x"}}]}]}},
        {"name": "last", "gauge": {"dataPoints": [good]}}]));
    assert_eq!(read, ["good{} gauge 3000 1", "last{} gauge 3000 1", "twice{k:x} gauge 3000 1"]);
    let rows: Vec<&str> = refused.iter().filter_map(|one| one.split(' ').next()).collect();
    assert_eq!(rows, ["1", "2", "3", "4", "5", "6", "7", "8"], "{refused:#?}");
    for body in ["[]", "null", "5", "", "{"] {
        assert!(parse_batch(&cache(), |batch| parse_json(body.as_bytes(), batch)).is_err(), "{body}");
    }
}

#[test]
fn names_that_differ_in_illegal_characters_stay_apart() {
    let point = |value: i64| {
        json!({"dataPoints": [{"timeUnixNano": "3000000000", "asInt": value,
        "attributes": [{"key": "a b", "value": {"stringValue": "x"}}, {"key": "a_b", "value": {"stringValue": "x"}}]}]})
    };
    let (read, refused) = json_metrics(&json!([
        {"name": "b.ä", "gauge": point(1)}, {"name": "b.ö", "gauge": point(2)}, {"name": "b/c", "gauge": point(3)},
        {"name": "b%c", "gauge": point(4)}]));
    assert_eq!((read.len(), refused.len()), (4, 0), "{read:?} {refused:?}");
    assert!(read.contains(&"b.ä{a_b:x,a_b_".to_owned()) || read.iter().any(|one| one.starts_with("b.ä{a_b")));
}

#[test]
fn lists_maps_and_bytes_are_labels_alike_in_both_encodings() {
    let any = |number, content: &[u8]| Message::new().bytes(number, content).finish();
    let list = |texts: &[&str]| {
        let texts = texts.iter().map(|text| any(1, text.as_bytes()));
        any(5, &texts.fold(Message::new(), |message, one| message.bytes(1, &one)).finish())
    };
    let map = any(6, &Message::new().bytes(1, &text_pair("b", "x")).bytes(1, &text_pair("a", "y")).finish());
    let point = |value: f64, any: &[u8]| {
        let pair = Message::new().bytes(1, b"k").bytes(2, any).finish();
        Message::new().fixed64(3, 3 * SECOND).double(4, value).bytes(7, &pair).finish()
    };
    let values = [list(&["a"]), list(&["a", "b"]), map, any(7, b"\xfb\xff"), any(5, b""), any(6, b"")];
    let data =
        values.iter().zip(1..).fold(Message::new(), |data, (any, value)| data.bytes(1, &point(value.into(), any)));
    let metric = Message::new().bytes(1, b"g").bytes(5, &data.finish()).finish();
    let scope = Message::new().bytes(2, &metric).finish();
    let from_protobuf = samples(&protobuf(&any(1, &Message::new().bytes(2, &scope).finish())));
    let values = [
        json!({"arrayValue": {"values": [{"stringValue": "a"}]}}),
        json!({"arrayValue": {"values": [{"stringValue": "a"}, {"stringValue": "b"}]}}),
        json!({"kvlistValue": {"values": [
            {"key": "a", "value": {"stringValue": "y"}}, {"key": "b", "value": {"stringValue": "x"}}]}}),
        json!({"bytesValue": "-_8"}),
        json!({"arrayValue": {"values": null}}),
        json!({"kvlistValue": {}}),
    ];
    let point = |(value, number): (&serde_json::Value, i32)| json!({"timeUnixNano": "3000000000", "asInt": number, "attributes": [{"key": "k", "value": value}]});
    let points: Vec<_> = values.iter().zip(1..).map(point).collect();
    let (read, refused) = json_metrics(&json!([{"name": "g", "gauge": {"dataPoints": points}}]));
    assert_eq!(refused, Vec::<String>::new());
    let value = |text: &str| crate::naming::label_value(text).into_owned();
    let mut expected: Vec<String> = [r#"["a"]"#, r#"["a","b"]"#, r#"{"a":"y","b":"x"}"#, "+/8=", "[]", "{}"]
        .iter()
        .zip(1..)
        .map(|(text, number)| format!("g{{k:{}}} gauge 3000 {number}", value(text)))
        .collect();
    expected.sort();
    assert_eq!(read, expected);
    assert_eq!(from_protobuf, expected);
}

#[test]
fn a_long_list_ends_in_a_hash_and_a_deep_one_is_refused() {
    let list = |last: &str| {
        let mut values = vec![json!({"stringValue": "word"}); 100];
        values.push(json!({"stringValue": last}));
        json!({"arrayValue": {"values": values}})
    };
    let points = ["x", "y"].map(
        |last| json!({"timeUnixNano": "3000000000", "asInt": 1, "attributes": [{"key": "k", "value": list(last)}]}),
    );
    let (read, refused) = json_metrics(&json!([{"name": "g", "gauge": {"dataPoints": points}}]));
    assert_eq!((read.len(), refused.len()), (2, 0), "{refused:?}");
    assert_ne!(read[0], read[1]);
    let deep = (0..10_000)
        .fold(Vec::new(), |inner, _| Message::new().bytes(5, &Message::new().bytes(1, &inner).finish()).finish());
    let pair = Message::new().bytes(1, b"k").bytes(2, &deep).finish();
    let point = Message::new().fixed64(3, SECOND).double(4, 1.0).bytes(7, &pair).finish();
    let body = request("g", 5, &Message::new().bytes(1, &point).finish());
    let parsed = parse_batch(&cache(), |batch| parse_protobuf(&body, batch)).unwrap();
    assert_eq!((parsed.batches.len(), parsed.rejected.len()), (0, 1));
}

#[test]
fn text_that_is_not_utf8_costs_its_resource_or_metric() {
    let point = number(SECOND, 3 * SECOND, 10.0).finish();
    let gauge = Message::new().bytes(1, &point).finish();
    let metric = |name: &[u8]| Message::new().bytes(1, name).bytes(5, &gauge).finish();
    let scope = Message::new().bytes(2, &metric(b"caf\xe9")).bytes(2, &metric(b"good")).finish();
    let resource = |value: &[u8]| {
        let any = Message::new().bytes(1, value).finish();
        let pair = Message::new().bytes(1, b"host.name").bytes(2, &any).finish();
        Message::new().bytes(1, &Message::new().bytes(1, &pair).finish()).bytes(2, &scope).finish()
    };
    let body = Message::new().bytes(1, &resource(b"caf\xe9")).bytes(1, &resource(b"ok")).finish();
    let parsed = parse_batch(&cache(), |batch| parse_protobuf(&body, batch)).unwrap();
    assert_eq!(samples(&parsed).len(), 1, "{:?}", samples(&parsed));
    let reasons: Vec<&str> = parsed.rejected.iter().map(|one| one.error.as_str()).collect();
    assert!(reasons.len() == 2 && reasons.iter().all(|reason| reason.contains("UTF-8")), "{reasons:?}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let cache = cache();
        let _refused = parse_batch(&cache, |batch| parse_protobuf(&body, batch)).is_err();
        let _refused = parse_batch(&cache, |batch| parse_json(&body, batch)).is_err();
    }

    #[test]
    fn damaged_requests_never_panic(at in 0usize..400, byte: u8) {
        let data = Message::new().bytes(1, &histogram(SECOND, 2 * SECOND, &[1, 2, 3])).varint(2, 2).finish();
        let mut body = request("h", 9, &data);
        let at = at % body.len();
        body[at] = byte;
        let cache = cache();
        let _refused = parse_batch(&cache, |batch| parse_protobuf(&body, batch)).is_err();
    }

    #[test]
    fn sent_values_arrive(values in proptest::collection::vec((1u64..1_000_000, -1e9f64..1e9), 1..30)) {
        let points = values.iter().fold(Message::new(), |message, (ms, value)| {
            message.bytes(1, &number(0, ms * 1_000_000, *value).finish())
        });
        let parsed = protobuf(&request("g", 5, &points.finish()));
        let rows = &parsed.batches[0].series[0].rows;
        let arrived: Vec<_> = rows.iter().map(|(_, sample)| (sample.timestamp_ms as u64, sample.value)).collect();
        prop_assert_eq!(arrived, values);
    }
}

#[test]
fn a_fraction_as_integer_and_counts_that_contradict_the_buckets_are_refused_alone() {
    let times = json!({"startTimeUnixNano": "1000000000", "timeUnixNano": "3000000000"});
    let point = |more: serde_json::Value| {
        let mut point = times.clone();
        more.as_object().unwrap().iter().for_each(|(key, value)| point[key] = value.clone());
        point
    };
    let explicit =
        |count: u64| point(json!({"count": count, "sum": 1.0, "bucketCounts": [0, 10, 0], "explicitBounds": [10, 20]}));
    let exponential =
        |count: u64| point(json!({"count": count, "scale": 0, "zeroCount": 1, "positive": {"bucketCounts": [2]}}));
    let body = json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "g", "gauge": {"dataPoints": [point(json!({"asInt": 3.5})), point(json!({"asInt": 3.0})), point(json!({"asDouble": 3.5}))]}},
        {"name": "h", "histogram": {"aggregationTemporality": 1, "dataPoints": [explicit(10), explicit(11)]}},
        {"name": "e", "exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": [exponential(3), exponential(2)]}},
        {"name": "s", "histogram": {"aggregationTemporality": 1, "dataPoints": [point(json!({"count": 5, "sum": 9.0}))]}}]}]}]})
    .to_string();
    let parsed = parse_batch(&cache(), |batch| parse_json(body.as_bytes(), batch)).unwrap();
    let refused: Vec<_> = parsed.rejected.iter().map(|one| (one.row, one.error.as_str())).collect();
    assert_eq!(
        refused,
        [
            (0, "metric \"g\": asInt: 3.5 is not a signed 64-bit integer"),
            (4, "metric \"h\": the count is 11, but the buckets hold 10"),
            (6, "metric \"e\": the count is 2, but the buckets hold 3"),
        ]
    );
    assert!(samples(&parsed).iter().any(|one| one.starts_with("s.count")), "count and sum may come alone");
}

#[test]
fn bodies_of_other_signals_are_refused_as_what_they_are() {
    let export = |record: Message| {
        let scope = Message::new().bytes(2, &record.finish()).finish();
        let resource = Message::new().bytes(1, b"").bytes(2, &scope).finish();
        Message::new().bytes(1, &resource).finish()
    };
    let refused = |body: &[u8]| {
        let error = parse_batch(&cache(), |batch| parse_protobuf(body, batch)).err();
        error.unwrap_or_else(|| panic!("{body:?} is taken")).to_string()
    };
    let span = Message::new().bytes(1, &[0xff; 16]).bytes(2, &[1; 8]).bytes(5, b"GET /").fixed64(7, 1).fixed64(8, 2);
    // A trace id may be UTF-8, and look like the name of a metric.
    let named = Message::new().bytes(1, b"0123456789abcdef").bytes(5, b"").fixed64(7, SECOND).fixed64(8, SECOND);
    for span in [span, named] {
        assert!(refused(&export(span)).contains("export of traces"));
    }
    let body = Message::new().bytes(1, b"hello").finish();
    let record = || Message::new().varint(2, 9).bytes(5, &body);
    assert!(refused(&export(record().fixed64(1, SECOND))).contains("export of logs"));
    assert!(refused(&export(record().fixed64(11, SECOND))).contains("export of logs"));
    assert!(refused(&Message::new().bytes(4, b"").bytes(5, b"x").finish()).contains("no resource_metrics"));
    assert!(parse_batch(&cache(), |batch| parse_protobuf(b"", batch)).is_ok(), "an empty request holds nothing");

    let json = |body: &str| parse_batch(&cache(), |batch| parse_json(body.as_bytes(), batch));
    for empty in ["{}", " { }\n", r#"{"resourceMetrics": []}"#, r#"{"resourceMetrics": null, "x": 1}"#] {
        assert!(json(empty).is_ok(), "{empty}");
    }
    assert!(json(r#"{"metrics_of": []}"#).unwrap_err().to_string().contains("has no resourceMetrics"));
}

#[test]
fn what_would_be_left_out_in_silence_is_refused_and_named() {
    let with = |attributes: serde_json::Value| {
        let point = json!({"timeUnixNano": "1", "asInt": 1, "attributes": attributes});
        json_metrics(&json!([{"name": "m", "gauge": {"dataPoints": [point]}}])).1
    };
    let attribute = |value: serde_json::Value| with(json!([{"key": "k", "value": value}]));
    for (value, part) in [
        (json!({"uintValue": 1}), "not \"uintValue\""),
        (json!({"string_value": "x"}), "snake_case"),
        (json!({"stringValue": "x", "intValue": 1}), "two values"),
        (json!({"arrayValue": {"values": [{"floatValue": 1}]}}), "not \"floatValue\""),
    ] {
        let refused = attribute(value);
        assert!(refused.len() == 1 && refused[0].contains(part), "{refused:?}");
    }
    for empty in [json!({}), json!(null), json!({"stringValue": null}), json!({"stringValue": null, "intValue": 1})] {
        assert_eq!(attribute(empty), [""; 0]);
    }

    let parse = |body: serde_json::Value| {
        parse_batch(&cache(), |batch| parse_json(body.to_string().as_bytes(), batch)).unwrap().rejected
    };
    let metric = json!({"name": "m", "gauge": {"DataPoints": []}});
    for (body, part) in [
        (json!({"resourceMetrics": [{"ScopeMetrics": []}]}), "it has no scopeMetrics, but \"ScopeMetrics\""),
        (json!({"resourceMetrics": [{"scopeMetrics": [{"Metrics": []}]}]}), "it has no metrics, but \"Metrics\""),
        (
            json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}),
            "it has no dataPoints, but \"DataPoints\"",
        ),
    ] {
        let refused = parse(body);
        assert!(refused.len() == 1 && refused[0].error.contains(part), "{refused:?}");
    }
    let empty = json!([{"resource": {}, "schemaUrl": ""}, {"scopeMetrics": [{"scope": {}}]}, {"scopeMetrics": null}]);
    assert_eq!(parse(json!({"resourceMetrics": empty})), []);

    let quantiles = json!([{"quantile": 1.5, "value": 1}]);
    let point = json!({"timeUnixNano": "1", "count": "1", "sum": 1, "quantileValues": quantiles});
    let refused = json_metrics(&json!([{"name": "s", "summary": {"dataPoints": [point]}}])).1;
    assert!(refused[0].contains("quantile 1.5"), "{refused:?}");
}
