//! Checking one segment: which bytes are whole frames, and which are damage or a torn tail.
//!
//! Each frame says up to where its segment was durable when it was written. An invalid region
//! below that offset held durable frames: it is damage. An invalid region above it can only be the
//! last append, which was not acknowledged: a torn tail.

use std::io;

use super::damage::Missing;
use super::files::Source;
use super::frame::{Frame, Kind, Seed, decode_epoch};
use super::header::EpochEntry;
use super::reader::{FrameReader, Step, find_frame, is_zero};
use earcon_model::Seq;

/// Distance of the entries of the index, bytes.
const INDEX_BYTES: u64 = 64 << 10;

/// Where a frame begins. Reads start at the nearest entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexEntry {
    pub(super) seq: Seq,
    /// Commit time of the first event in the frame.
    pub(super) time_ms: i64,
    pub(super) offset: u64,
}

/// Adds an entry for a frame if the last one is far enough away.
pub(super) fn extend_index(index: &mut Vec<IndexEntry>, offset: u64, frame: &Frame) {
    if frame.kind == Kind::Events && index.last().is_none_or(|last| offset >= last.offset + INDEX_BYTES) {
        index.push(IndexEntry { seq: frame.first, time_ms: frame.first_time_ms, offset });
    }
}

/// Where the log ends in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// At this offset, as the next segment says.
    Exact(u64),
    /// After the last whole append, and not before `at_least`.
    Open { at_least: u64 },
}

/// Bytes of the log that are no whole frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) start: u64,
    pub(super) end: u64,
    /// The sequence number that was expected at the start.
    pub(super) before: Seq,
    /// The sequence number of the next frame; `None` if none follows in this segment.
    pub(super) after: Option<Seq>,
    /// Commit times around the region.
    pub(super) before_ms: i64,
    pub(super) after_ms: Option<i64>,
    /// Whole frames that follow in this segment.
    pub(super) frames_behind: u64,
}

/// Numbers of a segment's content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) frames: u64,
    pub(super) events: u64,
    /// Sequence numbers that an earlier repair recorded as missing.
    pub(super) known_missing: u64,
}

/// What a segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SegmentScan {
    /// Where the log ends in this segment.
    pub(super) end: u64,
    /// The sequence number after the last frame.
    pub(super) next: Seq,
    /// Commit time of the last event.
    pub(super) time_ms: i64,
    pub(super) index: Vec<IndexEntry>,
    pub(super) epochs: Vec<EpochEntry>,
    pub(super) content: Content,
    /// The losses that earlier repairs recorded.
    pub(super) gaps: Vec<Missing>,
    pub(super) regions: Vec<Region>,
    /// Whether bytes follow that are no part of the log. Nothing is appended to this file then.
    pub(super) torn: bool,
}

impl SegmentScan {
    fn record_gap(&mut self, first: Seq, next: Seq, before_ms: i64) {
        if first < next {
            self.content.known_missing += next - first;
            let known = |time: i64| Some(time).filter(|time| *time != i64::MIN);
            let (after_ms, before_ms) = (known(self.time_ms), known(before_ms));
            self.gaps.push(Missing {
                first,
                last: Some(next - 1),
                is_open: false,
                or_removed: false,
                after_ms,
                before_ms,
            });
        }
    }
}

/// The part of a segment to scan, and its state at the beginning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) offset: u64,
    pub(super) seq: Seq,
    pub(super) time_ms: i64,
}

/// Checks all frames of a segment.
pub(super) fn scan<S: Source + ?Sized>(source: &S, seed: Seed, start: Start, limit: Limit) -> io::Result<SegmentScan> {
    let at_least = match limit {
        Limit::Exact(end) => return Ok(SegmentScan { end, ..Pass::run(source, seed, start, end)?.scan }),
        Limit::Open { at_least } => at_least,
    };
    let size = source.size()?;
    let mut pass = Pass::run(source, seed, start, size)?;
    let end = pass.durable_end(at_least);
    // In the ordinary case only unused space follows the last frame.
    pass.scan.regions.pop_if(|region| region.start >= end);
    if !pass.scan.regions.is_empty() || pass.scan.end != end {
        pass = Pass::run(source, seed, start, end)?;
    }
    Ok(SegmentScan { end, torn: !is_zero(source, end, size)?, ..pass.scan })
}

