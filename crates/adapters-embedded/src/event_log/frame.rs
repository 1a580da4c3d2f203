//! Frames: the unit in which events are written, and in which damage is found.
//!
//! A frame is a header of [`HEADER`] bytes and a payload, padded with zeros to a multiple of
//! [`ALIGN`]. All numbers are little endian.
//!
//! | offset | field |
//! | --- | --- |
//! | 0 | magic, u32 |
//! | 4 | kind, u8; flags, u8; zero, u16 |
//! | 8 | length of the padded payload, u32; sequence numbers left out before the first, u32 |
//! | 16 | first sequence number, u64 |
//! | 24 | count of sequence numbers, u64 |
//! | 32 | first and last commit time, i64 each |
//! | 48 | `synced_to`, u64 |
//! | 56 | checksum of the padded payload, u64 |
//! | 64 | checksum of the header up to here, u64 |
//!
//! The checksums are XXH3-64. That of the header is seeded with the log, the segment and the
//! offset. So a frame is invalid at any other place.

use std::sync::Arc;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::database::corrupt;
use earcon_model::{Event, Seq};
use earcon_ports::{ErrorKind, PortError};

/// Length of a frame's header, bytes.
pub(super) const HEADER: usize = 72;
/// Frames begin at multiples of this offset.
pub(super) const ALIGN: usize = 8;
/// A frame is closed once its payload has this many bytes, so that reading a few events of a huge
/// append decodes only a part of it.
pub(super) const FRAME_BYTES: usize = 1 << 20;

/// The first bytes of every frame.
pub(super) const MAGIC: [u8; 4] = *b"EFr1";
/// Flag of the last frame of an append.
const LAST: u8 = 1;

/// The content of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Consecutive events.
    Events,
    /// The start of a writer. Its payload is the epoch's name.
    Epoch,
    /// Sequence numbers whose events a repair could not save.
    Gap,
    /// Sequence numbers that are not used again, because a repair could not find out how many of
    /// them had events.
    Skip,
}

/// Identifies a segment in the checksums of its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seed(u64);

impl Seed {
    pub(super) fn new(log_id: u64, segment: u64) -> Self {
        Self(xxh3_64_with_seed(&segment.to_le_bytes(), log_id))
    }

    fn at(self, offset: u64) -> u64 {
        self.0.wrapping_add(offset)
    }
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    /// Whether the append ends with this frame.
    pub(super) last: bool,
    /// Length of the padded payload, bytes.
    pub(super) payload: u32,
    /// Sequence numbers before `first` whose events a repair could not find.
    pub(super) left_out: u32,
    pub(super) first: Seq,
    pub(super) count: u64,
    pub(super) first_time_ms: i64,
    pub(super) last_time_ms: i64,
    /// The offset up to which the segment was durable when the frame was written.
    pub(super) synced_to: u64,
    /// Checksum of the padded payload.
    pub(super) sum: u64,
}

impl Frame {
    /// Length of header and payload, bytes.
    pub(super) fn len(&self) -> u64 {
        HEADER as u64 + u64::from(self.payload)
    }

    /// The sequence number after this frame.
    pub(super) fn next(&self) -> Seq {
        self.first.saturating_add(self.count)
    }

    /// Writes the header for a frame at `offset`.
    pub(super) fn write(&self, seed: Seed, offset: u64, out: &mut [u8]) {
        let kind = match self.kind {
            Kind::Events => 1,
            Kind::Epoch => 2,
            Kind::Gap => 3,
            Kind::Skip => 4,
        };
        out[..HEADER].fill(0);
        out[..4].copy_from_slice(&MAGIC);
        out[4] = kind;
        out[5] = if self.last { LAST } else { 0 };
        out[8..12].copy_from_slice(&self.payload.to_le_bytes());
        out[12..16].copy_from_slice(&self.left_out.to_le_bytes());
        out[16..24].copy_from_slice(&self.first.to_le_bytes());
        out[24..32].copy_from_slice(&self.count.to_le_bytes());
        out[32..40].copy_from_slice(&self.first_time_ms.to_le_bytes());
        out[40..48].copy_from_slice(&self.last_time_ms.to_le_bytes());
        out[48..56].copy_from_slice(&self.synced_to.to_le_bytes());
        out[56..64].copy_from_slice(&self.sum.to_le_bytes());
        let sum = xxh3_64_with_seed(&out[..64], seed.at(offset));
        out[64..HEADER].copy_from_slice(&sum.to_le_bytes());
    }

    /// Reads the header of a frame at `offset`. `None` if it is not valid there.
    pub(super) fn parse(bytes: &[u8], seed: Seed, offset: u64) -> Option<Self> {
        let header = bytes.get(..HEADER)?;
        if header[..4] != MAGIC || number(header, 64) != xxh3_64_with_seed(&header[..64], seed.at(offset)) {
            return None;
        }
        let kind = match header[4] {
            1 => Kind::Events,
            2 => Kind::Epoch,
            3 => Kind::Gap,
            4 => Kind::Skip,
            _ => return None,
        };
        Some(Self {
            kind,
            last: header[5] & LAST != 0,
            payload: u32::from_le_bytes(*header[8..].first_chunk()?),
            left_out: u32::from_le_bytes(*header[12..].first_chunk()?),
            first: number(header, 16),
            count: number(header, 24),
            first_time_ms: number(header, 32).cast_signed(),
            last_time_ms: number(header, 40).cast_signed(),
            synced_to: number(header, 48),
            sum: number(header, 56),
        })
    }

