//! Limits the length of a record: after a quote that is never closed, a record would contain the
//! rest of the file. Also adds a missing line break at the end of the file, so that line numbers
//! are consistent, and one more line break. Only an open quote takes the second one into a record.

use std::io::{self, Read};

/// Passes bytes through until a record exceeds its limit.
#[derive(Debug)]
pub(super) struct BoundedRecords<R> {
    input: R,
    limit: usize,
    left: usize,
    last_byte: u8,
    /// Bytes passed through, without the second line break.
    passed: u64,
    /// The second line break was passed.
    ended: bool,
    /// The bytes of the last read, and the byte before them: a reader that has used them up asks
    /// for more.
    piece: Vec<u8>,
    before: u8,
    /// All bytes passed through before the last read.
    piece_start: u64,
    /// There is a quote in the record, or shortly before it.
    quoted: bool,
}

/// The error that [`BoundedRecords`] ends a record with.
#[derive(Debug, thiserror::Error)]
#[error("record too long")]
struct TooLong;

impl<R> BoundedRecords<R> {
    /// Allows `limit` bytes per record. Bytes that a buffer reads ahead count for the record that
    /// caused the read.
    pub(super) fn new(input: R, limit: usize) -> Self {
        let (left, last_byte, before, piece) = (limit, b'\n', b'\n', Vec::new());
        let (passed, ended, piece_start, quoted) = (0, false, 0, false);
        Self { input, limit, left, last_byte, passed, ended, piece, before, piece_start, quoted }
    }

    /// Whether the byte before this position is a line feed. Records of files with `\r\n` end at
    /// the `\r`. The position is in the last read, or at its end.
    pub(super) fn is_after_line_feed(&self, position: u64) -> bool {
        let within = position.checked_sub(self.piece_start + 1).and_then(|at| usize::try_from(at).ok());
        within.and_then(|at| self.piece.get(at)).unwrap_or(&self.before) == &b'\n'
    }

    /// Keeps the bytes of a read.
    fn keep(&mut self, read: &[u8]) {
        self.piece_start += self.piece.len() as u64;
        self.before = self.piece.last().copied().unwrap_or(self.before);
        self.piece.clear();
        self.piece.extend_from_slice(read);
        self.quoted |= read.contains(&b'"');
    }

    /// Resets the limit for the next record.
    pub(super) fn start_record(&mut self) {
        self.left = self.limit;
        self.quoted = self.piece.contains(&b'"');
    }

    /// Whether there is a quote in the current record, or shortly before it.
    pub(super) fn is_quoted(&self) -> bool {
        self.quoted
    }

    /// Whether a record that ends at this byte contains the end of the file: a quote is open.
    pub(super) fn is_past_end(&self, byte: u64) -> bool {
        self.ended && byte > self.passed
    }
}

impl<R: Read> Read for BoundedRecords<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::Error::other(TooLong));
        }
        let read = self.input.read(buffer)?;
        if read > 0 {
            // Outside of quotes, blank lines are no part of a record, and hold no memory.
            let is_blank = !self.quoted && buffer[..read].iter().all(|byte| matches!(byte, b'\n' | b'\r'));
            if !is_blank {
                self.left = self.left.saturating_sub(read);
            }
            self.last_byte = buffer[read - 1];
            self.passed += read as u64;
            self.keep(&buffer[..read]);
        } else if !self.ended && !buffer.is_empty() {
            if self.last_byte == b'\n' {
                self.ended = true;
            } else {
                self.last_byte = b'\n';
                self.passed += 1;
            }
            buffer[0] = b'\n';
            self.keep(b"\n");
            return Ok(1);
        }
        Ok(read)
    }
}

/// Whether `error` is a record that is too long.
pub(super) fn is_too_long(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<TooLong>())
}