/// One reading of a segment, up to an end.
struct Pass {
    scan: SegmentScan,
    /// Offsets after the frames that end an append.
    last_whole: Vec<u64>,
    synced_to: u64,
    start: u64,
}

impl Pass {
    fn run<S: Source + ?Sized>(source: &S, seed: Seed, start: Start, end: u64) -> io::Result<Self> {
        let scan = SegmentScan {
            end: start.offset,
            next: start.seq,
            time_ms: start.time_ms,
            index: Vec::new(),
            epochs: Vec::new(),
            content: Content::default(),
            gaps: Vec::new(),
            regions: Vec::new(),
            torn: false,
        };
        let mut pass = Self { scan, last_whole: Vec::new(), synced_to: 0, start: start.offset };
        let mut reader = FrameReader::new(source, seed, start.offset, end);
        loop {
            let invalid = match reader.next()? {
                Step::End => break,
                Step::Frame { offset, frame, payload } if frame.first >= pass.scan.next => {
                    pass.add(offset, &frame, payload);
                    continue;
                }
                Step::Frame { offset, .. } | Step::Invalid { offset } => offset,
            };
            pass.scan.regions.push(Region {
                start: invalid,
                end,
                before: pass.scan.next,
                after: None,
                before_ms: pass.scan.time_ms,
                after_ms: None,
                frames_behind: pass.scan.content.frames,
            });
            match find_frame(source, seed, invalid + 1, end)? {
                Some(next) => reader.go_to(next),
                None => break,
            }
        }
        let frames = pass.scan.content.frames;
        pass.scan.regions.iter_mut().for_each(|region| region.frames_behind = frames - region.frames_behind);
        Ok(pass)
    }

    fn add(&mut self, offset: u64, frame: &Frame, payload: &[u8]) {
        let scan = &mut self.scan;
        match scan.regions.last_mut() {
            Some(region) if region.after.is_none() => {
                region.end = offset;
                region.after = Some(frame.first);
                region.after_ms = Some(frame.first_time_ms);
            }
            // A number is missing although the bytes are whole.
            _ if frame.first > scan.next.saturating_add(frame.left_out.into()) => scan.regions.push(Region {
                start: offset,
                end: offset,
                before: scan.next,
                after: Some(frame.first),
                before_ms: scan.time_ms,
                after_ms: Some(frame.first_time_ms),
                frames_behind: scan.content.frames,
            }),
            _ => {}
        }
        if frame.left_out > 0 {
            scan.record_gap(frame.first.saturating_sub(frame.left_out.into()), frame.first, frame.first_time_ms);
        }
        match frame.kind {
            Kind::Events => scan.content.events += frame.count,
            Kind::Gap => scan.record_gap(frame.first, frame.next(), frame.last_time_ms),
            Kind::Skip => scan.gaps.push(Missing {
                first: frame.first,
                last: None,
                is_open: true,
                or_removed: false,
                after_ms: Some(scan.time_ms).filter(|time| *time != i64::MIN),
                before_ms: None,
            }),
            Kind::Epoch => {
                scan.epochs.extend(decode_epoch(payload).map(|epoch| EpochEntry { epoch, first: frame.first }))
            }
        }
        extend_index(&mut scan.index, offset, frame);
        scan.content.frames += 1;
        scan.next = frame.next();
        scan.time_ms = scan.time_ms.max(frame.last_time_ms);
        scan.end = offset + frame.len();
        self.synced_to = self.synced_to.max(frame.synced_to);
        if frame.last {
            self.last_whole.push(scan.end);
        }
    }

    /// Where the log ends: see the module's documentation.
    fn durable_end(&self, at_least: u64) -> u64 {
        let synced_to = self.synced_to.max(at_least).max(self.start);
        let torn = self.scan.regions.iter().map(|region| region.start).find(|start| *start >= synced_to);
        let whole = self.last_whole.iter().rev().find(|end| torn.is_none_or(|torn| **end <= torn));
        whole.copied().unwrap_or(0).max(synced_to)
    }
}

#[cfg(test)]
mod tests;
