use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use earcon_model::{Deletion, KpiEvent, ScoredSample, SeriesStatus};

fn samples(seq: Seq, kpi: &str, series: &[&str]) -> Event {
    let one = |labels: &&str| SeriesSamples {
        labels: Labels::parse(labels).unwrap(),
        samples: [seq * 10, seq * 10 + 1]
            .map(|value| ScoredSample {
                timestamp_ms: value as i64,
                value: value as f64,
                score: None,
                expected: 0.0,
                lower: 0.0,
                upper: 0.0,
            })
            .to_vec()
            .into(),
        late: vec![],
        features: None,
        status: SeriesStatus::Normal,
        counter: None,
        looks_like: None,
    };
    let body = SeriesEvent::Samples(series.iter().map(one).collect());
    Event::new(seq, seq as i64, KpiName::new(kpi).unwrap(), body)
}

fn resumed(seq: Seq, kpi: &str) -> Event {
    Event::new(seq, seq as i64, KpiName::new(kpi).unwrap(), KpiEvent::Resumed)
}

fn kpi_of(event: &Event) -> String {
    event.kpi().unwrap().to_string()
}

/// The newest value of each series of an event.
fn newest(event: &Event) -> Vec<(String, f64)> {
    let EventBody::Series(SeriesEvent::Samples(series)) = &event.body else { return vec![] };
    let name = |series: &SeriesSamples| format!("{}/{}", kpi_of(event), series.labels);
    series.iter().filter_map(|series| Some((name(series), series.samples.last()?.value))).collect()
}

#[test]
fn deleted_samples_are_not_sent_after_their_deletion() {
    let deletion = |seq, scope| {
        let deletion = Deletion { scope, by: "ann".into() };
        Event::new(seq, 0, KpiName::new("a").unwrap(), KpiEvent::Deleted(deletion))
    };
    let labels = |text| Labels::parse(text).unwrap();
    let mut rate = Conflation::new(2.0).unwrap();
    for seq in 1..=3 {
        rate.offer(&samples(seq, "a", &["x:1", "x:2"]), 0);
        rate.offer(&samples(seq + 10, "b", &["x:1"]), 0);
    }
    assert_eq!(rate.offer(&deletion(4, DeletionScope::Series { labels: labels("x:1") }), 10), Offer::Pass);
    let range = |from_ms, to_ms| DeletionScope::Samples { labels: Labels::none(), from_ms, to_ms };
    rate.offer(&deletion(5, range(0, 31)), 10);
    let held: Vec<_> = rate.take_all(5).iter().map(|(held, _)| newest(&held.event)).collect();
    assert_eq!(held, [vec![("a/x:2".to_owned(), 31.0)], vec![("b/x:1".to_owned(), 131.0)]]);
    rate.offer(&samples(6, "a", &["x:2"]), 20);
    rate.offer(&deletion(7, DeletionScope::Kpi), 30);
    assert_eq!((rate.resume(7), rate.take_all(7)), (7, vec![]));
}

#[test]
fn everything_held_is_taken_with_positions_to_resume_from() {
    let mut rate = Conflation::new(2.0).unwrap();
    for (seq, kpi) in [(1, "a"), (2, "b"), (3, "b"), (4, "a"), (5, "b")] {
        rate.offer(&samples(seq, kpi, &["x:1"]), 0);
    }
    let taken: Vec<_> = rate.take_all(6).into_iter().map(|(held, at)| (held.event.seq, held.count, at)).collect();
    // After the first of them, event 4 is still to be sent.
    assert_eq!(taken, [(5, 2, 3), (4, 1, 6)]);
    assert_eq!((rate.resume(6), rate.next_due(), rate.take_all(6)), (6, None, vec![]));
    assert_eq!(rate.offer(&samples(7, "a", &["x:1"]), 100), Offer::Held, "the interval goes on");
    assert_eq!(rate.take_due(500).unwrap().event.seq, 7);
}

#[test]
fn the_first_passes_and_the_rest_becomes_one() {
    let mut rate = Conflation::new(2.0).unwrap();
    assert_eq!(rate.offer(&samples(1, "a", &["x:1"]), 0), Offer::Pass);
    assert_eq!(rate.next_due(), None);
    assert_eq!(rate.offer(&samples(2, "a", &["x:1"]), 100), Offer::Held);
    assert_eq!(rate.offer(&samples(3, "b", &["x:1"]), 100), Offer::Pass, "another KPI has a rate of its own");
    assert_eq!(rate.offer(&samples(4, "a", &["x:1", "x:2"]), 499), Offer::Held);
    assert_eq!(rate.resume(4), 1, "2 is held back");
    assert_eq!(rate.next_due(), Some(500));
    assert_eq!(rate.take_due(499), None);
    let Conflated { event, count } = rate.take_due(500).unwrap();
    assert_eq!((event.seq, event.time_ms, count), (4, 4, 2));
    assert_eq!(newest(&event), [("a/x:1".into(), 41.0), ("a/x:2".into(), 41.0)]);
    assert_eq!((rate.take_due(500), rate.resume(4)), (None, 4));
    assert_eq!(rate.offer(&samples(5, "a", &["x:1"]), 999), Offer::Held, "the interval begins with what was sent");
    assert!(rate.take_due(1_000).is_some());
    assert_eq!(rate.take_due(1_500), None);
    assert_eq!(rate.offer(&samples(6, "a", &["x:1"]), 1_500), Offer::Pass, "and ends");
}

