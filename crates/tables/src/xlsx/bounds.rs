//! Bounds what a workbook may inflate to, before any of it is read: all parts, each part that is
//! kept in memory, and each cell.
//!
//! A small file can hold one cell of hundreds of megabytes. So every part is first inflated in
//! small pieces that are discarded, and only lengths are kept.

use std::io::{self, Cursor, Read, Seek, Write};

use zip::{ZipArchive, ZipWriter};

use super::{SheetError, damaged};

/// The largest inflated size of a workbook, bytes.
pub(super) const MAX_INFLATED: u64 = 256 << 20;
/// The largest inflated size of a part that is kept in memory, such as the table of texts, bytes.
pub(super) const MAX_PART: u64 = 64 << 20;
/// The longest cell and the longest tag, bytes of XML. A spreadsheet keeps 32,767 characters in a
/// cell, of at most ten bytes each.
pub(super) const MAX_CELL: usize = 512 << 10;

/// Checks the parts of a workbook. Gives it back without the parts that are no XML, such as
/// pictures: then no list in the workbook can name one of them as a sheet.
///
/// # Errors
/// The workbook is damaged, or one of its parts or cells is too large.
pub(super) fn check(workbook: Vec<u8>) -> Result<Vec<u8>, SheetError> {
    let mut archive = ZipArchive::new(Cursor::new(workbook)).map_err(damaged)?;
    let mut left = MAX_INFLATED;
    let mut kept = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(damaged)?;
        if read_part(entry, &mut left)? {
            kept.push(index);
        }
    }
    if kept.len() == archive.len() {
        return Ok(archive.into_inner().into_inner());
    }
    only(&mut archive, &kept)
}

/// Inflates and discards a part, because the sizes in the archive's directory can be false. Whether
/// it is XML.
fn read_part(entry: impl Read, left: &mut u64) -> Result<bool, SheetError> {
    let mut part = Part::default();
    let read = io::copy(&mut entry.take(*left + 1), &mut part);
    if let Some(problem) = part.problem {
        return Err(problem);
    }
    *left = left.checked_sub(read.map_err(damaged)?).ok_or(SheetError::TooLarge)?;
    Ok(part.is_xml == Some(true))
}

fn only<R: Read + Seek>(archive: &mut ZipArchive<R>, kept: &[usize]) -> Result<Vec<u8>, SheetError> {
    let mut copy = ZipWriter::new(Cursor::new(Vec::new()));
    for index in kept {
        let entry = archive.by_index_raw(*index).map_err(damaged)?;
        copy.raw_copy_file(entry).map_err(damaged)?;
    }
    Ok(copy.finish().map_err(damaged)?.into_inner())
}

/// Where in the XML a byte is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// In the name behind `<`.
    Name,
    /// Behind the name of a tag, inside of these quotes.
    Tag(Option<u8>),
    /// In a comment or in plain characters, which end like this.
    Until(&'static [u8; 3]),
}

/// What was seen of a part.
#[derive(Debug, Default)]
struct Part {
    problem: Option<SheetError>,
    /// Whether its first character is `<`. `None` before that.
    is_xml: Option<bool>,
    state: State,
    bytes: u64,
    /// Bytes since the last tag began, and since the last cell or text of the table began.
    run: usize,
    cell: Option<usize>,
    /// The most of both.
    longest: usize,
    name: Vec<u8>,
    last: [u8; 2],
    /// Its first tag, and whether another one tells that it is a list that is kept in memory.
    root: Option<Vec<u8>>,
    is_list: bool,
}

impl Part {
    fn see(&mut self, byte: u8) {
        self.run += 1;
        self.cell = self.cell.map(|bytes| bytes + 1);
        match self.state {
            State::Text if byte == b'<' => {
                (self.run, self.state) = (0, State::Name);
                self.name.clear();
            }
            State::Text => {}
            State::Name => self.see_name(byte),
            State::Tag(None) if byte == b'>' => self.state = State::Text,
            State::Tag(None) if matches!(byte, b'"' | b'\'') => self.state = State::Tag(Some(byte)),
            State::Tag(Some(quote)) if byte == quote => self.state = State::Tag(None),
            State::Tag(_) => {}
            State::Until(end) if [self.last[0], self.last[1], byte] == *end => self.state = State::Text,
            State::Until(_) => {}
        }
        self.last = [self.last[1], byte];
        self.longest = self.longest.max(self.run).max(self.cell.unwrap_or(0));
    }

