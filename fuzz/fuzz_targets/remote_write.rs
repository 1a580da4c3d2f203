//! Prometheus remote write: the snappy block, and the request in it.

#![no_main]

use earcon_fuzz::gather;
use earcon_intake::remote_write::{decompress, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    gather(|batch| parse(body, batch));
    if let Ok(request) = decompress(body, 1 << 20) {
        gather(|batch| parse(&request, batch));
    }
});
