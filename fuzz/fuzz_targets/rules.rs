//! A workspace's rules, and a few series mapped by them. An accepted document must be accepted
//! again.

#![no_main]

use earcon_intake::influx::{Precision, parse};
use earcon_intake::rules::RulesDocument;
use earcon_intake::{Batch, SeriesCache};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    let Ok(rules) = RulesDocument::parse(json) else { return };
    let again = serde_json::to_vec(rules.document()).expect("a document is JSON");
    assert_eq!(RulesDocument::parse(&again).expect("taken before").document(), rules.document());
    let catalogue = SeriesCache::new(rules, 1_000, 1);
    let mut batch = Batch::new(&catalogue, 42, 100);
    let body = b"a,b=c,d=e value=1\nhttp.requests,method=GET total=1,code=2\ncpu\\ load,host=a\\,b usage=3";
    assert!(parse(body, Precision::Nanoseconds, &mut batch).is_ok());
    batch.finish();
});
