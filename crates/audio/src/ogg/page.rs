//! The part of a page that all listeners share.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use super::checksum::{checksum, shift};
use crate::frame::FRAME_SAMPLES;

/// Flag of a stream's first page.
pub(super) const FIRST: u8 = 2;
/// Flag of a stream's last page.
const LAST: u8 = 4;
/// Maximum number of segments of a page.
const MAX_SEGMENTS: usize = 255;

/// Packets, with everything that is the same for all listeners. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Page {
    pub(super) flags: u8,
    /// Samples at 48 kHz that end in this page.
    pub(super) samples: u64,
    /// Samples of the stream before this page.
    pub(super) begins_at: u64,
    pub(super) segments: u8,
    /// The segment table, and the packets.
    pub(super) content: Bytes,
    /// Checksum of `content`.
    pub(super) checksum: u32,
    /// Factor for the checksum of the header.
    pub(super) shift: u32,
}

impl Page {
    /// The packets must fit: at most 255 segments of 255 bytes in total.
    pub(super) fn new(flags: u8, begins_at: u64, samples: u64, packets: &[Bytes]) -> Self {
        let segments: usize = packets.iter().map(segments_of).sum();
        debug_assert!(segments <= MAX_SEGMENTS);
        let mut content = BytesMut::with_capacity(segments + packets.iter().map(Bytes::len).sum::<usize>());
        for packet in packets {
            content.put_bytes(u8::MAX, packet.len() / 255);
            content.put_u8((packet.len() % 255) as u8);
        }
        packets.iter().for_each(|packet| content.put_slice(packet));
        let content = content.freeze();
        let (checksum, shift) = (checksum(0, &content), shift(content.len()));
        Self { flags, samples, begins_at, segments: segments as u8, content, checksum, shift }
    }

    /// Samples of the stream before this page: the position of a listener who joins with it.
    pub fn begins_at(&self) -> u64 {
        self.begins_at
    }

    /// Samples of the stream up to the end of this page.
    pub fn ends_at(&self) -> u64 {
        self.begins_at + self.samples
    }

    /// Everything behind the header, the same for all listeners.
    pub fn content(&self) -> &Bytes {
        &self.content
    }
}

fn segments_of(packet: &Bytes) -> usize {
    packet.len() / 255 + 1
}

/// Groups the packets of a live stream into pages.
///
/// A page is complete when the packet after it arrives: the last page must carry the end-of-stream
/// flag, so one packet is always held back. Packets that were dropped earlier are simply missing.
#[derive(Debug, Default)]
pub struct Pages {
    /// The packets that are held back, each with its frame number.
    held_back: VecDeque<(u64, Bytes)>,
}

impl Pages {
    /// Adds the packet of frame `number`, 20 ms each. Returns a page of `packets_a_page` packets
    /// when it is complete.
    pub fn push(&mut self, number: u64, packet: Bytes, packets_a_page: usize) -> Option<Page> {
        let held: usize = self.held_back.iter().map(|(_, packet)| segments_of(packet)).sum();
        let full = self.held_back.len() >= packets_a_page || held + segments_of(&packet) > MAX_SEGMENTS;
        let page = full.then(|| self.page(0)).flatten();
        self.held_back.push_back((number, packet));
        page
    }

    /// Ends the stream. Returns the last page, flagged as such; `None` if no packet is held back.
    pub fn finish(mut self) -> Option<Page> {
        self.page(LAST)
    }

    fn page(&mut self, flags: u8) -> Option<Page> {
        let &(first, _) = self.held_back.front()?;
        let packets: Vec<Bytes> = self.held_back.drain(..).map(|(_, packet)| packet).collect();
        let frame = FRAME_SAMPLES as u64;
        Some(Page::new(flags, first * frame, packets.len() as u64 * frame, &packets))
    }
}
