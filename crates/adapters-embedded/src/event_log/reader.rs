//! Reading frames in order, and finding the next whole frame behind an invalid region.

use std::io;

use super::files::Source;
use super::frame::{ALIGN, Frame, HEADER, MAGIC, Seed};

/// Bytes of the first read and of the largest one. A short read of a few events stays short.
const FIRST_WINDOW: usize = 32 << 10;
const WINDOW: usize = 1 << 20;

/// The next thing in a segment.
#[derive(Debug)]
pub(super) enum Step<'a> {
    Frame {
        offset: u64,
        frame: Frame,
        payload: &'a [u8],
    },
    /// No whole frame begins at the offset.
    Invalid {
        offset: u64,
    },
    End,
}

/// Reads the frames of a segment between two offsets and checks each.
#[derive(Debug)]
pub(super) struct FrameReader<'s, S: Source + ?Sized> {
    source: &'s S,
    seed: Seed,
    offset: u64,
    end: u64,
    buffer: Vec<u8>,
    /// Offset of the first byte of `buffer`.
    at: u64,
    window: usize,
}

impl<'s, S: Source + ?Sized> FrameReader<'s, S> {
    pub(super) fn new(source: &'s S, seed: Seed, offset: u64, end: u64) -> Self {
        Self { source, seed, offset, end, buffer: Vec::new(), at: offset, window: FIRST_WINDOW }
    }

    /// The next frame. Stays at the same offset after [`Step::Invalid`].
    pub(super) fn next(&mut self) -> io::Result<Step<'_>> {
        let offset = self.offset;
        if offset >= self.end {
            return Ok(Step::End);
        }
        let seed = self.seed;
        let Some(frame) = self.bytes(offset, HEADER)?.and_then(|bytes| Frame::parse(bytes, seed, offset)) else {
            return Ok(Step::Invalid { offset });
        };
        let length = frame.payload as usize;
        let whole = self.bytes(offset + HEADER as u64, length)?.is_some_and(|payload| frame.fits(payload));
        if !whole {
            return Ok(Step::Invalid { offset });
        }
        self.offset = offset + frame.len();
        let start = (offset - self.at) as usize + HEADER;
        Ok(Step::Frame { offset, frame, payload: &self.buffer[start..start + length] })
    }

    /// Goes on at another offset.
    pub(super) fn go_to(&mut self, offset: u64) {
        self.offset = offset;
    }

    /// Bytes in the buffer, which is filled as needed. `None` beyond the end. Keeps the bytes from
    /// the current frame's beginning on.
    fn bytes(&mut self, offset: u64, length: usize) -> io::Result<Option<&[u8]>> {
        if offset + length as u64 > self.end {
            return Ok(None);
        }
        let buffered = self.at..=self.at + self.buffer.len() as u64;
        if !buffered.contains(&offset) || !buffered.contains(&(offset + length as u64)) {
            let begin = self.offset;
            let wanted = ((offset - begin) as usize + length).max(self.window).min((self.end - begin) as usize);
            self.window = (self.window * 2).min(WINDOW);
            self.buffer.resize(wanted, 0);
            let count = self.source.read_at(&mut self.buffer, begin)?;
            self.buffer.truncate(count);
            self.at = begin;
        }
        let start = (offset - self.at) as usize;
        Ok(self.buffer.get(start..start + length))
    }
}

/// The offset of the first whole frame at or after `from`, before `end`.
pub(super) fn find_frame<S: Source + ?Sized>(source: &S, seed: Seed, from: u64, end: u64) -> io::Result<Option<u64>> {
    let mut at = from.next_multiple_of(ALIGN as u64);
    let mut buffer = vec![0; WINDOW];
    while at < end {
        let wanted = WINDOW.min((end - at) as usize);
        let count = source.read_at(&mut buffer[..wanted], at)?;
        for start in (0..count).step_by(ALIGN) {
            if !buffer[start..count].starts_with(&MAGIC) {
                continue;
            }
            let offset = at + start as u64;
            let mut reader = FrameReader::new(source, seed, offset, end);
            if matches!(reader.next()?, Step::Frame { .. }) {
                return Ok(Some(offset));
            }
        }
        at += WINDOW as u64;
        if count < wanted {
            break;
        }
    }
    Ok(None)
}

/// Whether there are only zeros between two offsets, or nothing at all.
pub(super) fn is_zero<S: Source + ?Sized>(source: &S, from: u64, end: u64) -> io::Result<bool> {
    let mut buffer = vec![0; WINDOW];
    let mut at = from;
    while at < end {
        let wanted = WINDOW.min((end - at) as usize);
        let count = source.read_at(&mut buffer[..wanted], at)?;
        if buffer[..count].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        if count < wanted {
            break;
        }
        at += count as u64;
    }
    Ok(true)
}
