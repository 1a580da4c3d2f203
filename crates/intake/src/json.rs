//! Parses rows from JSON.
//!
//! The whole document is parsed at once, without intermediate trees. Only if that fails is it
//! parsed row by row, so that bad rows are named and good ones are kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::batch_builder::{Batch, NativeRow};
use super::error::IntakeError;
use super::json_problem::json_problem;
use super::raw_series::{LabelPairs, Stated};
use super::time::parse_time;
use crate::strict_json::{Object, utf8};
use earcon_model::Reading;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row<'a> {
    #[serde(borrow)]
    kpi: Cow<'a, str>,
    #[serde(borrow, default)]
    labels: Pairs<'a>,
    #[serde(default)]
    timestamp: Time,
    /// Absent only for a row that ends its series.
    #[serde(default)]
    value: Option<f64>,
    /// The values are totals that only grow, or are none.
    #[serde(default)]
    counter: Option<bool>,
    /// The series ends at this time.
    #[serde(default)]
    ended: bool,
    #[serde(borrow, default)]
    unit: Cow<'a, str>,
    #[serde(borrow, default)]
    description: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<'a> {
    /// Of a message on a WebSocket, whose answer repeats it.
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
    #[serde(borrow)]
    samples: Vec<Object<Row<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDocument<'a> {
    #[serde(default, rename = "id")]
    _id: IgnoredAny,
    #[serde(borrow)]
    samples: Vec<&'a RawValue>,
}

/// `{"samples": [row, …]}`
///
/// # Errors
/// The body is not such a document, or has too many rows.
pub fn parse_document(body: &[u8], batch: &mut Batch<'_>) -> Result<(), IntakeError> {
    let body = utf8(body)?;
    if let Ok(Object(Document { samples, .. })) = serde_json::from_slice(body) {
        for (row, Object(sample)) in samples.into_iter().enumerate() {
            add(row, sample, batch)?;
        }
        return Ok(());
    }
    let Object(RawDocument { samples, .. }) = serde_json::from_slice(body).map_err(|error| {
        let problem = json_problem(&error, body);
        IntakeError::Malformed(format!("the body must be {{\"samples\": [row, …]}}: {problem}"))
    })?;
    for (row, sample) in samples.into_iter().enumerate() {
        parse_row(row, sample.get().as_bytes(), batch)?;
    }
    Ok(())
}

/// One row a line; blank lines are skipped but counted.
///
/// # Errors
/// The body is UTF-16, or has too many rows.
pub fn parse_lines(body: &[u8], batch: &mut Batch<'_>) -> Result<(), IntakeError> {
    for (row, line) in utf8(body)?.split(|byte| *byte == b'\n').enumerate() {
        if !line.trim_ascii().is_empty() {
            parse_row(row, line, batch)?;
        }
    }
    Ok(())
}

fn parse_row(row: usize, text: &[u8], batch: &mut Batch<'_>) -> Result<(), IntakeError> {
    match serde_json::from_slice::<Object<Row<'_>>>(text) {
        Ok(Object(sample)) => add(row, sample, batch),
        Err(error) => batch.reject(row as u32, explain(&error, text)),
    }
}

fn add(row: usize, sample: Row<'_>, batch: &mut Batch<'_>) -> Result<(), IntakeError> {
    let Row { kpi, labels, timestamp, value, counter, ended, unit, description } = sample;
    if value.is_none() && !ended {
        return batch.reject(row as u32, "the field `value` is missing".to_owned());
    }
    let reading = counter.map(|counter| if counter { Reading::Counter } else { Reading::Gauge });
    let stated = Stated { unit, description };
    let native = NativeRow { kpi, labels: labels.0, timestamp_ms: timestamp.0, value, reading, ended, stated };
    batch.add(row as u32, native)
}

/// Why a row is not read. A field with a value of another kind is named.
fn explain(error: &serde_json::Error, row: &[u8]) -> String {
    let fields = serde_json::from_slice::<Object<BTreeMap<Cow<'_, str>, &RawValue>>>(row);
    let wrong = fields.ok().and_then(|Object(fields)| fields.iter().find_map(|(name, value)| wrong(name, value)));
    wrong.unwrap_or_else(|| json_problem(error, row))
}

