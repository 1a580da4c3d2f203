//! Keeps one record from taking all memory: a quote that is never closed would otherwise swallow the rest of the file.
//! Also ends the last line when the file does not, so that line numbers count the same everywhere.

use std::io::{self, Read};

/// Passes bytes through until a record has taken more than its share.
#[derive(Debug)]
pub(super) struct BoundedRecords<R> {
    input: R,
    limit: usize,
    left: usize,
    last_byte: u8,
}

/// The error that [`BoundedRecords`] ends a record with.
#[derive(Debug, thiserror::Error)]
#[error("record too long")]
struct TooLong;

impl<R> BoundedRecords<R> {
    /// Allows `limit` bytes a record; what a buffer above reads ahead counts for the record that causes the reading.
    pub(super) fn new(input: R, limit: usize) -> Self {
        Self { input, limit, left: limit, last_byte: b'\n' }
    }

    /// Grants the next record its whole share.
    pub(super) fn start_record(&mut self) {
        self.left = self.limit;
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
        } else if self.last_byte != b'\n' && !buffer.is_empty() {
            self.last_byte = b'\n';
            buffer[0] = b'\n';
            return Ok(1);
        }
        Ok(read)
    }
}

/// Whether `error` says that a record was too long.
pub(super) fn is_too_long(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<TooLong>())
}
