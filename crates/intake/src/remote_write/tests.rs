use proptest::prelude::*;

use super::points::STALE;
use super::*;
use crate::protobuf::writing::Message;
use crate::{ParsedBatch, Rules, SeriesCache};
use earcon_model::Reading;

fn label(key: &str, value: &str) -> Vec<u8> {
    Message::new().bytes(1, key.as_bytes()).bytes(2, value.as_bytes()).finish()
}

fn sample(timestamp: i64, value: f64) -> Vec<u8> {
    Message::new().double(1, value).varint(2, timestamp as u64).finish()
}

fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Vec<u8> {
    let message = labels.iter().fold(Message::new(), |message, (key, value)| message.bytes(1, &label(key, value)));
    samples.iter().fold(message, |message, (at, value)| message.bytes(2, &sample(*at, *value))).finish()
}

fn request(all: &[Vec<u8>]) -> Vec<u8> {
    all.iter().fold(Message::new(), |message, series| message.bytes(1, series)).finish()
}

fn parse_batch(body: &[u8]) -> Result<ParsedBatch, IntakeError> {
    let cache = SeriesCache::new(Rules::default(), 1_000, 1);
    let mut batch = Batch::new(&cache, 0, 10_000);
    parse(Version::V1, body, &mut batch)?;
    Ok(batch.finish())
}

fn one(body: &[u8]) -> (String, earcon_model::SeriesBatch) {
    let parsed = parse_batch(body).unwrap();
    assert!(parsed.rejected.is_empty(), "{:?}", parsed.rejected);
    (parsed.batches[0].kpi.to_string(), parsed.batches[0].series[0].clone())
}

#[test]
fn series_become_kpis_by_name_and_counters_by_suffix() {
    let labels = [("__name__", "http_requests_total"), ("code", "200"), ("instance", "a:80")];
    let (kpi, series) = one(&request(&[series(&labels, &[(1_000, 5.0), (-1, 6.5)])]));
    assert_eq!((kpi.as_str(), series.labels.as_str()), ("http_requests_total", "code:200,instance:a:80"));
    assert_eq!(series.reading, Reading::Counter);
    let samples: Vec<_> = series.rows.iter().map(|(_, sample)| (sample.timestamp_ms, sample.value)).collect();
    assert_eq!(samples, [(1_000, 5.0), (-1, 6.5)]);
}

#[test]
fn a_staleness_marker_ends_its_series_and_other_nans_are_dropped() {
    let stale = f64::from_bits(STALE);
    let labels = [("__name__", "up")];
    let (_, ended) = one(&request(&[series(&labels, &[(1, 1.0), (2, f64::NAN), (3, f64::INFINITY), (4, stale)])]));
    assert_eq!((ended.rows.len(), ended.ended_at_ms), (1, Some(4)));
    let (_, alone) = one(&request(&[series(&labels, &[(9, stale)])]));
    assert_eq!((alone.rows.len(), alone.ended_at_ms), (0, Some(9)));
    let (_, back) = one(&request(&[series(&labels, &[(4, stale), (5, 1.0)])]));
    assert_eq!((back.rows.len(), back.ended_at_ms), (1, None));
}

#[test]
fn damaged_series_does_not_affect_others() {
    let good = series(&[("__name__", "a")], &[(1, 1.0)]);
    let nameless = series(&[("x", "y")], &[(1, 1.0)]);
    let not_text =
        Message::new().bytes(1, &Message::new().bytes(1, b"\xff").finish()).bytes(2, &sample(1, 1.0)).finish();
    let parsed = parse_batch(&request(&[good.clone(), vec![0x0a, 9], nameless, not_text, good])).unwrap();
    let rows: Vec<u32> = parsed.rejected.iter().map(|rejected| rejected.row).collect();
    assert_eq!(rows, [1, 2, 3], "{:?}", parsed.rejected);
    assert_eq!(parsed.batches[0].series[0].rows.len(), 2);
    assert!(matches!(parse_batch(b"\x0a\xff"), Err(IntakeError::Malformed(_))));
}

#[test]
fn labels_without_or_with_a_second_name_are_refused() {
    for labels in [
        &[("__name__", "a"), ("__name__", "b")][..],
        &[("__name__", "a"), ("", "x")],
        &[("__name__", "a"), ("k", "x"), ("k", "y")],
        &[("k", "x")],
    ] {
        let parsed = parse_batch(&request(&[series(labels, &[(1, 1.0)])])).unwrap();
        assert_eq!((parsed.batches.len(), parsed.rejected.len()), (0, 1), "{labels:?}");
    }
}

