use proptest::prelude::*;

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
    parse(body, &mut batch)?;
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
fn oversized_content_is_refused_before_decompression() {
    let bomb = snap::raw::Encoder::new().compress_vec(&vec![0; 1_000_000]).unwrap();
    assert!(bomb.len() < 100_000);
    assert_eq!(decompress(&bomb, 999_999), Err(DecompressError::TooLarge { length: 1_000_000, max_bytes: 999_999 }));
    assert_eq!(decompress(&bomb, 1_000_000).unwrap().len(), 1_000_000);
    assert!(matches!(decompress(b"\xff\xff", 10), Err(DecompressError::Damaged(_))));
}

proptest! {
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
