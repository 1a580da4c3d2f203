//! Prometheus remote write: the snappy block, and the request of each version in it.

#![no_main]

use earcon_fuzz::gather;
use earcon_intake::remote_write::{Version, decompress, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for version in [Version::V1, Version::V2] {
        gather(|batch| parse(version, body, batch).map(|_| ()));
        if let Ok(request) = decompress(body, 1 << 20) {
            gather(|batch| parse(version, &request, batch).map(|_| ()));
        }
    }
});