    /// Whether `payload` is the frame's.
    pub(super) fn fits(&self, payload: &[u8]) -> bool {
        payload.len() == self.payload as usize && xxh3_64(payload) == self.sum
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

/// The frames of one append. Their headers are written when the offset is known.
#[derive(Debug)]
pub(super) struct Draft {
    bytes: Vec<u8>,
    frames: Vec<(usize, Frame)>,
}

impl Draft {
    /// Encodes events into frames of about [`FRAME_BYTES`] at most, in an empty buffer.
    ///
    /// # Errors
    /// `Invalid` when an event cannot be encoded.
    pub(super) fn of_events(events: &[Arc<Event>], buffer: Vec<u8>) -> Result<Self, PortError> {
        let mut draft = Self { bytes: buffer, frames: Vec::with_capacity(1) };
        let mut rest = events;
        while let Some(first) = rest.first() {
            let start = draft.begin();
            let mut count = 0;
            while count < rest.len() && (count == 0 || draft.bytes.len() - start - HEADER < FRAME_BYTES) {
                draft.bytes = postcard::to_extend(rest[count].as_ref(), draft.bytes)
                    .map_err(|error| PortError::caused(ErrorKind::Invalid, "an event cannot be encoded", error))?;
                count += 1;
            }
            let times = (first.time_ms, rest[count - 1].time_ms);
            draft.end(start, Kind::Events, first.seq, count as u64, times)?;
            rest = &rest[count..];
        }
        Ok(draft)
    }

    /// The frame that begins an epoch.
    pub(super) fn of_epoch(epoch: &str, first: Seq, time_ms: i64) -> Result<Self, PortError> {
        let mut draft = Self { bytes: Vec::new(), frames: Vec::with_capacity(1) };
        let start = draft.begin();
        draft.bytes.extend_from_slice(epoch.as_bytes());
        draft.end(start, Kind::Epoch, first, 0, (time_ms, time_ms))?;
        Ok(draft)
    }

    /// The frame that leaves the sequence numbers from `first` up to, not including, `next` out.
    pub(super) fn of_skip(first: Seq, next: Seq, time_ms: i64) -> Result<Self, PortError> {
        let mut draft = Self { bytes: Vec::new(), frames: Vec::with_capacity(1) };
        let start = draft.begin();
        draft.end(start, Kind::Skip, first, next.saturating_sub(first), (time_ms, time_ms))?;
        Ok(draft)
    }

    fn begin(&mut self) -> usize {
        let start = self.bytes.len();
        self.bytes.resize(start + HEADER, 0);
        start
    }

    fn end(&mut self, start: usize, kind: Kind, first: Seq, count: u64, times: (i64, i64)) -> Result<(), PortError> {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
        let payload = &self.bytes[start + HEADER..];
        let length = u32::try_from(payload.len())
            .map_err(|_| PortError::new(ErrorKind::Invalid, "an event is too large for the log"))?;
        if let Some((_, frame)) = self.frames.last_mut() {
            frame.last = false;
        }
        let frame = Frame {
            kind,
            last: true,
            payload: length,
            left_out: 0,
            first,
            count,
            first_time_ms: times.0,
            last_time_ms: times.1,
            synced_to: 0,
            sum: xxh3_64(payload),
        };
        self.frames.push((start, frame));
        Ok(())
    }

    /// The buffer, for another append.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    /// Length of all frames, bytes.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The frames and their offsets, if the append is written at `offset`.
    pub(super) fn frames(&self, offset: u64) -> impl Iterator<Item = (u64, &Frame)> {
        self.frames.iter().map(move |(at, frame)| (offset + *at as u64, frame))
    }

    /// The bytes to write at `offset`, where the segment ends durably.
    pub(super) fn finish(&mut self, seed: Seed, offset: u64) -> &[u8] {
        for (at, frame) in &mut self.frames {
            frame.synced_to = offset;
            frame.write(seed, offset + *at as u64, &mut self.bytes[*at..]);
        }
        &self.bytes
    }
}

/// The events of a frame.
pub(super) fn decode(frame: &Frame, payload: &[u8]) -> Result<Vec<Arc<Event>>, PortError> {
    // An event takes more than one byte. A larger count must not size an allocation.
    let mut events = Vec::with_capacity(usize::try_from(frame.count).map_or(payload.len(), |n| n.min(payload.len())));
    let mut rest = payload;
    for _ in 0..frame.count {
        let (event, tail) = postcard::take_from_bytes::<Event>(rest).map_err(|_| corrupt("an event of the log"))?;
        events.push(Arc::new(event));
        rest = tail;
    }
    Ok(events)
}

/// The epoch that an epoch frame begins.
pub(super) fn decode_epoch(payload: &[u8]) -> Option<String> {
    let end = payload.iter().position(|byte| *byte == 0).unwrap_or(payload.len());
    String::from_utf8(payload[..end].to_vec()).ok()
}

/// A gap frame that fills `bytes` bytes at `offset`. The space has at least [`HEADER`] bytes.
pub(super) fn gap(seed: Seed, offset: u64, bytes: usize, missing: (Seq, Seq), times: (i64, i64)) -> Vec<u8> {
    let mut out = vec![0; bytes];
    let frame = Frame {
        kind: Kind::Gap,
        last: true,
        payload: u32::try_from(bytes - HEADER).unwrap_or(u32::MAX),
        left_out: 0,
        first: missing.0,
        count: missing.1 - missing.0,
        first_time_ms: times.0,
        last_time_ms: times.1,
        synced_to: offset,
        sum: xxh3_64(&out[HEADER..]),
    };
    frame.write(seed, offset, &mut out);
    out
}

#[cfg(test)]
mod tests;
