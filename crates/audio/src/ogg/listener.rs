//! The Ogg stream of one listener: its own headers before shared pages.

use bytes::{BufMut, Bytes};

use super::checksum::{checksum, multiply};
use super::page::{FIRST, Page};
use crate::frame::SAMPLE_RATE;

const HEADER: usize = 27;
const CHECKSUM_AT: usize = 22;

/// Writes a listener's own header before each shared page.
#[derive(Debug)]
pub struct ListenerStream {
    serial: u32,
    sequence: u32,
    granule: u64,
}

impl ListenerStream {
    /// Begins a stream. Returns the two header pages that must be sent first.
    ///
    /// `serial` identifies the stream and may be any number. `joined_at` is the number of samples
    /// before the first page that will be sent; 0 for a file. From then on, the position counts the
    /// samples sent to this listener.
    pub fn begin(serial: u32, pre_skip: u16, joined_at: u64) -> (Self, Bytes) {
        let mut stream = Self { serial, sequence: 0, granule: 0 };
        let head = stream.write(&Page::new(FIRST, 0, 0, &[opus_head(pre_skip)]));
        let tags = stream.write(&Page::new(0, 0, 0, &[opus_tags()]));
        stream.granule = joined_at;
        (stream, [head, tags].concat().into())
    }

    /// The bytes of the page for this listener.
    pub fn write(&mut self, page: &Page) -> Bytes {
        [&self.header(page)[..], &page.content].concat().into()
    }

    /// The header of the page for this listener. The page's [`content`](Page::content) follows.
    pub fn header(&mut self, page: &Page) -> [u8; HEADER] {
        self.granule += page.samples;
        let mut header = [0; HEADER];
        let mut rest = &mut header[..];
        rest.put_slice(b"OggS\0");
        rest.put_u8(page.flags);
        rest.put_u64_le(self.granule);
        rest.put_u32_le(self.serial);
        rest.put_u32_le(self.sequence);
        rest.put_u32_le(0);
        rest.put_u8(page.segments);
        let whole = multiply(checksum(0, &header), page.shift) ^ page.checksum;
        header[CHECKSUM_AT..CHECKSUM_AT + 4].copy_from_slice(&whole.to_le_bytes());
        self.sequence = self.sequence.wrapping_add(1);
        header
    }
}

/// The identification header (RFC 7845 §5.1): version 1, stereo, no gain, channel mapping family 0.
fn opus_head(pre_skip: u16) -> Bytes {
    let mut head = b"OpusHead\x01\x02".to_vec();
    head.extend(pre_skip.to_le_bytes());
    head.extend(SAMPLE_RATE.to_le_bytes());
    head.extend([0, 0, 0]);
    head.into()
}

/// The comment header (RFC 7845 §5.2): the vendor, and no comments. Titles travel out of band.
fn opus_tags() -> Bytes {
    const VENDOR: &[u8] = b"earcon";
    let mut tags = b"OpusTags".to_vec();
    tags.extend((VENDOR.len() as u32).to_le_bytes());
    tags.extend(VENDOR);
    tags.extend(0u32.to_le_bytes());
    tags.into()
}