#[test]
fn events_other_than_samples_are_never_held_back() {
    let mut rate = Conflation::new(0.01).unwrap();
    rate.offer(&samples(1, "a", &["x:1"]), 0);
    rate.offer(&samples(2, "a", &["x:1"]), 0);
    assert_eq!(rate.offer(&resumed(3, "a"), 0), Offer::Pass);
    assert_eq!(rate.resume(3), 1, "it overtook 2");
}

#[test]
fn rates_that_make_no_sense_are_refused() {
    for rate in [0.0, -1.0, 101.0, f64::NAN, f64::INFINITY] {
        assert!(Conflation::new(rate).is_err(), "{rate}");
    }
}

/// The messages that a follower with a rate received before its connection broke.
#[derive(Default)]
struct Follower {
    /// Newest value by series.
    values: HashMap<String, f64>,
    others: Vec<Seq>,
    resume: Seq,
}

impl Follower {
    fn sent(&mut self, event: &Event, resume: Seq) {
        self.values.extend(newest(event));
        if !matches!(event.body, EventBody::Series(SeriesEvent::Samples(_)))
            && self.others.last().is_none_or(|last| *last < event.seq)
        {
            self.others.push(event.seq);
        }
        self.resume = resume;
    }

    /// Follows `log` from its position until the connection breaks after `messages`. Without a
    /// break, all due events are sent.
    fn follow(&mut self, log: &[(Event, u64)], rate: f64, messages: usize) -> Vec<(String, u64)> {
        let mut conflation = Conflation::new(rate).unwrap();
        let mut sent = Vec::new();
        let start = self.resume;
        let mut clock = 0;
        let mut seen = start;
        for (event, pause) in log.iter().filter(|(event, _)| event.seq > start) {
            clock += pause;
            while let Some(due) = conflation.take_due(clock) {
                if sent.len() == messages {
                    return sent;
                }
                self.sent(&due.event, conflation.resume(seen));
                sent.push((kpi_of(&due.event), clock));
            }
            seen = event.seq;
            if conflation.offer(event, clock) == Offer::Pass {
                if sent.len() == messages {
                    return sent;
                }
                self.sent(event, conflation.resume(seen));
                let samples = matches!(event.body, EventBody::Series(SeriesEvent::Samples(_)));
                sent.push((if samples { kpi_of(event) } else { String::new() }, clock));
            }
        }
        while let Some(due_at) = conflation.next_due() {
            clock = clock.max(due_at);
            if let Some(due) = conflation.take_due(clock) {
                if sent.len() == messages {
                    return sent;
                }
                self.sent(&due.event, conflation.resume(seen));
                sent.push((kpi_of(&due.event), clock));
            }
        }
        sent
    }
}

fn log() -> impl Strategy<Value = Vec<(Event, u64)>> {
    let series = prop::sample::subsequence(vec!["x:1", "x:2", "x:3"], 1..=3);
    let one = (prop::sample::select(vec!["a", "b", "c"]), series, 0..4_u8, 0..400_u64);
    prop::collection::vec(one, 0..60).prop_map(|rows| {
        let events = rows.into_iter().zip(1..).map(|((kpi, series, kind, pause), seq)| match kind {
            0 => (resumed(seq, kpi), pause),
            _ => (samples(seq, kpi, &series), pause),
        });
        events.collect()
    })
}

proptest! {
    #[test]
    fn nothing_a_follower_is_entitled_to_is_lost_wherever_connections_break(
        log in log(), rate in 0.5_f64..20.0, breaks in prop::collection::vec(0..12_usize, 0..6),
    ) {
        let mut follower = Follower::default();
        for messages in breaks {
            follower.follow(&log, rate, messages);
        }
        follower.follow(&log, rate, usize::MAX);

        let mut values = HashMap::new();
        log.iter().for_each(|(event, _)| values.extend(newest(event)));
        prop_assert_eq!(&follower.values, &values, "the newest value of every series arrived");
        let others = log.iter().filter(|(event, _)| !matches!(event.body, EventBody::Series(SeriesEvent::Samples(_))));
        prop_assert_eq!(&follower.others, &others.map(|(event, _)| event.seq).collect::<Vec<_>>(), "each once, in order");
        if let Some((last, _)) = log.last() {
            prop_assert!(follower.resume <= last.seq);
        }
    }

    #[test]
    fn no_kpi_exceeds_its_rate(log in log(), rate in 0.5_f64..20.0) {
        let sent = Follower::default().follow(&log, rate, usize::MAX);
        for kpi in ["a", "b", "c"] {
            let times: Vec<u64> = sent.iter().filter(|(name, _)| name == kpi).map(|(_, at)| *at).collect();
            for pair in times.windows(2) {
                prop_assert!((pair[1] - pair[0]) as f64 >= 1_000.0 / rate, "{:?} at {rate}", times);
            }
        }
    }
}
