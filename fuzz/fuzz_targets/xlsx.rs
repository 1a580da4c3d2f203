//! Workbooks: the archive, and the table in it.

#![no_main]

use earcon_fuzz::read_table;
use earcon_tables::xlsx::first_sheet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|workbook: &[u8]| {
    if let Ok(sheet) = first_sheet(workbook.to_vec()) {
        let _none = sheet.warning();
        read_table(&sheet.csv);
    }
});
