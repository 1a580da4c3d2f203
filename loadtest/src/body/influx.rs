//! InfluxDB line protocol with millisecond timestamps, one field per line.

use std::fmt::Write;

use super::Row;

pub(super) fn body(rows: impl Iterator<Item = Row>) -> Vec<u8> {
    let mut text = String::new();
    for Row { kpi, host, timestamp_ms, value } in rows {
        // Writing to a String does not fail.
        let _written = writeln!(text, "load{kpi},host=web-{host},job=load value={value} {timestamp_ms}").is_ok();
    }
    text.into_bytes()
}