#[test]
fn labels_between_samples_are_labels_too() {
    let scattered =
        Message::new().bytes(1, &label("__name__", "a")).bytes(2, &sample(1, 1.0)).bytes(1, &label("x", "y")).finish();
    let (kpi, found) = one(&request(&[scattered, series(&[("__name__", "a"), ("x", "y")], &[(2, 2.0)])]));
    assert_eq!((kpi.as_str(), found.labels.as_str(), found.rows.len()), ("a", "x:y", 2));
}

#[test]
fn body_of_the_other_version_is_refused_with_its_content_type() {
    let parsed = |version, body: &[u8]| {
        let cache = SeriesCache::new(Rules::default(), 1_000, 1);
        parse(version, body, &mut Batch::new(&cache, 0, 10_000)).map(|_| ())
    };
    let refused = |version, body: &[u8]| parsed(version, body).unwrap_err().to_string();
    let first = request(&[series(&[("__name__", "a")], &[(1, 1.0)])]);
    let symbols = ["", "__name__", "a"].iter().fold(Message::new(), |message, text| message.bytes(4, text.as_bytes()));
    let timed = Message::new().bytes(1, &[1, 2]).bytes(2, &sample(1, 1.0)).finish();
    let second = symbols.bytes(5, &timed).finish();
    assert!(refused(Version::V1, &second).contains("proto=io.prometheus.write.v2.Request"));
    assert!(refused(Version::V2, &first).contains("proto=prometheus.WriteRequest"));
    let with_later_field = [first.clone(), Message::new().varint(9, 1).finish()].concat();
    for (version, body) in [
        (Version::V1, &first[..]),
        (Version::V2, &second),
        (Version::V1, b""),
        (Version::V2, b""),
        (Version::V1, &with_later_field),
    ] {
        assert_eq!(parsed(version, body), Ok(()));
    }
}

#[test]
fn oversized_content_is_refused_before_decompression() {
    let bomb = snap::raw::Encoder::new().compress_vec(&vec![0; 1_000_000]).unwrap();
    assert!(bomb.len() < 100_000);
    assert_eq!(decompress(&bomb, 999_999), Err(DecompressError::TooLarge { length: 1_000_000, max_bytes: 999_999 }));
    assert_eq!(decompress(&bomb, 1_000_000).unwrap().len(), 1_000_000);
    assert!(matches!(decompress(b"\xff\xff", 10), Err(DecompressError::Damaged(_))));
}

