//! Quotes that are left open.

use super::*;

fn rows(count: usize, odd: impl Fn(usize) -> Option<&'static str>) -> String {
    let time = |row: usize| format!("2026-01-01 {:02}:{:02}", row / 60, row % 60);
    let row = |row: usize| format!("{},{},{row}\n", time(row), odd(row).unwrap_or("a"));
    std::iter::once("time,l,load\n".to_owned()).chain((1..=count).map(row)).collect()
}

fn open_at(result: Result<Outcome, TableError>) -> Option<u64> {
    match result.map_or_else(Err, |outcome| outcome.end) {
        Err(TableError::OpenQuote { line }) => Some(line),
        Err(other) => panic!("{other}"),
        Ok(()) => None,
    }
}

#[test]
fn a_quote_that_is_left_open_in_the_first_rows_refuses_the_file() {
    for (text, line) in [
        (rows(200, |row| (row == 50).then_some("\"a")), 51),
        (rows(200, |row| (row == 200).then_some("\"a")), 201),
        // The second quote closes the first, and the number of fields is right.
        (rows(200, |row| [50, 70].contains(&row).then_some("\"a")), 51),
        (rows(200, |row| [50, 51].contains(&row).then_some("\"a")), 51),
        (rows(200, |row| [50, 120].contains(&row).then_some("\"a")), 51),
        // The number of fields is wrong.
        ("time,note,load\n1,\"a,5\n2,\"b\",6\n".to_owned(), 2),
        ("sep=,\ntime,note,load\n1,a,5\n2,\"b,6".to_owned(), 4),
    ] {
        for text in [text.clone(), text.trim_end().to_owned()] {
            assert_eq!(open_at(read_as(None, text.as_bytes())), Some(line), "{text:?}");
        }
        assert_eq!(open_at(read_as(None, text.replace('\n', "\r\n").as_bytes())), Some(line), "CRLF {text:?}");
    }
    let early = rows(200, |row| (row == 50).then_some("\"a"));
    let refused = read_as(None, early.as_bytes()).err().unwrap().to_string();
    assert!(refused.contains("left open at line 51?"), "{refused}");
}

#[test]
fn a_later_quote_that_is_left_open_ends_the_reading() {
    for odd in [&[150][..], &[150, 170], &[150, 151]] {
        let text = rows(200, |row| odd.contains(&row).then_some("\"a"));
        let outcome = read_as(None, text.as_bytes()).unwrap();
        assert_eq!(outcome.samples.len(), 149, "{odd:?}");
        assert!(matches!(outcome.end, Err(TableError::OpenQuote { line: 151 })), "{:?}", outcome.end);
    }
}

#[test]
fn quoted_line_breaks_of_whole_fields_are_read() {
    for text in [
        "time,note,load\n1,\"a\nb\",5\n2,\"c\r\nd, e\",6\n",
        "\"time\",\"load\n(W)\"\n1,5\n2,6\n",
        "time,load,note\n1,5,x\n2,6,\"a\n\nb\"\n",
        "time,load,note\n1,5,x\n2,6,\"a\nb\"",
        "time,load,note\r\n1,5,x\r\n2,6,\"a\r\nb\"\r\n\r\n\r\n",
    ] {
        let outcome = read(text);
        assert_eq!((outcome.samples.len(), outcome.problems.len()), (2, 0), "{text:?}");
    }
}

#[test]
fn problems_name_the_line_whatever_ends_the_lines() {
    let text = "time,l,load\n1,a,5\n2,a,5\n3,a,5\n4,a,5\n\n5,b,x\n6,\"c\nd\",y\n7,a,z";
    let crlf = text.replace('\n', "\r\n");
    let mixed = text.replacen('\n', "\r\n", 3);
    // Reads of one byte, as a slow source gives them.
    for text in [text, &crlf, &mixed] {
        for whole in [true, false] {
            let input: Box<dyn Read> = if whole { Box::new(text.as_bytes()) } else { Box::new(Slow(text.as_bytes())) };
            let outcome = read_as(None, input).unwrap();
            let lines: Vec<u64> = outcome.problems.iter().map(|problem| problem.line).collect();
            assert_eq!(lines, [7, 9, 10], "{text:?}");
        }
    }
    let long = format!("time,load\r\n{}x,1\r\n", "1,2\r\n".repeat(20_000));
    assert_eq!(read(&long).problems[0].line, 20_002);
}

struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(1);
        self.0.read(&mut buffer[..most])
    }
}
