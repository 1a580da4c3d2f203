//! The header of a segment file.
//!
//! `magic [u8; 8] | version u32 | length u32 | checksum u64 | body length u32 | body (postcard) |
//! zeros`, little endian. The checksum covers everything after it. The header names the segment
//! before it with its exact length. So a missing, shortened, swapped or foreign file is found.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::frame::{ALIGN, HEADER as FRAME_HEADER};
use earcon_model::{Seq, WorkspaceId};

const MAGIC: [u8; 8] = *b"EarconLg";
const VERSION: u32 = 1;
const FIXED: usize = 28;
/// A header has at least this many zeros at its end. A repair that writes a damaged header again
/// may then add a gap frame before the first whole frame.
const SPARE: usize = 2 * FRAME_HEADER;
/// No header is larger. A larger length is damage and must not size a read.
pub(super) const MAX_HEADER: usize = 1 << 20;

/// The beginning of an epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EpochEntry {
    pub(super) epoch: String,
    pub(super) first: Seq,
}

/// The end of the segment before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Previous {
    pub(super) number: u64,
    /// Its durable length, bytes. What follows in its file is not part of the log.
    pub(super) length: u64,
}

/// What a segment says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SegmentHeader {
    pub(super) workspace: String,
    /// Random number of the log, so that files of an earlier life of it are foreign.
    pub(super) log_id: u64,
    pub(super) number: u64,
    /// The sequence number of the first event in it. The segment before ends just below.
    pub(super) first: Seq,
    /// Commit time of the last event before, milliseconds UTC.
    pub(super) time_ms: i64,
    /// `None` in the first segment of a log.
    pub(super) previous: Option<Previous>,
    /// The epochs so far.
    pub(super) epochs: Vec<EpochEntry>,
}

impl SegmentHeader {
    /// Whether the header is that of a segment `number` of this log.
    pub(super) fn belongs(&self, workspace: &WorkspaceId, log_id: u64, number: u64) -> bool {
        self.workspace == workspace.as_str() && self.log_id == log_id && self.number == number
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        let body = postcard::to_stdvec(self)?;
        Ok(Self::sealed(&body, (FIXED + body.len() + SPARE).next_multiple_of(ALIGN)))
    }

    /// Encodes into exactly `length` bytes, or into as few as needed if a gap frame follows. `None`
    /// if it does not fit.
    pub(super) fn encode_into(&self, length: usize, with_gap: bool) -> Option<Vec<u8>> {
        let body = postcard::to_stdvec(self).ok()?;
        let least = (FIXED + body.len()).next_multiple_of(ALIGN);
        let taken = if with_gap { least } else { length };
        let needed = if with_gap { least + FRAME_HEADER } else { least };
        (needed <= length && taken <= MAX_HEADER).then(|| Self::sealed(&body, taken))
    }

    fn sealed(body: &[u8], length: usize) -> Vec<u8> {
        let mut out = vec![0; length];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&(length as u32).to_le_bytes());
        out[24..28].copy_from_slice(&(body.len() as u32).to_le_bytes());
        out[FIXED..FIXED + body.len()].copy_from_slice(body);
        let sum = xxh3_64_with_seed(&out[24..], length as u64);
        out[16..24].copy_from_slice(&sum.to_le_bytes());
        out
    }

    /// The header at the beginning of `bytes`, and its length. `None` if it is not valid.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, u64)> {
        let length = Self::length(bytes)?;
        let whole = bytes.get(..length)?;
        let sum = u64::from_le_bytes(*whole[16..].first_chunk()?);
        if sum != xxh3_64_with_seed(&whole[24..], length as u64) {
            return None;
        }
        let body = u32::from_le_bytes(*whole[24..].first_chunk()?) as usize;
        let header = postcard::from_bytes(whole.get(FIXED..FIXED + body)?).ok()?;
        Some((header, length as u64))
    }

    /// The length that the fixed fields at the beginning of a header name.
    pub(super) fn length(bytes: &[u8]) -> Option<usize> {
        let fixed = bytes.get(..FIXED)?;
        let version = u32::from_le_bytes(*fixed[8..].first_chunk()?);
        let length = u32::from_le_bytes(*fixed[12..].first_chunk()?) as usize;
        let legal = fixed[..8] == MAGIC && version == VERSION && (FIXED..=MAX_HEADER).contains(&length);
        (legal && length.is_multiple_of(ALIGN)).then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> SegmentHeader {
        SegmentHeader {
            workspace: "w".into(),
            log_id: 9,
            number: 3,
            first: 70,
            time_ms: 1,
            previous: Some(Previous { number: 2, length: 4_096 }),
            epochs: vec![EpochEntry { epoch: "e".into(), first: 1 }],
        }
    }

    #[test]
    fn header_is_read_back_and_every_flipped_bit_is_noticed() {
        let bytes = header().encode().unwrap();
        assert_eq!(SegmentHeader::decode(&bytes), Some((header(), bytes.len() as u64)));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&damaged), None, "bit {bit}");
        }
    }

    #[test]
    fn rewritten_header_leaves_room_for_a_gap_frame() {
        let length = header().encode().unwrap().len();
        let exact = header().encode_into(length, false).unwrap();
        assert_eq!(SegmentHeader::decode(&exact), Some((header(), length as u64)));
        let short = header().encode_into(length, true).unwrap();
        assert!(short.len() + FRAME_HEADER <= length);
        assert!(SegmentHeader::decode(&short).is_some());
        assert_eq!(header().encode_into(40, false), None);
    }
}
