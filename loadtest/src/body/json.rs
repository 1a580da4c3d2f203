//! Earcon's own JSON protocol.

use std::fmt::Write;

use super::Row;

pub(super) fn body(rows: impl Iterator<Item = Row>) -> Vec<u8> {
    let mut text = String::from("{\"samples\":[");
    for Row { kpi, host, timestamp_ms, value } in rows {
        if !text.ends_with('[') {
            text.push(',');
        }
        // Writing to a String does not fail.
        let _written = write!(
            text,
            "{{\"kpi\":\"load{kpi}.value\",\"labels\":{{\"host\":\"web-{host}\",\"job\":\"load\"}},\
             \"timestamp\":{timestamp_ms},\"value\":{value}}}"
        )
        .is_ok();
    }
    text.push_str("]}");
    text.into_bytes()
}