/// The fault of the value of a field. `None` if it has none, or the field says so itself.
fn wrong(name: &str, value: &RawValue) -> Option<String> {
    let text = value.get();
    let is = |what: &str, holds: bool| (!holds).then(|| format!("{name} must be {what}, not {text:.40}"));
    match name {
        "kpi" | "unit" | "description" => is("a text", text.starts_with('"')),
        "value" => is("a finite number, without quotes", serde_json::from_str::<Option<f64>>(text).is_ok()),
        "counter" => is("true or false", matches!(text, "true" | "false" | "null")),
        "ended" => is("true or false", matches!(text, "true" | "false")),
        "labels" if text.starts_with('{') => {
            let labels: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text).ok()?;
            let (key, value) = labels.into_iter().find(|(_, value)| !value.get().starts_with('"'))?;
            Some(format!("label {key:?} must be a text in quotes, not {:.40}", value.get()))
        }
        "labels" => is("an object of texts, such as {\"region\": \"eu\"}", text == "null"),
        _ => None,
    }
}

#[derive(Default)]
struct Pairs<'a>(LabelPairs<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;

        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels: an object of texts")
            }

            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Pairs::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(2));
                while let Some((Text(key), Text(value))) = map.next_entry()? {
                    pairs.push((key, value));
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_any(PairsVisitor)
    }
}

/// A text, borrowed from the body unless it has escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text as label value")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

const NOT_A_TIME: &str = "is not an RFC 3339 time, or no zone has its offset, or not the zone in brackets";

