//! The cost of parsing a sample: 10,000 known series with one sample each, and one series alone.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use earcon_intake::influx::Precision;
use earcon_intake::{Batch, IntakeError, ParsedBatch, Rules, SeriesCache, influx, json, remote_write};

const SERIES: usize = 10_000;

fn tags(i: usize) -> String {
    format!("datacenter=eu-west-1,host=host_{i},rack={},region=eu,service={}", i % 50, i % 7)
}

fn lines(series: impl Fn(usize) -> usize) -> String {
    (0..SERIES)
        .map(|i| format!("cpu,{} usage_user={}.{} 1767225600{i:09}\n", tags(series(i)), i % 100, i % 997))
        .collect()
}

fn document() -> String {
    let row = |i: usize| {
        let labels = tags(i).replace('=', "\":\"").replace(',', "\",\"");
        format!(
            "{{\"kpi\":\"cpu.usage_user\",\"labels\":{{\"{labels}\"}},\"timestamp\":1767225600000,\"value\":{}.5}}",
            i % 97
        )
    };
    format!("{{\"samples\":[{}]}}", (0..SERIES).map(row).collect::<Vec<_>>().join(","))
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &varint(bytes.len() as u64), bytes].concat()
}

fn write_request() -> Vec<u8> {
    let label = |key: &str, value: &str| field(1, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat());
    let mut request = Vec::new();
    for i in 0..SERIES {
        let mut series = label("__name__", "cpu_usage_user");
        for pair in tags(i).split(',') {
            let (key, value) = pair.split_once('=').unwrap_or_default();
            series.extend(label(key, value));
        }
        let value = (i % 997) as f64 + 0.5;
        let sample = [&[9][..], &value.to_le_bytes(), &[16], &varint(1_767_225_600_000)].concat();
        series.extend(field(2, &sample));
        request.extend(field(1, &series));
    }
    request
}

fn gather(cache: &SeriesCache, parse: impl Fn(&mut Batch<'_>) -> Result<(), IntakeError>) -> ParsedBatch {
    let mut batch = Batch::new(cache, 0, SERIES);
    parse(&mut batch).expect("good rows");
    batch.finish()
}

fn parsing(criterion: &mut Criterion) {
    let cache = SeriesCache::new(Rules::default(), 200_000, 1);
    let mut group = criterion.benchmark_group("intake");
    group.throughput(Throughput::Elements(SERIES as u64));
    let (many, one) = (lines(|i| i), lines(|_| 1));
    for (name, body) in [("influx, 10,000 series", &many), ("influx, one series", &one)] {
        let parse = |batch: &mut Batch<'_>| influx::parse(body.as_bytes(), Precision::Nanoseconds, batch);
        group.bench_function(name, |bench| bench.iter(|| black_box(gather(&cache, parse))));
    }
    let request = write_request();
    group.bench_function("remote write, 10,000 series", |bench| {
        let parse =
            |batch: &mut Batch<'_>| remote_write::parse(remote_write::Version::V1, &request, batch).map(|_sent| ());
        bench.iter(|| black_box(gather(&cache, parse)));
    });
    let document = document();
    group.bench_function("JSON, 10,000 series", |bench| {
        bench.iter(|| black_box(gather(&cache, |batch| json::parse_document(document.as_bytes(), batch))));
    });
    group.finish();
}

criterion_group!(benches, parsing);
criterion_main!(benches);
