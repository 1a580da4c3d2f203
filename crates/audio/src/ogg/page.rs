//! What all listeners share of a page.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use super::checksum::{checksum, shift};
use crate::FRAME_SAMPLES;

/// The mark of a stream's first page.
pub(super) const FIRST: u8 = 2;
/// The mark of a stream's last page.
const LAST: u8 = 4;
/// Segments a page may have.
const MAX_SEGMENTS: usize = 255;

/// Packets, with everything about them that is the same for all listeners. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Page {
    pub(super) flags: u8,
    /// Samples at 48 kHz that end in this page.
    pub(super) samples: u64,
    /// The samples of the stream before this page.
    pub(super) begins_at: u64,
    pub(super) segments: u8,
    /// The segment table, and the packets.
    pub(super) content: Bytes,
    /// Of `content`.
    pub(super) checksum: u32,
    /// What the checksum of the header is multiplied with.
    pub(super) shift: u32,
}

impl Page {
    /// `packets` must fit: together at most 255 segments of 255 bytes.
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

    /// The samples of the stream before this page: where a listener stands who begins with it.
    pub fn begins_at(&self) -> u64 {
        self.begins_at
    }
}

fn segments_of(packet: &Bytes) -> usize {
    packet.len() / 255 + 1
}

/// Gathers the packets of a live stream into pages.
///
/// A page leaves when the packet after it arrives: the last page must carry the end-of-stream mark, so one must always be in
/// hand. Packets that were dropped on the way are simply not there.
#[derive(Debug, Default)]
pub struct Pages {
    /// Each with the number of its frame.
    in_hand: VecDeque<(u64, Bytes)>,
}

impl Pages {
    /// Adds the packet of frame `number`, 20 ms each; returns a page when `packets_a_page` are together.
    pub fn push(&mut self, number: u64, packet: Bytes, packets_a_page: usize) -> Option<Page> {
        let held: usize = self.in_hand.iter().map(|(_, packet)| segments_of(packet)).sum();
        let full = self.in_hand.len() >= packets_a_page || held + segments_of(&packet) > MAX_SEGMENTS;
        let page = full.then(|| self.page(0)).flatten();
        self.in_hand.push_back((number, packet));
        page
    }

    /// Ends the stream: the last page, marked as such; `None` when nothing is in hand.
    pub fn finish(mut self) -> Option<Page> {
        self.page(LAST)
    }

    fn page(&mut self, flags: u8) -> Option<Page> {
        let &(first, _) = self.in_hand.front()?;
        let packets: Vec<Bytes> = self.in_hand.drain(..).map(|(_, packet)| packet).collect();
        let frame = FRAME_SAMPLES as u64;
        Some(Page::new(flags, first * frame, packets.len() as u64 * frame, &packets))
    }
}
