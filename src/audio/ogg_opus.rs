//! Opus packets to Ogg pages (RFC 3533, RFC 7845): one writer a listener, one endless logical stream.

use std::collections::VecDeque;

use bytes::Bytes;
use ogg::writing::{PacketWriteEndInfo, PacketWriter};

use super::{FRAME_SAMPLES, SAMPLE_RATE};

/// Packets a page: 40 ms, so that a player can start soon and the container costs about 6 kbit/s.
const PACKETS_A_PAGE: usize = 2;

/// Packs the packets of a live stream for one listener, from wherever it joined.
///
/// Pages number from 0 for every listener. The granule position starts at the listener's place in the stream, so two listeners can
/// be lined up. A page leaves when the packet after it arrives (60 ms after its first packet): the last page must carry the
/// end-of-stream mark, so one must always be in hand. Packets that were dropped on the way are simply not there; the position
/// counts what this listener was sent.
pub struct OggOpusWriter {
    writer: PacketWriter<'static, Vec<u8>>,
    serial: u32,
    granule: u64,
    in_hand: VecDeque<Bytes>,
}

impl OggOpusWriter {
    /// Starts a stream, and returns the two header pages that must be sent first.
    ///
    /// `serial` tells streams apart and may be any number. `joined_at` counts the samples of the mix before the first packet
    /// that will be pushed; 0 for a file.
    pub fn start(serial: u32, pre_skip: u16, joined_at: u64) -> (Self, Bytes) {
        let writer = PacketWriter::new(Vec::new());
        let mut stream = Self { writer, serial, granule: joined_at, in_hand: VecDeque::with_capacity(4) };
        stream.write(opus_head(pre_skip), PacketWriteEndInfo::EndPage, 0);
        stream.write(opus_tags(), PacketWriteEndInfo::EndPage, 0);
        let headers = stream.take();
        (stream, headers)
    }

    /// Adds a packet of 20 ms; returns a page when one is full.
    pub fn push(&mut self, packet: Bytes) -> Option<Bytes> {
        self.in_hand.push_back(packet);
        if self.in_hand.len() <= PACKETS_A_PAGE {
            return None;
        }
        self.write_page(PACKETS_A_PAGE, PacketWriteEndInfo::EndPage);
        Some(self.take())
    }

    /// Ends the stream: the last page, marked as such; `None` when no packet was ever pushed.
    pub fn finish(mut self) -> Option<Bytes> {
        if self.in_hand.is_empty() {
            return None;
        }
        self.write_page(self.in_hand.len(), PacketWriteEndInfo::EndStream);
        Some(self.take())
    }

    fn write_page(&mut self, packets: usize, end: PacketWriteEndInfo) {
        for left in (0..packets).rev() {
            let Some(packet) = self.in_hand.pop_front() else { return };
            self.granule += FRAME_SAMPLES as u64;
            let info = if left == 0 { end } else { PacketWriteEndInfo::NormalPacket };
            self.write(packet.to_vec(), info, self.granule);
        }
    }

    fn write(&mut self, packet: Vec<u8>, info: PacketWriteEndInfo, granule: u64) {
        let written = self.writer.write_packet(packet, self.serial, info, granule);
        written.expect("writing to memory does not fail");
    }

    fn take(&mut self) -> Bytes {
        std::mem::take(self.writer.inner_mut()).into()
    }
}

/// The identification header (RFC 7845 §5.1): version 1, stereo, no gain, channel mapping family 0.
fn opus_head(pre_skip: u16) -> Vec<u8> {
    let mut head = b"OpusHead\x01\x02".to_vec();
    head.extend(pre_skip.to_le_bytes());
    head.extend(SAMPLE_RATE.to_le_bytes());
    head.extend([0, 0, 0]);
    head
}

/// The comment header (RFC 7845 §5.2): the vendor, and no comments. Titles travel out of band.
fn opus_tags() -> Vec<u8> {
    const VENDOR: &[u8] = b"earcon";
    let mut tags = b"OpusTags".to_vec();
    tags.extend((VENDOR.len() as u32).to_le_bytes());
    tags.extend(VENDOR);
    tags.extend(0u32.to_le_bytes());
    tags
}

#[cfg(test)]
mod tests;
