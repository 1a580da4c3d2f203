//! Parses the JSON of collectd: plugin `write_http` with `Format "JSON"`
//! (collectd.org/wiki/index.php/JSON, `format_json.c`). A body is an array of value lists.
//!
//! Rows are value lists, numbered from 0. One that cannot be read is named, and the others are
//! kept.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::value::RawValue;

use super::batch_builder::Batch;
use super::error::IntakeError;
use super::raw_series::{LabelPairs, Protocol, RawSeries};
use crate::json_problem::json_problem;
use crate::naming;
use crate::strict_json::{Object, nullable, utf8};
use earcon_model::Reading;

/// The type of a data source. collectd writes it in small letters, and `types.db` in capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SourceType {
    Gauge,
    Counter,
    Derive,
    /// A count since the value before.
    Absolute,
}

impl<'de> Deserialize<'de> for SourceType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Ok(match name.to_ascii_lowercase().as_str() {
            "gauge" => Self::Gauge,
            "counter" => Self::Counter,
            "derive" => Self::Derive,
            "absolute" => Self::Absolute,
            _ => {
                return Err(D::Error::custom(format!("a dstype is gauge, counter, derive or absolute, not {name:?}")));
            }
        })
    }
}

/// A value list.
#[derive(Debug, Deserialize)]
struct ValueList<'a> {
    /// `null` in place of NaN.
    values: Vec<Option<f64>>,
    dstypes: Vec<SourceType>,
    dsnames: Vec<String>,
    /// Seconds since 1970.
    time: f64,
    /// Seconds.
    #[serde(default, deserialize_with = "nullable")]
    interval: f64,
    #[serde(borrow, default, deserialize_with = "nullable")]
    host: Cow<'a, str>,
    #[serde(borrow)]
    plugin: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "nullable")]
    plugin_instance: Cow<'a, str>,
    #[serde(borrow, rename = "type", default, deserialize_with = "nullable")]
    kind: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "nullable")]
    type_instance: Cow<'a, str>,
}

/// Parses a body.
///
/// # Errors
/// The body is no array, or has too many samples.
pub fn parse(body: &[u8], batch: &mut Batch<'_>) -> Result<(), IntakeError> {
    let body = utf8(body)?;
    let lists: Vec<&RawValue> = serde_json::from_slice(body).map_err(|error| {
        let problem = json_problem(&error, body);
        IntakeError::Malformed(format!("the body is not an array of value lists: {problem}"))
    })?;
    for (row, raw) in lists.into_iter().enumerate() {
        match serde_json::from_str::<Object<ValueList<'_>>>(raw.get()) {
            Ok(Object(list)) => add(batch, row as u32, &list)?,
            Err(error) => batch.reject(row as u32, json_problem(&error, raw.get().as_bytes()))?,
        }
    }
    Ok(())
}

fn add(batch: &mut Batch<'_>, row: u32, list: &ValueList<'_>) -> Result<(), IntakeError> {
    let ValueList { values, dstypes, dsnames, time, interval, .. } = list;
    if list.plugin.is_empty() {
        return batch.reject(row, "the plugin has no name".to_owned());
    }
    if values.len() != dstypes.len() || values.len() != dsnames.len() {
        return batch.reject(row, "values, dstypes and dsnames must have the same length".to_owned());
    }
    let mut names: Vec<_> = dsnames.iter().map(|name| naming::composed(name)).collect();
    names.sort_unstable();
    if let Some([name, _]) = names.array_windows().find(|[one, next]| one == next) {
        return batch.reject(row, format!("the data source {name:?} is given twice in dsnames"));
    }
    // Half of this is beyond all times that samples may have.
    if !(0.0..=1e14).contains(time) {
        return batch.reject(row, format!("time {time} is not in seconds since 1970"));
    }
    let time_ms = (time * 1e3).round() as i64;
    for ((value, source), name) in values.iter().zip(dstypes).zip(dsnames) {
        let (reading, value) = match (source, value) {
            (SourceType::Gauge, Some(value)) => (Reading::Gauge, *value),
            (SourceType::Counter | SourceType::Derive, Some(value)) => (Reading::Counter, *value),
            (SourceType::Absolute, Some(_)) if *interval <= 0.0 => {
                batch.reject(row, "an absolute value needs the interval that it was counted in".to_owned())?;
                continue;
            }
            (SourceType::Absolute, Some(value)) => (Reading::Gauge, value / interval),
            (_, None) => {
                batch.ignore()?;
                continue;
            }
        };
        let destination = batch.destination(list.key(batch, name, *source), || Ok(list.series(name, reading)));
        batch.push(destination, row, Some(time_ms), value)?;
    }
    Ok(())
}

