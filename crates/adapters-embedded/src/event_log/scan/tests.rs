//! Torn tails and damage, in bytes without files.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::files::Salvaged;
use super::super::frame::Draft;
use super::*;
use earcon_model::{Event, KpiEvent, KpiName};

const START: Start = Start { offset: 64, seq: 1, time_ms: 0 };

fn seed() -> Seed {
    Seed::new(5, 2)
}

fn events(first: Seq, count: usize, text: usize) -> Vec<Arc<Event>> {
    let kpi = KpiName::new("k").unwrap();
    let event = |seq: Seq| {
        let body = KpiEvent::Parked { reason: "x".repeat(text) };
        Arc::new(Event::new(seq, seq as i64, kpi.clone(), body))
    };
    (first..first + count as Seq).map(event).collect()
}

/// The bytes of a segment with these appends and unused space behind, and the end of each append.
fn segment(appends: &[(usize, usize)]) -> (Vec<u8>, Vec<u64>) {
    let (mut bytes, mut ends, mut next) = (vec![7; START.offset as usize], Vec::new(), 1);
    for (count, text) in appends {
        let mut draft = Draft::of_events(&events(next, *count, *text), Vec::new()).unwrap();
        let offset = bytes.len() as u64;
        bytes.extend_from_slice(draft.finish(seed(), offset));
        ends.push(bytes.len() as u64);
        next += *count as Seq;
    }
    bytes.resize(bytes.len() + 5_000, 0);
    (bytes, ends)
}

fn open(bytes: &[u8], at_least: u64) -> SegmentScan {
    scan(bytes, seed(), START, Limit::Open { at_least }).unwrap()
}

#[test]
fn whole_segment_has_every_event_and_ends_at_the_last_append() {
    let (bytes, ends) = segment(&[(3, 10), (1, 500), (20, 90)]);
    let found = open(&bytes, 0);
    assert_eq!((found.end, found.next, found.content.events), (ends[2], 25, 24));
    assert!(found.regions.is_empty() && !found.torn);
    assert_eq!(found, scan(&bytes[..], seed(), START, Limit::Exact(ends[2])).unwrap());
}

#[test]
fn last_append_of_several_frames_counts_as_a_whole_or_not_at_all() {
    let (bytes, ends) = segment(&[(3, 10), (30, 100_000)]);
    let whole = open(&bytes, 0);
    assert_eq!(whole.next, 34);
    assert!(whole.content.frames > 3);
    // The first frame of the append is torn, those behind it are whole.
    let mut torn = bytes.clone();
    torn[ends[0] as usize + 100] ^= 1;
    let found = open(&torn, 0);
    assert_eq!((found.end, found.next, found.torn), (ends[0], 4, true));
    assert!(found.regions.is_empty());
    // The same bytes are damage if the append was acknowledged.
    let found = open(&torn, ends[1]);
    assert_eq!((found.regions.len(), found.next, found.end), (1, 34, ends[1]));
    // Its last frame is missing.
    torn = bytes[..ends[1] as usize - 50_000].to_vec();
    let found = open(&torn, 0);
    assert_eq!((found.end, found.next, found.torn), (ends[0], 4, true));
}

#[test]
fn segment_shorter_than_the_next_one_says_is_damaged() {
    let (bytes, ends) = segment(&[(3, 10), (3, 10)]);
    let cut = &bytes[..ends[1] as usize - 8];
    let found = scan(cut, seed(), START, Limit::Exact(ends[1])).unwrap();
    assert_eq!(found.regions.len(), 1);
    let region = found.regions[0];
    assert_eq!((region.start, region.end, region.before, region.after), (ends[0], ends[1], 4, None));
}

#[test]
fn bytes_behind_the_exact_end_are_ignored() {
    let (bytes, ends) = segment(&[(3, 10), (3, 10)]);
    let found = scan(&bytes[..], seed(), START, Limit::Exact(ends[0])).unwrap();
    assert_eq!((found.next, found.regions.len()), (4, 0));
}

proptest! {
    /// A change of any byte is damage if a later append followed it, and at most a torn tail if it
    /// is in the last append.
    #[test]
    fn every_changed_byte_is_damage_or_a_torn_tail(
        appends in prop::collection::vec((1_usize..6, 0_usize..400), 1..12),
        place in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let (mut bytes, ends) = segment(&appends);
        let end = *ends.last().unwrap();
        let at = START.offset as usize + place.index((end - START.offset) as usize);
        bytes[at] ^= flip;
        let last = ends.len().checked_sub(2).map_or(START.offset, |i| ends[i]);
        let found = open(&bytes, 0);
        if at as u64 >= last {
            prop_assert!(found.regions.is_empty());
            prop_assert_eq!((found.end, found.torn), (last, true));
        } else {
            prop_assert_eq!(found.regions.len(), 1);
            let region = found.regions[0];
            prop_assert!(region.start <= at as u64 && (at as u64) < region.end);
            // All other events are found.
            let lost = region.after.unwrap() - region.before;
            prop_assert_eq!(found.content.events + lost, found.next - 1);
            prop_assert_eq!(found.end, end);
        }
        // With a mark it is always damage.
        let marked = open(&bytes, end);
        prop_assert_eq!((marked.regions.len(), marked.end), (1, end));
    }

    /// A power cut leaves any part of the last append.
    #[test]
    fn any_part_of_the_last_append_is_a_torn_tail(
        appends in prop::collection::vec((1_usize..6, 0_usize..400), 2..8),
        kept in prop::collection::vec(any::<bool>(), 1..40),
    ) {
        let (mut bytes, ends) = segment(&appends);
        let (from, to) = (ends[ends.len() - 2] as usize, ends[ends.len() - 1] as usize);
        let mut changed = false;
        for (sector, kept) in bytes[from..to].chunks_mut(64).zip(kept.iter().cycle()) {
            if !kept {
                changed |= sector.iter().any(|byte| *byte != 0);
                sector.fill(0);
            }
        }
        let found = open(&bytes, from as u64);
        prop_assert!(found.regions.is_empty());
        let expected = if changed { from } else { to };
        prop_assert_eq!(found.end, expected as u64);
    }
}

/// A disk that cannot read one page.
struct BadPage {
    bytes: Vec<u8>,
    page: u64,
}

impl Source for BadPage {
    fn read_at(&self, into: &mut [u8], offset: u64) -> io::Result<usize> {
        let (start, end) = (self.page * 4_096, (self.page + 1) * 4_096);
        if offset < end && start < offset + into.len() as u64 {
            return Err(rustix::io::Errno::IO.into());
        }
        self.bytes[..].read_at(into, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }
}

#[test]
fn unreadable_page_is_damage_and_the_rest_is_read() {
    let (bytes, ends) = segment(&[(3, 10), (40, 300), (5, 10), (60, 200)]);
    assert!(ends[1] > 8_192 && ends[3] > 20_000);
    let disk = BadPage { bytes, page: 1 };
    assert!(scan(&disk, seed(), START, Limit::Open { at_least: 0 }).is_err());
    let source = Salvaged::new(&disk);
    let found = scan(&source, seed(), START, Limit::Open { at_least: 0 }).unwrap();
    assert_eq!((found.end, found.next), (ends[3], 109));
    let [region] = found.regions[..] else { panic!("{:?}", found.regions) };
    assert_eq!((region.start, region.end, region.before, region.after), (ends[0], ends[1], 4, Some(44)));
    assert!(source.lacks(region.start, region.end) && !source.lacks(ends[2], ends[3]));
}
