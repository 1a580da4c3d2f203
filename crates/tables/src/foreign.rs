//! Files of other kinds than text, recognised by their first bytes.

use super::error::TableError;

/// First bytes, the kind of file, and what to do with it.
const KINDS: [(&[u8], &str, &str); 16] = [
    (b"\x1f\x8b", "gzip", "decompress it"),
    (b"PK\x03\x04", "a zip archive", "send a workbook as .xlsx, and unpack other archives"),
    (b"PK\x05\x06", "an empty zip archive", "send the file that it should hold"),
    (b"\x28\xb5\x2f\xfd", "zstd", "decompress it"),
    (b"\xfd7zXZ\0", "xz", "decompress it"),
    (b"BZh", "bzip2", "decompress it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"\x04\x22\x4d\x18", "lz4", "decompress it"),
    (b"PAR1", "Parquet", "export it as CSV"),
    (b"ORC", "ORC", "export it as CSV"),
    (b"Obj\x01", "Avro", "export it as CSV"),
    (b"ARROW1", "Arrow", "export it as CSV"),
    (b"SQLite format 3\0", "a database of SQLite", "export the table as CSV"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old workbook or document of Office", "save the sheet as .xlsx or CSV"),
    (b"%PDF-", "a PDF", "save the table as CSV"),
    (b"\x89HDF\r\n\x1a\n", "HDF5", "export it as CSV"),
];

const EXPORT: &str = "export the table as CSV";
const JSON: &str = "send it to \u{2026}/kpis/ingest in the form of Earcon's own JSON, or export the table as CSV";

/// Beginnings of texts that are no tables, in small letters.
const TEXTS: [(&[u8], &str, &str); 10] = [
    (b"<!doctype", "a web page", EXPORT),
    (b"<html", "a web page", EXPORT),
    (b"<?xml", "XML", EXPORT),
    (b"{\\rtf", "RTF", EXPORT),
    (b"{\"", "JSON", JSON),
    (b"[{", "JSON", JSON),
    (b"[[", "JSON", JSON),
    (b"insert into ", "SQL", EXPORT),
    (b"# help ", "the text of Prometheus metrics", "have Prometheus scrape it and send it by remote write"),
    (b"# type ", "the text of Prometheus metrics", "have Prometheus scrape it and send it by remote write"),
];

/// Refuses a file of another kind by its name.
///
/// # Errors
/// The first bytes are those of another kind.
pub(super) fn check(beginning: &[u8]) -> Result<(), TableError> {
    let is = |begin: &&(&[u8], &'static str, &'static str)| beginning.starts_with(begin.0);
    // Names of columns may begin with three letters of a kind.
    let is_binary = beginning.iter().take(1_024).any(|byte| *byte < b' ' && !byte.is_ascii_whitespace());
    let found = KINDS.iter().find(is).filter(|(begin, _, _)| is_binary || !begin.is_ascii() || *begin == b"%PDF-");
    if let Some((_, kind, remedy)) = found {
        return Err(TableError::Foreign { kind, remedy });
    }
    let text = beginning.trim_ascii_start();
    let is_text = |begin: &&(&[u8], &'static str, &'static str)| {
        text.get(..begin.0.len()).is_some_and(|text| text.eq_ignore_ascii_case(begin.0))
    };
    let found = TEXTS.iter().find(is_text);
    found.map_or(Ok(()), |(_, kind, remedy)| Err(TableError::Foreign { kind, remedy }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_kinds_are_named() {
        for (begin, kind) in [
            (&b"\x1f\x8b\x08\0\0\0"[..], "this is gzip, not CSV; decompress it"),
            (b"PK\x03\x04\x14\0", "this is a zip archive, not CSV; send a workbook as .xlsx"),
            (b"PAR1\x15\x04", "this is Parquet"),
            (b"%PDF-1.7\n", "this is a PDF"),
            (b"SQLite format 3\0\x10", "this is a database of SQLite"),
            (b"\x28\xb5\x2f\xfd\x04", "this is zstd"),
            (b"\n<!DOCTYPE html>", "this is a web page"),
            (b"{\"time\":1,\"load\":2}\n", "this is JSON, not CSV; send it to"),
            (b" [{\"time\":1}]", "this is JSON"),
            (b"# HELP x y\n", "this is the text of Prometheus metrics"),
            (b"INSERT INTO x VALUES", "this is SQL"),
        ] {
            let refused = check(begin).unwrap_err().to_string();
            assert!(refused.starts_with(kind), "{refused}");
        }
        for text in ["BZh,time\n1,2\n", "ORC,time\n", "PAR1;time\n", "<5ms,time\n", ""] {
            assert!(check(text.as_bytes()).is_ok(), "{text:?}");
        }
    }
}
