//! Encoding of frames.

use super::*;
use earcon_model::{KpiEvent, KpiName};

fn event(seq: Seq, time_ms: i64, text: usize) -> Arc<Event> {
    let body = KpiEvent::Parked { reason: "x".repeat(text) };
    Arc::new(Event::new(seq, time_ms, KpiName::new("k").unwrap(), body))
}

fn decoded(bytes: &[u8], seed: Seed, base: u64) -> Vec<(Frame, Vec<Arc<Event>>)> {
    let (mut at, mut found) = (0, Vec::new());
    while at < bytes.len() {
        let frame = Frame::parse(&bytes[at..], seed, base + at as u64).unwrap();
        let payload = &bytes[at + HEADER..at + frame.len() as usize];
        assert!(frame.fits(payload));
        found.push((frame, decode(&frame, payload).unwrap()));
        at += frame.len() as usize;
    }
    found
}

#[test]
fn frame_decodes_to_its_events_and_header() {
    let events = vec![event(5, 100, 3), event(6, 101, 0), event(7, 140, 9)];
    let mut draft = Draft::of_events(&events, Vec::new()).unwrap();
    let seed = Seed::new(7, 3);
    let frames = decoded(draft.finish(seed, 4_096), seed, 4_096);
    assert_eq!(frames.len(), 1);
    let (frame, found) = &frames[0];
    assert_eq!((frame.first, frame.count, frame.next()), (5, 3, 8));
    assert_eq!((frame.first_time_ms, frame.last_time_ms, frame.synced_to), (100, 140, 4_096));
    assert!(frame.last && frame.len() % ALIGN as u64 == 0);
    assert_eq!(found, &events);
}

#[test]
fn large_append_is_split_into_frames_without_a_gap() {
    let events: Vec<_> = (1..=40).map(|seq| event(seq, 0, 100_000)).collect();
    let mut draft = Draft::of_events(&events, Vec::new()).unwrap();
    let seed = Seed::new(7, 3);
    let frames = decoded(draft.finish(seed, 64), seed, 64);
    assert!(frames.len() > 3 && frames.iter().all(|(frame, _)| frame.len() < FRAME_BYTES as u64 + 200_000));
    let last: Vec<_> = frames.iter().map(|(frame, _)| frame.last).collect();
    assert_eq!(last.iter().position(|last| *last), Some(frames.len() - 1), "only the last frame ends the append");
    assert_eq!(frames.into_iter().flat_map(|(_, events)| events).collect::<Vec<_>>(), events);
}

#[test]
fn every_flipped_bit_and_every_other_place_is_invalid() {
    let mut draft = Draft::of_events(&[event(1, 1, 30), event(2, 2, 30)], Vec::new()).unwrap();
    let seed = Seed::new(7, 3);
    let bytes = draft.finish(seed, 64).to_vec();
    let valid = |bytes: &[u8], seed, offset| {
        Frame::parse(bytes, seed, offset).is_some_and(|frame| frame.fits(&bytes[HEADER..]))
    };
    assert!(valid(&bytes, seed, 64));
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(!valid(&damaged, seed, 64), "bit {bit}");
    }
    assert!(!valid(&bytes, seed, 72), "another offset");
    assert!(!valid(&bytes, Seed::new(7, 4), 64), "another segment");
    assert!(!valid(&bytes, Seed::new(8, 3), 64), "another log");
}

#[test]
fn epoch_and_gap_are_read_back() {
    let seed = Seed::new(1, 1);
    let mut draft = Draft::of_epoch("an-epoch", 9, 5).unwrap();
    let bytes = draft.finish(seed, 0).to_vec();
    let frame = Frame::parse(&bytes, seed, 0).unwrap();
    assert_eq!((frame.kind, frame.first, frame.next()), (Kind::Epoch, 9, 9));
    assert_eq!(decode_epoch(&bytes[HEADER..]).as_deref(), Some("an-epoch"));
    let bytes = gap(seed, 800, 96, (4, 11), (1, 2));
    let frame = Frame::parse(&bytes, seed, 800).unwrap();
    assert_eq!((frame.kind, frame.first, frame.next(), frame.len()), (Kind::Gap, 4, 11, 96));
    assert!(frame.fits(&bytes[HEADER..]));
}
