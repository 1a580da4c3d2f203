//! The separator of a file.

use ::csv::{ByteRecord, ReaderBuilder};

/// Separators, in order of preference.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Rows that are compared.
const ROWS: usize = 20;

/// The separator, and how many bytes and lines come before the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) separator: u8,
    pub(super) skipped_bytes: usize,
    pub(super) skipped_lines: u64,
}

/// Finds the separator in the beginning of a file: the one that spreadsheets write as `sep=;`, or
/// the one that divides the first rows into most fields of equal number.
pub(super) fn detect(text: &[u8], is_whole: bool) -> Dialect {
    if let Some(dialect) = stated(text) {
        return dialect;
    }
    let whole_lines = match text.iter().rposition(|byte| *byte == b'\n') {
        Some(end) if !is_whole => &text[..=end],
        _ => text,
    };
    let best = SEPARATORS.iter().rev().max_by_key(|separator| fields(whole_lines, **separator));
    Dialect { separator: best.copied().unwrap_or(b','), skipped_bytes: 0, skipped_lines: 0 }
}

/// A first line `sep=;`, which spreadsheets read.
fn stated(text: &[u8]) -> Option<Dialect> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    let line = text[..end].trim_ascii();
    let line = line.strip_prefix(b"\"").and_then(|line| line.strip_suffix(b"\"")).unwrap_or(line);
    let rest = line.get(4..).filter(|_| line[..4].eq_ignore_ascii_case(b"sep="));
    // A tab at the end is white space, and was trimmed.
    let separator = match (rest, text[..end].contains(&b'\t')) {
        (Some([separator]), _) => *separator,
        (Some([]), true) => b'\t',
        _ => return None,
    };
    Some(Dialect { separator, skipped_bytes: end + 1, skipped_lines: 1 })
}

/// The number of fields of the first row if four of five rows have as many, else 1.
fn fields(text: &[u8], separator: u8) -> usize {
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).delimiter(separator).from_reader(text);
    let mut record = ByteRecord::new();
    let mut counts = Vec::new();
    while counts.len() < ROWS && reader.read_byte_record(&mut record).unwrap_or(false) {
        let used = record.iter().rposition(|field| !field.trim_ascii().is_empty()).map_or(0, |last| last + 1);
        counts.push(used);
    }
    let Some((first, others)) = counts.split_first() else { return 1 };
    // A last column may be empty in many rows.
    let alike = others.iter().filter(|count| (2..=*first).contains(*count)).count();
    if alike * 5 >= others.len() * 4 { (*first).max(1) } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn separator(text: &str) -> char {
        char::from(detect(text.as_bytes(), true).separator)
    }

    #[test]
    fn separator_divides_all_rows_alike() {
        assert_eq!(separator("time,a\n2026-01-01,1\n"), ',');
        assert_eq!(separator("time;a;b\n2026-01-01 00:00;1,5;2,5\n2026-01-01 00:01;1,5;\n"), ';');
        assert_eq!(separator("time\ta, b\n2026-01-01\t1\n"), '\t');
        assert_eq!(separator("time|a\n1|2\n"), '|');
        assert_eq!(separator("time,\"a;b;c\"\n1,2\n2,3\n"), ',');
        assert_eq!(separator("time\n1\n"), ',');
        assert_eq!(separator(""), ',');
    }

    #[test]
    fn a_stated_separator_is_taken() {
        for (text, expected) in [("sep=;\na,b;c\n", b';'), ("\"SEP=|\"\r\na,b\n", b'|'), ("sep=\t\na,b\n", b'\t')] {
            let dialect = detect(text.as_bytes(), true);
            assert_eq!((dialect.separator, dialect.skipped_lines), (expected, 1), "{text:?}");
            assert!(text[dialect.skipped_bytes..].starts_with('a'));
        }
        assert_eq!(detect(b"separator,a\n1,2\n", true).skipped_lines, 0);
    }
}
