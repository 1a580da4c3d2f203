use proptest::prelude::*;

use super::*;
use crate::influx::{self, Precision};
use crate::rules::RulesDocument;
use crate::{Batch, ParsedBatch, Rules, SeriesCache, json, remote_write};

/// Some series share a target, some are dropped, some are refused.
fn rules() -> Rules {
    RulesDocument::parse(
        br#"{"rules": [{"name": "same*", "kpi": "same", "drop_labels": ["host"]}, {"name": "gone*", "drop": true}]}"#,
    )
    .unwrap()
}

fn cache() -> SeriesCache {
    SeriesCache::new(rules(), 100_000, 1)
}

/// A line of the series with this number.
fn line(series: u8, at: usize) -> String {
    let host = series / 8;
    match series % 8 {
        0 => format!("same{host},host=a{host} value={at} {at}\n"),
        1 => format!("gone,host=a{host} value={at} {at}\n"),
        2 => format!("bad,host value={at} {at}\n"),
        3 => format!("two,host=a{host} in={at},out={at}.5 {at}\n"),
        kpi => format!("kpi{kpi},host=a{host} value={at} {at}\n"),
    }
}

fn parsed(cache: &SeriesCache, order: &[u8]) -> ParsedBatch {
    let body: String = order.iter().enumerate().map(|(at, series)| line(*series, at)).collect();
    let mut batch = Batch::new(cache, 0, 100_000);
    influx::parse(body.as_bytes(), Precision::Milliseconds, &mut batch).unwrap();
    batch.finish()
}

/// Whether the course that begins with this line is known.
fn knows(cache: &SeriesCache, head: &[u8]) -> bool {
    let name = RawName { protocol: Protocol::Influx, head, tail: Some(b"value") };
    cache.course(name.key(cache.keys())).is_some()
}

proptest! {
    #[test]
    fn a_course_changes_no_result(
        orders in prop::collection::vec(prop::collection::vec(0u8..40, 0..30), 1..4),
        changes in prop::collection::vec((0usize..4, 0usize..30, 0u8..40, 0u8..4), 1..12),
    ) {
        let known = cache();
        let mut orders = orders;
        let count = orders.len();
        for (which, at, series, change) in changes {
            let order = &mut orders[which % count];
            let at = at % (order.len() + 1);
            // The same order again, one more series, one less, or a shorter request.
            match change {
                1 => order.insert(at, series),
                2 if at < order.len() => { order.remove(at); }
                3 => order.truncate(at),
                _ => {}
            }
            for times in 1..=3 {
                prop_assert_eq!(parsed(&known, order), parsed(&cache(), order), "time {}", times);
            }
        }
    }
}

#[test]
fn repeated_orders_are_followed_and_others_are_learned() {
    let cache = cache();
    let order: Vec<u8> = (4..8).chain(12..16).collect();
    assert!(!knows(&cache, b"kpi4,host=a0"));
    parsed(&cache, &order);
    assert!(knows(&cache, b"kpi4,host=a0"));
    let course = || {
        let name = RawName { protocol: Protocol::Influx, head: b"kpi4,host=a0", tail: Some(b"value") };
        cache.course(name.key(cache.keys())).unwrap()
    };
    let first = course();
    parsed(&cache, &[&order[..], &order[..]].concat());
    assert!(Arc::ptr_eq(&first, &course()), "two rounds of all series follow the course of one");
    parsed(&cache, &[4, 4, 5, 5, 6, 7, 4]);
    assert_eq!(course().stops.len(), 4, "a request that left the course has replaced it");
}

#[test]
fn all_protocols_follow_their_own_courses() {
    let cache = cache();
    let native = br#"{"samples":[{"kpi":"a","value":1},{"kpi":"b","labels":{"x":"y"},"value":1},{"kpi":"c","value":1},
        {"kpi":"d","value":1}]}"#;
    let gather = |parse: &dyn Fn(&mut Batch<'_>)| {
        let mut batch = Batch::new(&cache, 0, 100);
        parse(&mut batch);
        batch.finish()
    };
    let document = |batch: &mut Batch<'_>| json::parse_document(native, batch).unwrap();
    let first = gather(&document);
    assert_eq!(first.batches.len(), 4);
    assert_eq!(gather(&document), first);
    // The same bytes name another series in another protocol.
    let label = [&[10, 8][..], b"__name__", &[18, 1], b"a"].concat();
    let sample = [&[9][..], &1f64.to_le_bytes(), &[16, 5]].concat();
    let series = [&[10, label.len() as u8][..], &label, &[18, sample.len() as u8], &sample].concat();
    let request = [&[10, series.len() as u8][..], &series].concat().repeat(6);
    let write = |batch: &mut Batch<'_>| drop(remote_write::parse(remote_write::Version::V1, &request, batch).unwrap());
    let first = gather(&write);
    assert_eq!((first.batches.len(), first.batches[0].series[0].rows.len()), (1, 6));
    assert_eq!(gather(&write), first);
}

#[test]
fn a_shuffling_sender_stops_being_learned_until_a_course_is_right() {
    let trials = Trials::default();
    assert_eq!((0..640).filter(|_| trials.next()).count(), 64 + 36);
    trials.success();
    assert!((0..64).all(|_| trials.next()));
}

#[test]
fn courses_are_bounded() {
    let mut courses = Courses::new(20);
    let name = RawName { protocol: Protocol::Influx, head: b"x", tail: None };
    let of = |stops: usize| {
        let mut course = Course::default();
        (0..stops).for_each(|_| assert!(course.push(&name, Route::Series(0, 0), None)));
        course
    };
    (0..100).for_each(|first| courses.keep(first, &of(7)));
    assert!(courses.known.len() <= 2 && courses.stops <= 20);
    courses.keep(500, &of(21));
    courses.keep(501, &of(LEAST - 1));
    assert!(courses.get(500).is_none() && courses.get(501).is_none());
    (0..9).for_each(|_| courses.keep(99, &of(5)));
    assert_eq!(courses.stops, courses.known.values().map(|course| course.stops.len()).sum::<usize>());
    assert_eq!(courses.bytes, courses.known.values().map(|course| course.text.len()).sum::<usize>());
}

#[test]
fn long_names_are_bounded_in_bytes() {
    let mut courses = Courses::new(20);
    let text = [b'x'; 20 * BYTES_A_SERIES / 8];
    let name = RawName { protocol: Protocol::Influx, head: &text, tail: None };
    let mut course = Course::default();
    (0..5).for_each(|_| assert!(course.push(&name, Route::Series(0, 0), None)));
    (0..4).for_each(|first| courses.keep(first, &course));
    assert!(courses.known.len() == 1 && courses.bytes <= 20 * BYTES_A_SERIES);
    (0..5).for_each(|_| assert!(course.push(&name, Route::Series(0, 0), None)));
    courses.keep(9, &course);
    assert!(courses.get(9).is_none(), "too long alone");
}