    fn see_name(&mut self, byte: u8) {
        let ends = byte == b'>' || byte.is_ascii_whitespace() || (byte == b'/' && !self.name.is_empty());
        if !ends && self.name.len() < 64 {
            self.name.push(byte);
            match &self.name[..] {
                b"!--" => self.state = State::Until(b"-->"),
                b"![CDATA[" => self.state = State::Until(b"]]>"),
                _ => {}
            }
            return;
        }
        self.state = if byte == b'>' { State::Text } else { State::Tag(None) };
        let (is_end, name) = self.name.strip_prefix(b"/").map_or((false, &self.name[..]), |name| (true, name));
        let name = name.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        match name {
            b"c" | b"row" => self.cell = (!is_end).then_some(0),
            b"si" => (self.cell, self.is_list) = ((!is_end).then_some(0), true),
            b"sheet" | b"Relationship" | b"xf" | b"numFmt" => self.is_list = true,
            _ => {}
        }
        if self.root.is_none() && !name.starts_with(b"?") && !name.starts_with(b"!") {
            self.root = Some(name.to_vec());
        }
    }

    fn check(&self) -> Result<(), SheetError> {
        if self.longest > MAX_CELL {
            return Err(SheetError::CellTooLong);
        }
        // The cells of a sheet are read one by one.
        let is_sheet = self.root.as_deref() == Some(b"worksheet") && !self.is_list;
        let is_kept = !is_sheet && self.is_xml == Some(true);
        if is_kept && self.bytes > MAX_PART { Err(SheetError::TextsTooLarge) } else { Ok(()) }
    }
}

impl Write for Part {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let begins = piece.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.bytes == 0).unwrap_or(piece);
        if self.is_xml.is_none() {
            self.is_xml = begins.iter().find(|byte| !byte.is_ascii_whitespace()).map(|first| *first == b'<');
        }
        self.bytes += piece.len() as u64;
        if self.is_xml != Some(false) {
            for byte in piece {
                self.see(*byte);
            }
            if let Err(problem) = self.check() {
                self.problem = Some(problem);
                return Err(io::Error::other("too large"));
            }
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_part(text: &str) -> Result<(), SheetError> {
        let mut part = Part::default();
        let _written = part.write_all(text.as_bytes()).is_ok();
        part.problem.map_or(Ok(()), Err)
    }

    #[test]
    fn long_cells_and_tags_are_found_however_they_are_written() {
        let long = "x".repeat(MAX_CELL + 1);
        let parts = format!("<t>{}</t>", "y".repeat(1_000)).repeat(MAX_CELL / 1_000);
        for (text, is_refused) in [
            (format!("<worksheet><row><c><is><t>{long}</t></is></c></row></worksheet>"), true),
            (format!("<x:worksheet><x:row><x:c><x:is>{parts}</x:is></x:c></x:row></x:worksheet>"), true),
            (format!("<worksheet><row><c r=\"{}\"/></row></worksheet>", "<a>".repeat(MAX_CELL / 3 + 9)), true),
            (format!("<worksheet><!--{}--></worksheet>", "<a>".repeat(MAX_CELL / 3 + 9)), true),
            (format!("<worksheet><![CDATA[{}]]></worksheet>", "<a>".repeat(MAX_CELL / 3 + 9)), true),
            (format!("<sst><si>{parts}</si></sst>"), true),
            (format!("<worksheet>{}</worksheet>", "<c><v>1</v></c>".repeat(100_000)), false),
            (format!("<sst>{}</sst>", "<si><t>a</t></si>".repeat(100_000)), false),
            (format!("<worksheet><row>{}</row></worksheet>", "<c r='A1'/>".repeat(100_000)), false),
        ] {
            let refused = check_part(&text);
            assert_eq!(matches!(refused, Err(SheetError::CellTooLong)), is_refused, "{:.60}: {refused:?}", text);
        }
    }
}
