//! OTLP metrics in JSON.

#![no_main]

use earcon_fuzz::gather;
use earcon_intake::otlp::parse_json;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    gather(|batch| parse_json(body, batch).map(drop));
});
