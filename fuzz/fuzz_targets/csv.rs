//! Tables as CSV, with everything left to follow from the first rows.

#![no_main]

use earcon_fuzz::read_table;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| read_table(file));
