//! Cuts an Ogg stream into its pages (RFC 3533, section 6), so that only whole pages are
//! written, and counts their samples. Pure.

use std::io;

const CAPTURE: &[u8] = b"OggS";
/// Length of a page header up to the number of segments, bytes.
const HEADER: usize = 27;

/// Splits a stream into pages.
#[derive(Default)]
pub(super) struct Pages {
    held: Vec<u8>,
    /// Position at the end of the first page with sound.
    first: Option<u64>,
    samples: u64,
}

impl Pages {
    /// Adds the next piece of the stream.
    pub(super) fn push(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
    }

    /// The next page, if it is complete.
    ///
    /// # Errors
    /// If the stream is not Ogg.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let start = &self.held[..self.held.len().min(CAPTURE.len())];
        if !CAPTURE.starts_with(start) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the server does not send Ogg"));
        }
        let Some(length) = page_length(&self.held) else { return Ok(None) };
        if self.held.len() < length {
            return Ok(None);
        }
        let rest = self.held.split_off(length);
        let page = std::mem::replace(&mut self.held, rest);
        self.count(&page);
        Ok(Some(page))
    }

    /// Samples in the pages so far, without those of the first page.
    pub(super) fn samples(&self) -> u64 {
        self.samples
    }

    fn count(&mut self, page: &[u8]) {
        let mut position = [0; 8];
        position.copy_from_slice(&page[6..14]);
        // 0 on the header pages, -1 on a page in which no packet ends.
        if let Ok(position @ 1..) = u64::try_from(i64::from_le_bytes(position)) {
            self.samples = position.saturating_sub(*self.first.get_or_insert(position));
        }
    }
}

/// Length of the page at the start of `bytes`, if its segment table is complete.
fn page_length(bytes: &[u8]) -> Option<usize> {
    let segments = usize::from(*bytes.get(HEADER - 1)?);
    let table = bytes.get(HEADER..HEADER + segments)?;
    Some(HEADER + segments + table.iter().map(|length| usize::from(*length)).sum::<usize>())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn pages_are_whole_for_any_piece_size() {
        let (mut listener, headers) = earcon_audio::ListenerStream::begin(7, 312, 96_000);
        let (mut packets, mut stream) = (earcon_audio::Pages::default(), headers.to_vec());
        for number in 100..600 {
            let page = packets.push(number, Bytes::from_static(&[0xfc, 0xff, 0xfe]), 2);
            stream.extend(page.map(|page| listener.write(&page)).unwrap_or_default());
        }
        for size in [1, 26, 28, 1_000, stream.len()] {
            let mut pages = Pages::default();
            let mut out = Vec::new();
            for piece in stream.chunks(size) {
                pages.push(piece);
                while let Some(page) = pages.next().unwrap() {
                    assert!(page.starts_with(CAPTURE));
                    out.extend(page);
                }
            }
            assert!(out == stream, "in pieces of {size}");
            // 10 s, minus the first page and the last incomplete one.
            assert!((9 * 48_000..=10 * 48_000).contains(&pages.samples()), "{}", pages.samples());
        }
    }

    #[test]
    fn stream_that_is_not_ogg_is_refused() {
        let mut pages = Pages::default();
        pages.push(b"<html>");
        assert!(pages.next().is_err());
    }
}