/// The names of a batch's KPIs, with how their first series is read and its newest value.
fn readings(parsed: &ParsedBatch) -> Vec<(String, Reading, Option<f64>)> {
    let read = |batch: &earcon_model::KpiBatch| {
        let series = &batch.series[0];
        (batch.kpi.to_string(), series.reading, series.rows.last().map(|(_, sample)| sample.value))
    };
    let mut all: Vec<_> = parsed.batches.iter().map(read).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn types_of_families_decide_before_suffixes() {
    let cache = SeriesCache::new(Rules::default(), 1_000, 1);
    let body = request(&[
        series(&[("__name__", "active_count")], &[(1, 3.0)]),
        series(&[("__name__", "jobs_done")], &[(1, 4.0)]),
    ]);
    let parsed = |body: &[u8]| {
        let mut batch = Batch::new(&cache, 0, 100);
        parse(Version::V1, body, &mut batch).unwrap();
        readings(&batch.finish()).into_iter().map(|(_, reading, _)| reading).collect::<Vec<_>>()
    };
    assert_eq!(parsed(&body), [Reading::Counter, Reading::Gauge]);
    let family = |kind, name: &[u8]| Message::new().varint(1, kind).bytes(2, name).bytes(4, b"help").finish();
    let types = Message::new().bytes(3, &family(2, b"active_count")).bytes(3, &family(1, b"jobs_done")).finish();
    assert_eq!(parsed(&types), []);
    assert_eq!(parsed(&body), [Reading::Gauge, Reading::Counter]);
}

#[test]
fn a_rule_of_the_workspace_beats_the_type() {
    let rules = crate::rules::RulesDocument::parse(br#"{"rules": [{"name": "jobs", "reading": "counter"}]}"#).unwrap();
    let cache = SeriesCache::new(rules, 1_000, 1);
    let mut batch = Batch::new(&cache, 0, 100);
    let body = second(&["", "__name__", "jobs"], &[timed(&[1, 2], 2, &[(1, 3.0)])]);
    parse(Version::V2, &body, &mut batch).unwrap();
    assert_eq!(readings(&batch.finish())[0].1, Reading::Counter);
}

/// A request of version 2.
fn second(symbols: &[&str], all: &[Vec<u8>]) -> Vec<u8> {
    let message = symbols.iter().fold(Message::new(), |message, symbol| message.bytes(4, symbol.as_bytes()));
    all.iter().fold(message, |message, series| message.bytes(5, series)).finish()
}

/// A series of version 2 with the type `kind`.
fn timed(labels: &[u8], kind: u64, samples: &[(i64, f64)]) -> Vec<u8> {
    let message = samples
        .iter()
        .fold(Message::new().bytes(1, labels), |message, (at, value)| message.bytes(2, &sample(*at, *value)));
    message.bytes(5, &Message::new().varint(1, kind).varint(3, 0).finish()).finish()
}

fn parse_second(body: &[u8]) -> Result<(ParsedBatch, (usize, usize)), IntakeError> {
    let cache = SeriesCache::new(Rules::default(), 1_000, 1);
    let mut batch = Batch::new(&cache, 0, 10_000);
    let sent = parse(Version::V2, body, &mut batch)?;
    let parsed = batch.finish();
    let taken = sent.taken(&parsed.rejected);
    Ok((parsed, taken))
}

#[test]
fn version_2_takes_texts_from_the_symbols_and_the_type_from_the_series() {
    let symbols = ["", "__name__", "http_requests_total", "code", "200", "active_count"];
    let unpacked = Message::new().varint(1, 1).varint(1, 5).bytes(2, &sample(7, 6.0));
    let unpacked = unpacked.bytes(5, &Message::new().varint(1, 2).finish()).finish();
    let body = second(&symbols, &[timed(&[1, 2, 3, 4], 1, &[(5, 1.0), (6, 2.0)]), unpacked]);
    let (parsed, taken) = parse_second(&body).unwrap();
    assert_eq!(
        readings(&parsed),
        [
            ("active_count".to_owned(), Reading::Gauge, Some(6.0)),
            ("http_requests_total".to_owned(), Reading::Counter, Some(2.0))
        ]
    );
    assert_eq!(parsed.batches[0].series[0].labels.as_str(), "code:200");
    assert_eq!(taken, (3, 0));
}

/// The meanings of KPIs, as `kpi unit description`.
fn stated(parsed: &ParsedBatch) -> Vec<String> {
    let words = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let all = parsed.meanings.iter();
    all.map(|(kpi, meaning)| format!("{kpi} {} {}", words(&meaning.unit), words(&meaning.description))).collect()
}

#[test]
fn metadata_of_both_versions_states_units_and_help() {
    let cache = SeriesCache::new(Rules::default(), 1_000, 1);
    let read = |version: Version, body: &[u8]| {
        let mut batch = Batch::new(&cache, 0, 10_000);
        parse(version, body, &mut batch).unwrap();
        stated(&batch.finish())
    };
    let samples = request(&["io_sum", "io_count"].map(|name| series(&[("__name__", name)], &[(1, 1.0)])));
    assert_eq!(read(Version::V1, &samples), Vec::<String>::new(), "nothing is known yet");
    let family = Message::new().varint(1, 5).bytes(2, b"io").bytes(4, b"Time of reads").bytes(5, b"seconds").finish();
    assert_eq!(read(Version::V1, &Message::new().bytes(3, &family).finish()), Vec::<String>::new());
    assert_eq!(read(Version::V1, &samples), ["io_sum seconds/s Time of reads", "io_count - Time of reads"]);
    assert_eq!(read(Version::V1, &samples), Vec::<String>::new(), "known series state nothing again");
    let metadata = Message::new().varint(1, 2).varint(3, 3).varint(4, 4).finish();
    let gauge =
        |metadata: &[u8]| Message::new().bytes(1, &[1, 2]).bytes(2, &sample(7, 6.0)).bytes(5, metadata).finish();
    let symbols = ["", "__name__", "heat", "How warm", "celsius"];
    assert_eq!(read(Version::V2, &second(&symbols, &[gauge(&metadata)])), ["heat celsius How warm"]);
    // Symbols that are not there cost the words and not the sample.
    let missing = Message::new().varint(1, 1).varint(3, 90).varint(4, 91).finish();
    let (parsed, _) = parse_second(&second(&symbols, &[gauge(&missing)])).unwrap();
    assert_eq!((parsed.rejected.len(), parsed.meanings.len()), (0, 0));
}

#[test]
fn version_2_states_when_counting_began() {
    let point =
        |at: i64, start: i64| Message::new().double(1, 5.0).varint(2, at as u64).varint(3, start as u64).finish();
    let series = Message::new().bytes(1, &[1, 2]).bytes(2, &point(5, 1)).bytes(2, &point(6, 1)).bytes(2, &point(9, 8));
    let body = second(&["", "__name__", "a_total"], &[series.finish()]);
    let (parsed, _) = parse_second(&body).unwrap();
    assert_eq!(parsed.batches[0].series[0].starts_ms, [1, 8]);
    // Released versions of the standard state it once, behind the samples.
    let series = Message::new().bytes(1, &[1, 2]).bytes(2, &sample(5, 2.0)).bytes(2, &point(9, 8)).varint(6, 3);
    let (parsed, _) = parse_second(&second(&["", "__name__", "a_total"], &[series.finish()])).unwrap();
    assert_eq!(parsed.batches[0].series[0].starts_ms, [3, 8]);
}

#[test]
fn version_2_states_when_a_native_histogram_began() {
    let histogram = |own: u64| {
        let message = Message::new().varint(1, 0).double(3, 0.0).varint(15, 9);
        if own > 0 { message.varint(17, own).finish() } else { message.finish() }
    };
    let series = Message::new().bytes(1, &[1, 2]).bytes(3, &histogram(0)).bytes(3, &histogram(7)).varint(6, 3);
    let (parsed, _) = parse_second(&second(&["", "__name__", "h"], &[series.finish()])).unwrap();
    assert!(parsed.rejected.is_empty(), "{:?}", parsed.rejected);
    let starts = |kpi: &str| {
        let batch = parsed.batches.iter().find(|batch| batch.kpi.as_str() == kpi).unwrap();
        batch.series[0].starts_ms.clone()
    };
    assert_eq!((starts("h.count"), starts("h.sum")), (vec![3, 7], vec![3, 7]));
}

#[test]
fn odd_series_of_version_2_cost_themselves_and_are_not_counted_as_taken() {
    let symbols = ["", "__name__", "a", "b"];
    let good = timed(&[1, 2], 2, &[(1, 1.0)]);
    let odd = [
        timed(&[1], 2, &[(1, 1.0)]),
        timed(&[1, 9], 2, &[(1, 1.0)]),
        timed(&[3, 2], 2, &[(1, 1.0)]),
        timed(&[1, 2, 0, 3], 2, &[(1, 1.0)]),
    ];
    for odd in odd {
        let (parsed, taken) = parse_second(&second(&symbols, &[odd, good.clone()])).unwrap();
        let rows: Vec<u32> = parsed.rejected.iter().map(|rejected| rejected.row).collect();
        assert_eq!((rows, taken), (vec![0], (1, 0)), "{:?}", parsed.rejected);
    }
    assert!(parse_second(&second(&["x", "__name__", "a"], &[good])).is_err(), "the first symbol is not empty");
    assert!(parse_second(b"\x2a\xff").is_err());
}

/// A native histogram with whole counts: buckets 1 and 2 and 4 of schema 0.
fn native(count: u64, deltas: &[i64], hint: u64, at: i64) -> Vec<u8> {
    let zigzag = |value: i64| ((value << 1) ^ (value >> 63)) as u64;
    let span = |offset: i64, length| Message::new().varint(1, zigzag(offset)).varint(2, length).finish();
    let message = Message::new().varint(1, count).double(3, 20.0).varint(4, zigzag(0)).varint(6, 0);
    let message = message.bytes(11, &span(1, 2)).bytes(11, &span(1, 1));
    let message = deltas.iter().fold(message, |message, delta| message.varint(12, zigzag(*delta)));
    message.varint(14, hint).varint(15, at as u64).finish()
}

fn histograms(all: &[Vec<u8>]) -> Vec<u8> {
    let message = Message::new().bytes(1, &[1, 2]);
    let series = all.iter().fold(message, |message, histogram| message.bytes(3, histogram)).finish();
    second(&["", "__name__", "latency"], &[series])
}

#[test]
fn native_histograms_become_count_sum_and_quantiles() {
    // Buckets (1, 2], (2, 4], (8, 16] get 0, 10 and 0 observations between the two.
    let (parsed, taken) =
        parse_second(&histograms(&[native(3, &[1, 0, 0], 0, 1_000), native(13, &[1, 10, -10], 0, 2_000)])).unwrap();
    let found = readings(&parsed);
    assert_eq!(taken, (0, 2));
    assert_eq!(
        found,
        [
            ("latency.count".to_owned(), Reading::Counter, Some(13.0)),
            ("latency.p50".to_owned(), Reading::Gauge, Some(3.0)),
            ("latency.p95".to_owned(), Reading::Gauge, Some(3.9)),
            ("latency.p99".to_owned(), Reading::Gauge, Some(3.98)),
            ("latency.sum".to_owned(), Reading::Counter, Some(20.0)),
        ]
    );
    let (gauge, _) = parse_second(&histograms(&[native(10, &[0, 10, -10], 3, 1_000)])).unwrap();
    assert_eq!(readings(&gauge)[0], ("latency.count".to_owned(), Reading::Gauge, Some(10.0)));
    assert_eq!(readings(&gauge)[1], ("latency.p50".to_owned(), Reading::Gauge, Some(3.0)));
    let (wrong, taken) = parse_second(&histograms(&[native(14, &[1, 10, -10], 0, 2_000)])).unwrap();
    assert_eq!((wrong.batches.len(), taken), (0, (0, 0)));
    assert!(wrong.rejected[0].error.contains("the count is 14, but the buckets hold 13"), "{:?}", wrong.rejected);
}

#[test]
fn a_native_histogram_that_begins_again_has_quantiles_and_a_stale_one_ends() {
    let (parsed, _) =
        parse_second(&histograms(&[native(30, &[10, 0, 0], 0, 1_000), native(10, &[0, 10, -10], 0, 2_000)])).unwrap();
    assert!(readings(&parsed).contains(&("latency.p50".to_owned(), Reading::Gauge, Some(3.0))));
    let stale = Message::new().fixed64(3, STALE).varint(15, 3_000).finish();
    let (parsed, _) = parse_second(&histograms(&[stale])).unwrap();
    let ends: Vec<_> = parsed.batches.iter().map(|batch| (batch.kpi.as_str(), batch.series[0].ended_at_ms)).collect();
    assert_eq!(ends, [("latency.count", Some(3_000)), ("latency.sum", Some(3_000))]);
}

#[test]
fn impossible_native_histograms_are_refused_with_a_reason() {
    let span = |length| Message::new().varint(2, length).finish();
    let deltas = |message: Message| message.bytes(12, &[0x02, 0x02]).varint(15, 1);
    let cases = [
        deltas(Message::new().bytes(11, &span(3))).finish(),
        deltas(Message::new().bytes(11, &span(1))).finish(),
        deltas(Message::new().bytes(11, &span(u64::MAX))).finish(),
        Message::new().bytes(11, &span(1)).varint(12, 1).finish(),
        Message::new().varint(4, 40).finish(),
        Message::new().bytes(12, &[0xFF]).finish(),
    ];
    for histogram in cases {
        let (parsed, taken) = parse_second(&histograms(std::slice::from_ref(&histogram))).unwrap();
        assert_eq!((parsed.rejected.len(), taken), (1, (0, 0)), "{histogram:?}");
    }
}

proptest! {
    #[test]
    fn damaged_requests_of_version_2_never_panic(at in 0usize..500, byte: u8) {
        let mut body = histograms(&[native(3, &[1, 0, 0], 0, 1_000), native(13, &[1, 10, -10], 0, 2_000)]);
        let at = at % body.len();
        body[at] = byte;
        let _refused = parse_second(&body).is_err();
    }

    #[test]
    fn arbitrary_bytes_of_version_2_never_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _refused = parse_second(&body).is_err();
    }

    #[test]
    fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _refused = parse_batch(&body).is_err();
        if let Ok(plain) = decompress(&body, 10_000) {
            let _refused = parse_batch(&plain).is_err();
        }
    }

    #[test]
    fn damaged_requests_never_panic(at in 0usize..60, byte: u8) {
        let mut body = request(&[series(&[("__name__", "abc"), ("x", "y")], &[(1, 1.0), (2, 2.0)])]);
        let at = at % body.len();
        body[at] = byte;
        let _refused = parse_batch(&body).is_err();
    }

    #[test]
    fn sent_values_arrive(values in proptest::collection::vec((0i64..1_000_000, -1e9f64..1e9), 1..30)) {
        let (_, found) = one(&request(&[series(&[("__name__", "a")], &values)]));
        let arrived: Vec<_> = found.rows.iter().map(|(_, sample)| (sample.timestamp_ms, sample.value)).collect();
        prop_assert_eq!(arrived, values);
    }
}
