//! Prometheus remote write 1.0: a snappy-compressed `prometheus.WriteRequest` with sorted labels.

use anyhow::Context;
use prost::Message;

use super::Row;

#[derive(Clone, PartialEq, Message)]
struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    timeseries: Vec<TimeSeries>,
}

#[derive(Clone, PartialEq, Message)]
struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    samples: Vec<Sample>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Sample {
    #[prost(double, tag = "1")]
    value: f64,
    #[prost(int64, tag = "2")]
    timestamp: i64,
}

pub(super) fn body(rows: impl Iterator<Item = Row>) -> anyhow::Result<Vec<u8>> {
    let label = |name: &str, value: String| Label { name: name.to_owned(), value };
    let timeseries = rows.map(|row| TimeSeries {
        labels: vec![
            label("__name__", format!("load{}_value", row.kpi)),
            label("host", format!("web-{}", row.host)),
            label("job", "load".to_owned()),
        ],
        samples: vec![Sample { value: row.value, timestamp: row.timestamp_ms }],
    });
    let plain = WriteRequest { timeseries: timeseries.collect() }.encode_to_vec();
    snap::raw::Encoder::new().compress_vec(&plain).context("compressing a request")
}
