//! Samples as request bodies, the same samples in every protocol.

mod influx;
mod json;
mod remote_write;

use anyhow::bail;

use crate::net::http;
use crate::scenario::Protocol;
use crate::server::Target;

/// The series, and their distribution over requests.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) kpis: usize,
    pub(crate) series_per_kpi: usize,
    pub(crate) batch: usize,
    /// Timestamp of the first sample of every series, in milliseconds.
    pub(crate) first_ms: i64,
    /// Time between two samples of a series, milliseconds.
    pub(crate) step_ms: i64,
}

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    pub(crate) kpi: usize,
    pub(crate) host: usize,
    pub(crate) timestamp_ms: i64,
    pub(crate) value: f64,
}

impl Shape {
    pub(crate) fn series(&self) -> usize {
        self.kpis * self.series_per_kpi
    }

    /// Number of requests for one sample of each series.
    pub(crate) fn requests_a_turn(&self) -> usize {
        self.series().div_ceil(self.batch)
    }

    /// The samples of request `part` in turn `turn`. A turn sends each series once.
    pub(crate) fn rows(&self, turn: usize, part: usize) -> impl Iterator<Item = Row> {
        let shape = *self;
        let from = part * shape.batch;
        (from..(from + shape.batch).min(shape.series())).map(move |series| {
            let (kpi, host) = (series / shape.series_per_kpi, series % shape.series_per_kpi);
            // Noise with few digits, like measured values.
            let noise = (turn * 7_919 + kpi * 104_729 + host * 1_299_709) % 10_007;
            let value = 100.0 + kpi as f64 + (noise / 10) as f64 / 100.0;
            Row { kpi, host, timestamp_ms: shape.first_ms + turn as i64 * shape.step_ms, value }
        })
    }
}

/// A whole request with these samples.
///
/// # Errors
/// If the target does not support the protocol.
pub(crate) fn request(target: Target, protocol: Protocol, rows: impl Iterator<Item = Row>) -> anyhow::Result<Vec<u8>> {
    let path = match (target, protocol) {
        (Target::Raw, _) => "/ingest",
        (Target::Earcon, Protocol::Json) => "/api/v1/workspaces/local/kpis/ingest",
        (Target::Earcon | Target::VictoriaMetrics, Protocol::Influx) => "/write?precision=ms",
        (Target::Earcon | Target::VictoriaMetrics, Protocol::Prometheus) => "/api/v1/write",
        _ => bail!("{} does not support {protocol:?}", target.name()),
    };
    let prometheus = [
        ("content-type", "application/x-protobuf"),
        ("content-encoding", "snappy"),
        ("x-prometheus-remote-write-version", "0.1.0"),
    ];
    let (headers, body): (&[_], _) = match protocol {
        Protocol::Json => (&[("content-type", "application/json")], json::body(rows)),
        Protocol::Influx => (&[("content-type", "text/plain")], influx::body(rows)),
        Protocol::Prometheus => (&prometheus, remote_write::body(rows)?),
    };
    Ok(http::post(path, headers, &body))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { kpis: 3, series_per_kpi: 4, batch: 5, first_ms: 1_000, step_ms: 1_000 };

    #[test]
    fn turn_has_each_series_once() {
        assert_eq!((SHAPE.series(), SHAPE.requests_a_turn()), (12, 3));
        let rows: Vec<Row> = (0..SHAPE.requests_a_turn()).flat_map(|part| SHAPE.rows(2, part)).collect();
        let mut series: Vec<_> = rows.iter().map(|row| (row.kpi, row.host)).collect();
        series.dedup();
        assert_eq!(series.len(), 12);
        assert!(rows.iter().all(|row| row.timestamp_ms == 3_000));
    }

    #[test]
    fn text_formats_are_correct() {
        let row = Row { kpi: 1, host: 2, timestamp_ms: 3, value: 4.5 };
        let rows = || std::iter::once(row);
        let text = String::from_utf8(influx::body(rows())).unwrap();
        assert_eq!(text, "load1,host=web-2,job=load value=4.5 3\n");
        let json: serde_json::Value = serde_json::from_slice(&json::body([row, row].into_iter())).unwrap();
        assert_eq!(json["samples"][1]["labels"]["host"], "web-2");
        assert_eq!(json["samples"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn remote_write_can_be_decoded() {
        let body = remote_write::body(SHAPE.rows(0, 0)).unwrap();
        let plain = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
        let found = |text: &str| memchr::memmem::find(&plain, text.as_bytes()).is_some();
        assert!(found("__name__") && found("load1_value") && found("web-3"));
        assert!(request(Target::Icecast, Protocol::Influx, SHAPE.rows(0, 0)).is_err());
    }
}
