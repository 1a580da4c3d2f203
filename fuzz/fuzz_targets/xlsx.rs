//! Workbooks: the archive, and the table in it.

#![no_main]

use earcon_fuzz::read_table;
use earcon_tables::xlsx::to_csv;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|workbook: &[u8]| {
    if let Ok(csv) = to_csv(workbook.to_vec()) {
        read_table(&csv);
    }
});
