//! collectd's JSON: no body panics.

#![no_main]

use earcon_fuzz::gather;
use earcon_intake::collectd::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    gather(|batch| parse(body, batch));
});
