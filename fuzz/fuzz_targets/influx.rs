//! Influx line protocol: a good line at the end is accepted after any input.

#![no_main]

use earcon_fuzz::gather;
use earcon_intake::influx::{Precision, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let body = [body, b"\nzz_good value=1 1"].concat();
    let Some(parsed) = gather(|batch| parse(&body, Precision::Milliseconds, batch)) else { return };
    assert!(parsed.batches.iter().any(|batch| batch.kpi.as_str() == "zz_good"));
});
