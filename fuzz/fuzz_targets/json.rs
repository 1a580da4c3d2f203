//! Earcon's own JSON and NDJSON.

#![no_main]

use earcon_fuzz::gather;
use earcon_intake::json::{parse_document, parse_lines};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    gather(|batch| parse_document(body, batch));
    let lines = [body, b"\n{\"kpi\":\"zz_good\",\"value\":1}"].concat();
    let Some(parsed) = gather(|batch| parse_lines(&lines, batch)) else { return };
    assert!(parsed.batches.iter().any(|batch| batch.kpi.as_str() == "zz_good"));
});
