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
}

/// The error that [`BoundedRecords`] ends a record with.
#[derive(Debug, thiserror::Error)]
#[error("record too long")]
struct TooLong;

impl<R> BoundedRecords<R> {
    /// Allows `limit` bytes per record. Bytes that a buffer reads ahead count for the record that
    /// caused the read.
    pub(super) fn new(input: R, limit: usize) -> Self {
        Self { input, limit, left: limit, last_byte: b'\n', passed: 0, ended: false }
    }

    /// Resets the limit for the next record.
    pub(super) fn start_record(&mut self) {
        self.left = self.limit;
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
            self.left = self.left.saturating_sub(read);
            self.last_byte = buffer[read - 1];
            self.passed += read as u64;
        } else if !self.ended && !buffer.is_empty() {
            if self.last_byte == b'\n' {
                self.ended = true;
            } else {
                self.last_byte = b'\n';
                self.passed += 1;
            }
            buffer[0] = b'\n';
            return Ok(1);
        }
        Ok(read)
    }
}

/// Whether `error` is a record that is too long.
pub(super) fn is_too_long(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<TooLong>())
}
