//! StatsD: a good line at the end is counted after any input, and all samples are finite.

#![no_main]

use earcon_intake::statsd::Aggregator;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|packet: &[u8]| {
    let mut aggregator = Aggregator::new(100_000);
    aggregator.ingest(&[packet, b"\nzz_good:1|g"].concat());
    let batches = aggregator.flush(42, 10.0);
    assert!(batches.iter().any(|batch| batch.kpi.as_str() == "zz_good"));
    let rows = batches.iter().flat_map(|batch| &batch.series).flat_map(|series| &series.rows);
    assert!(rows.into_iter().all(|(_, sample)| sample.value.is_finite()));
});