/// Integer milliseconds or RFC 3339; the default and null mean now.
#[derive(Default)]
struct Time(Option<i64>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TimeVisitor;

        impl<'de> Visitor<'de> for TimeVisitor {
            type Value = Time;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("timestamp: integer milliseconds since 1970 or an RFC 3339 text")
            }

            fn visit_unit<E>(self) -> Result<Time, E> {
                Ok(Time(None))
            }

            fn visit_i64<E>(self, ms: i64) -> Result<Time, E> {
                Ok(Time(Some(ms)))
            }

            fn visit_u64<E: serde::de::Error>(self, ms: u64) -> Result<Time, E> {
                let ms = i64::try_from(ms).map_err(|_| E::custom("timestamp is too large for milliseconds"))?;
                Ok(Time(Some(ms)))
            }

            fn visit_f64<E: serde::de::Error>(self, ms: f64) -> Result<Time, E> {
                // Up to here, each whole number is a float of its own.
                const LARGEST: f64 = 9.007_199_254_740_992e15;
                if ms.fract() != 0.0 || ms.abs() > LARGEST {
                    return Err(E::custom(format!("timestamp {ms} is not a whole number of milliseconds")));
                }
                Ok(Time(Some(ms as i64)))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Time, E> {
                let parsed = text.parse::<jiff::Timestamp>().is_ok().then(|| parse_time(text)).flatten();
                let ms = parsed.ok_or_else(|| E::custom(format!("timestamp {text:?} {NOT_A_TIME}")))?;
                Ok(Time(Some(ms)))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Time, A::Error> {
                Err(serde::de::Error::invalid_type(serde::de::Unexpected::Seq, &self))
            }
        }

        deserializer.deserialize_any(TimeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ParsedBatch, Rules, SeriesCache};
    use earcon_model::Meaning;
    use proptest::prelude::*;

    fn cache() -> SeriesCache {
        SeriesCache::new(Rules::default(), 1_000, 1)
    }

    fn document(body: &str) -> ParsedBatch {
        let cache = cache();
        let mut batch = Batch::new(&cache, 42, 1_000);
        parse_document(body.as_bytes(), &mut batch).unwrap();
        batch.finish()
    }

    #[test]
    fn rows_are_grouped_by_series() {
        let ParsedBatch { batches, rejected, .. } = document(
            r#"{"samples": [
                {"kpi": "a", "labels": {"x": "1", "y": "2"}, "timestamp": 1000, "value": 1},
                {"kpi": "a", "labels": {"y": "2", "x": "1"}, "timestamp": "1970-01-01T00:00:02Z", "value": 2.5},
                {"kpi": "b", "value": -3e2}]}"#,
        );
        assert!(rejected.is_empty());
        assert_eq!(batches.len(), 2);
        assert_eq!(batches[0].series.len(), 1);
        let times: Vec<_> = batches[0].series[0].rows.iter().map(|(_, sample)| sample.timestamp_ms).collect();
        assert_eq!(times, [1_000, 2_000]);
        assert_eq!(batches[1].series[0].rows[0].1.timestamp_ms, 42, "absent means now");
    }

    #[test]
    fn bad_rows_are_named_and_good_ones_kept() {
        let ParsedBatch { batches, rejected, .. } = document(
            r#"{"samples": [{"kpi": "a", "value": 1}, {"kpi": "a", "value": "x"}, {"kpi": "a b", "value": 1},
                {"kpi": "a", "value": 1e999}, {"value": 1}, {"kpi": "a", "value": 2, "labels": {"k": 1}},
                {"kpi": "a", "value": 2, "timestamp": "soon"}, 7]}"#,
        );
        assert_eq!(batches[0].series[0].rows.len(), 1);
        assert_eq!(rejected.iter().map(|rejected| rejected.row).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(rejected[0].error, "value must be a finite number, without quotes, not \"x\"");
        assert_eq!(rejected[2].error, "value must be a finite number, without quotes, not 1e999");
        assert_eq!(rejected[4].error, "label \"k\" must be a text in quotes, not 1");
        assert!(rejected[6].error.starts_with("an object is expected, not `7`"), "{}", rejected[6].error);
        assert!(rejected[3].error.contains("kpi"), "{}", rejected[3].error);
        assert!(rejected[5].error.contains("soon"), "{}", rejected[5].error);
    }

    #[test]
    fn whole_numbers_are_times_in_every_spelling() {
        let parsed = document(
            "\u{feff}{\"samples\": [{\"kpi\": \"a\", \"timestamp\": 1795960357000.0, \"value\": 1},
                {\"kpi\": \"a\", \"timestamp\": 1.7672256e12, \"value\": 1}, {\"kpi\": \"a\", \"timestamp\": 1.5, \"value\": 1}]}",
        );
        let times: Vec<_> = parsed.batches[0].series[0].rows.iter().map(|(_, sample)| sample.timestamp_ms).collect();
        assert_eq!(times, [1_795_960_357_000, 1_767_225_600_000]);
        assert!(parsed.rejected[0].error.contains("1.5"), "{:?}", parsed.rejected);
    }

    #[test]
    fn a_zone_in_brackets_is_read_if_it_has_the_offset() {
        let parsed = document(
            r#"{"samples": [{"kpi": "a", "timestamp": "2026-01-01T00:00:00+01:00[Europe/Berlin]", "value": 1},
                {"kpi": "a", "timestamp": "2026-01-01T00:00:00+02:00[Europe/Berlin]", "value": 1}]}"#,
        );
        assert_eq!(parsed.batches[0].series[0].rows[0].1.timestamp_ms, 1_767_222_000_000);
        assert!(parsed.rejected[0].error.contains("or not the zone in brackets"), "{parsed:?}");
    }

    #[test]
    fn arrays_and_unknown_fields_are_refused() {
        let parsed = document(
            r#"{"samples": [["a", {}, null, 3], {"kpi": "a", "value": 1, "lables": {"k": "v"}}, {"kpi": "a", "value": 2}]}"#,
        );
        assert_eq!(parsed.rejected.iter().map(|rejected| rejected.row).collect::<Vec<_>>(), [0, 1]);
        assert!(parsed.rejected[1].error.contains("lables"), "{:?}", parsed.rejected);
        let cache = cache();
        for body in [r#"[[{"kpi": "a", "value": 1}]]"#, r#"{"samples": [], "precision": "s"}"#] {
            let refused = parse_document(body.as_bytes(), &mut Batch::new(&cache, 42, 1_000));
            assert!(matches!(refused, Err(IntakeError::Malformed(_))), "{body}");
        }
    }

    #[test]
    fn a_row_says_whether_it_counts_and_whether_its_series_ends() {
        let parsed = document(
            r#"{"samples": [{"kpi": "n", "counter": true, "timestamp": 1, "value": 1}, {"kpi": "g", "counter": false, "value": 1},
                {"kpi": "e", "timestamp": 5, "value": 1}, {"kpi": "e", "timestamp": 7, "ended": true},
                {"kpi": "v", "timestamp": 9, "value": 2, "ended": true}, {"kpi": "x"}, {"kpi": "a b", "ended": true}]}"#,
        );
        let series = |at: usize| &parsed.batches[at].series[0];
        assert_eq!([0, 1].map(|at| series(at).reading), [Reading::Counter, Reading::Gauge]);
        assert_eq!([1, 2, 3].map(|at| series(at).ended_at_ms), [None, Some(7), Some(9)]);
        assert_eq!((series(2).rows.len(), series(3).rows.len()), (1, 1));
        assert_eq!(parsed.rejected.iter().map(|rejected| rejected.row).collect::<Vec<_>>(), [5, 6]);
        assert!(parsed.rejected[0].error.contains("value"), "{:?}", parsed.rejected);
    }

    #[test]
    fn a_row_that_only_ends_a_series_says_nothing_about_its_values() {
        let total = |at: u32| format!(r#"{{"kpi": "n", "counter": true, "timestamp": {at}, "value": 1}}"#);
        let end = r#"{"kpi": "n", "timestamp": 5, "ended": true}"#;
        for rows in [[total(1), end.to_owned(), total(6)], [end.to_owned(), total(6), total(7)]] {
            let parsed = document(&format!(r#"{{"samples": [{}]}}"#, rows.join(",")));
            assert_eq!(parsed.rejected, [], "{rows:?}");
            let series = &parsed.batches[0].series[0];
            assert_eq!((series.reading, series.rows.len()), (Reading::Counter, 2), "{rows:?}");
        }
        let other = r#"{"kpi": "n", "counter": false, "timestamp": 5, "ended": true}"#;
        let parsed = document(&format!(r#"{{"samples": [{}, {other}]}}"#, total(1)));
        assert_eq!(parsed.rejected.len(), 1, "it says that the values are measurements");
    }

    #[test]
    fn units_and_descriptions_are_those_of_the_values_as_stored() {
        let cache = cache();
        let parse = |body: &str| {
            let mut batch = Batch::new(&cache, 42, 1_000);
            parse_document(body.as_bytes(), &mut batch).unwrap();
            batch.finish()
        };
        let body = r#"{"samples": [{"kpi": "a", "unit": "ms", "description": "time to answer", "value": 1},
            {"kpi": "b", "unit": "By", "counter": true, "value": 1}, {"kpi": "c", "unit": "a\nb", "value": 1}]}"#;
        let parsed = parse(body);
        let meaning = |unit: &str, description: &str| Meaning::new(unit, description).unwrap();
        let names: Vec<_> = parsed.meanings.iter().map(|(kpi, meaning)| (kpi.as_str(), meaning.clone())).collect();
        assert_eq!(names, [("a", meaning("ms", "time to answer")), ("b", meaning("By/s", ""))]);
        assert_eq!(parsed.rejected[0].row, 2);
        assert!(parsed.rejected[0].error.contains("unit must be at most 32"), "{:?}", parsed.rejected);
        assert_eq!(parse(body).meanings, [], "what is known costs nothing");
        let later = parse(r#"{"samples": [{"kpi": "a", "unit": "s", "value": 1}]}"#);
        assert_eq!(later.meanings[0].1, meaning("s", ""), "another statement is passed on");
        assert_eq!(later.batches[0].series[0].labels, parsed.batches[0].series[0].labels);
    }

    #[test]
    fn lines_are_rows() {
        let body = b"{\"kpi\":\"a\",\"value\":1}\n\n{\"kpi\":\"a\",\"value\":}\r\n{\"kpi\":\"a\",\"value\":2}\n";
        let cache = cache();
        let mut batch = Batch::new(&cache, 0, 10);
        parse_lines(body, &mut batch).unwrap();
        let ParsedBatch { batches, rejected, .. } = batch.finish();
        assert_eq!(batches[0].series[0].rows.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [0, 3]);
        assert_eq!(rejected[0].row, 2);
    }

    #[test]
    fn too_many_rows_reject_the_request() {
        let cache = cache();
        let mut batch = Batch::new(&cache, 0, 1);
        assert!(parse_lines(b"{\"kpi\":\"a\",\"value\":1}\n{\"kpi\":\"a\",\"value\":1}", &mut batch).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let cache = cache();
        let mut batch = Batch::new(&cache, 0, 100);
            let _refused = parse_document(&body, &mut batch).is_err();
        let mut batch = Batch::new(&cache, 0, 100);
            let _refused = parse_lines(&body, &mut batch).is_err();
        }

        #[test]
        fn whole_and_row_by_row_parsing_agree(values in proptest::collection::vec(-1e12f64..1e12, 1..20)) {
            let row = |value: &f64| format!("{{\"kpi\":\"a\",\"labels\":{{\"k\":\"v\"}},\"timestamp\":5,\"value\":{value}}}");
            let rows: Vec<String> = values.iter().map(row).collect();
            let whole = document(&format!("{{\"samples\":[{}]}}", rows.join(",")));
            let lines = rows.join("\n");
            let cache = cache();
        let mut batch = Batch::new(&cache, 42, 1_000);
            parse_lines(lines.as_bytes(), &mut batch).unwrap();
            prop_assert_eq!(whole, batch.finish());
        }
    }
}