impl ValueList<'_> {
    /// `plugin.type.source`, without a type that is called like its plugin, and without a source
    /// called `value`.
    fn series<'a>(&'a self, source: &'a str, reading: Reading) -> RawSeries<'a> {
        let kind = Some(self.kind.as_ref()).filter(|kind| *kind != self.plugin && !kind.is_empty());
        let source = Some(source).filter(|name| *name != "value");
        let joint = u64::from(kind.is_some()) << 1 | u64::from(source.is_some());
        let parts = std::iter::once(self.plugin.as_ref()).chain(kind).chain(source);
        // Parts may be absent, so a dot in any of them is ambiguous.
        let (name, hashed) = naming::joined(&parts.collect::<Vec<_>>(), 0);
        let labels =
            [("host", &self.host), ("plugin_instance", &self.plugin_instance), ("type_instance", &self.type_instance)];
        let labels: LabelPairs<'a> = labels.map(|(key, value)| (key.into(), value.as_ref().into())).into();
        let reading = Some(reading);
        RawSeries { hashed, labels, reading, joint, ..RawSeries::new(Protocol::Collectd, name.into()) }
    }

    fn key(&self, batch: &Batch<'_>, name: &str, source: SourceType) -> u128 {
        let texts = [&self.host, &self.plugin, &self.plugin_instance, &self.kind, &self.type_instance];
        let mut bytes = vec![source as u8];
        for text in texts.into_iter().map(AsRef::as_ref).chain([name]) {
            // Length prefixes make the bytes unambiguous.
            bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        batch.keys().key(Protocol::Collectd, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ParsedBatch, Rules, SeriesCache};
    use proptest::prelude::*;

    fn parsed(body: &str) -> ParsedBatch {
        let cache = SeriesCache::new(Rules::default(), 1_000, 1);
        let mut batch = Batch::new(&cache, 42, 1_000);
        parse(body.as_bytes(), &mut batch).unwrap();
        batch.finish()
    }

    #[test]
    fn value_lists_become_series_by_plugin_type_and_source() {
        let body = r#"[
            {"values": [1901474177], "dstypes": ["counter"], "dsnames": ["value"], "time": 1280959128.25, "interval": 10,
             "host": "leeloo", "plugin": "cpu", "plugin_instance": "0", "type": "cpu", "type_instance": "idle"},
            {"values": [30, null], "dstypes": ["derive", "derive"], "dsnames": ["rx", "tx"], "time": 1280959128,
             "interval": 10, "host": "leeloo", "plugin": "interface", "plugin_instance": "eth0", "type": "if_octets",
             "type_instance": "", "meta": {"x": true}},
            {"values": [20], "dstypes": ["absolute"], "dsnames": ["value"], "time": 1280959128, "interval": 10,
             "host": "leeloo", "plugin": "load", "type": "hits"},
            {"values": [2.5], "dstypes": ["gauge"], "dsnames": ["value"], "time": 1280959128, "interval": 10,
             "host": "leeloo", "plugin": "load", "type": "hits", "type_instance": "b"}]"#;
        let ParsedBatch { batches, rejected, ignored, .. } = parsed(body);
        assert_eq!((rejected.len(), ignored), (0, 1));
        let found: Vec<_> = batches
            .iter()
            .flat_map(|batch| batch.series.iter().map(move |series| (batch.kpi.as_str(), series)))
            .map(|(kpi, series)| {
                let sample = series.rows[0].1;
                (kpi, series.labels.to_string(), series.reading, sample.timestamp_ms, sample.value)
            })
            .collect();
        let at = 1_280_959_128_000;
        let cpu = "host:leeloo,plugin_instance:0,type_instance:idle".to_owned();
        let net = "host:leeloo,plugin_instance:eth0".to_owned();
        let (one, other) = ("host:leeloo".to_owned(), "host:leeloo,type_instance:b".to_owned());
        assert_eq!(
            found,
            [
                ("cpu", cpu, Reading::Counter, at + 250, 1_901_474_177.0),
                ("interface.if_octets.rx", net, Reading::Counter, at, 30.0),
                ("load.hits", one, Reading::Gauge, at, 2.0),
                ("load.hits", other, Reading::Gauge, at, 2.5),
            ]
        );
    }

    #[test]
    fn an_odd_value_list_costs_itself() {
        let good = r#"{"values": [1], "dstypes": ["gauge"], "dsnames": ["value"], "time": 1, "plugin": "a"}"#;
        let odd = [
            r#"{"values": [1, 2], "dstypes": ["gauge"], "dsnames": ["value"], "time": 1, "plugin": "a"}"#,
            r#"{"values": [1], "dstypes": ["sum"], "dsnames": ["value"], "time": 1, "plugin": "a"}"#,
            r#"{"values": [1], "dstypes": ["absolute"], "dsnames": ["value"], "time": 1, "plugin": "a"}"#,
            r#"{"values": [1], "dstypes": ["gauge"], "dsnames": ["value"], "time": -1, "plugin": "a"}"#,
            "7",
            r#"{"values": [1], "dstypes": ["gauge"], "dsnames": ["value"], "time": 1, "plugin": "", "type": "a"}"#,
        ];
        let ParsedBatch { batches, rejected, .. } = parsed(&format!("[{},{good}]", odd.join(",")));
        assert_eq!(rejected.iter().map(|rejected| rejected.row).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        assert_eq!((batches[0].kpi.as_str(), batches[0].series[0].rows[0].0), ("a", 6));
        let cache = SeriesCache::new(Rules::default(), 10, 1);
        assert!(parse(b"{}", &mut Batch::new(&cache, 0, 10)).is_err());
    }

    #[test]
    fn types_are_read_in_any_case_and_others_are_named() {
        let list = |kind: &str| {
            format!(
                r#"{{"values": [1], "dstypes": ["{kind}"], "dsnames": ["value"], "time": 1, "plugin": "{}"}}"#,
                kind.to_lowercase()
            )
        };
        let ParsedBatch { batches, rejected, .. } =
            parsed(&format!("[{},{},{}]", list("GAUGE"), list("Counter"), list("SUM")));
        let readings: Vec<_> = batches.iter().map(|batch| batch.series[0].reading).collect();
        assert_eq!(readings, [Reading::Gauge, Reading::Counter]);
        assert!(rejected[0].error.contains("gauge, counter, derive or absolute, not \"SUM\""), "{rejected:?}");
    }

    #[test]
    fn dots_of_plugin_type_and_source_stay_apart() {
        let list = |plugin: &str, kind: &str, source: &str| {
            format!(
                r#"{{"values": [1], "dstypes": ["gauge"], "dsnames": ["{source}"], "time": 1, "plugin": "{plugin}", "type": "{kind}"}}"#
            )
        };
        let lists = [
            list("a", "b", "c"),
            list("a", "b.c", "value"),
            list("a.b", "c", "value"),
            list("a", "b", "c.d"),
            list("a.b.c", "a.b.c", "value"),
        ];
        let ParsedBatch { batches, rejected, .. } = parsed(&format!("[{}]", lists.join(",")));
        assert_eq!((batches.len(), rejected.len()), (5, 0), "{batches:?} {rejected:?}");
        assert_eq!(batches[0].kpi.as_str(), "a.b.c");
        assert!(batches[1..].iter().all(|batch| batch.kpi.as_str().contains("_")), "{batches:?}");
    }

    #[test]
    fn data_source_given_twice_rejects_its_value_list() {
        let list = |one: &str, other: &str| {
            format!(
                r#"{{"values": [1, 2], "dstypes": ["gauge", "gauge"], "dsnames": ["{one}", "{other}"], "time": 1, "plugin": "a"}}"#
            )
        };
        let body = format!("[{},{},{}]", list("x", "x"), list("\u{e9}", "e\u{301}"), list("x", "y"));
        let ParsedBatch { batches, rejected, .. } = parsed(&body);
        assert_eq!(rejected.iter().map(|rejected| rejected.row).collect::<Vec<_>>(), [0, 1]);
        assert!(rejected[0].error.contains("\"x\" is given twice"), "{rejected:?}");
        assert_eq!(batches.iter().map(|batch| batch.kpi.as_str()).collect::<Vec<_>>(), ["a.x", "a.y"]);
    }

    proptest! {
        #[test]
        fn arbitrary_bodies_never_panic(body in "\\PC{0,200}") {
            let cache = SeriesCache::new(Rules::default(), 10, 1);
            let _refused = parse(body.as_bytes(), &mut Batch::new(&cache, 0, 100)).is_err();
        }
    }
}
