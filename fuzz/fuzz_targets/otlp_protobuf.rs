//! OTLP metrics in protobuf.

#![no_main]

use earcon_fuzz::gather;
use earcon_intake::otlp::parse_protobuf;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    gather(|batch| parse_protobuf(body, batch).map(drop));
});
