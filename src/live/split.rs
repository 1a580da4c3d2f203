//! Splits an event that is too large for one message.

use earcon_model::{CounterSamples, Event, EventBody, SeriesEvent, SeriesSamples};

/// Splits an event into two, each with about half of its rows. `None` if it is not about samples
/// or has fewer than two rows. Both have the same `seq`. Both have the status and features of a
/// series, which are those after all its samples.
pub fn halves(event: &Event) -> Option<(Event, Event)> {
    let (series, make): (_, fn(_) -> SeriesEvent) = match &event.body {
        EventBody::Series(SeriesEvent::Samples(series)) => (series, SeriesEvent::Samples),
        EventBody::Series(SeriesEvent::Backfilled(series)) => (series, SeriesEvent::Backfilled),
        _ => return None,
    };
    let part = |series| Event { body: make(series).into(), subject: event.subject.clone(), ..*event };
    let half = series.iter().map(rows).sum::<usize>() / 2;
    if half == 0 {
        return None;
    }
    let (mut first, mut second) = (Vec::new(), Vec::new());
    let mut room = half;
    for series in series {
        let rows = rows(series);
        if room >= rows {
            first.push(series.clone());
        } else if room == 0 {
            second.push(series.clone());
        } else {
            let (before, after) = cut(series, room);
            first.push(before);
            second.push(after);
        }
        room = room.saturating_sub(rows);
    }
    Some((part(first), part(second)))
}

/// The number of rows. The start of a counter counts as a row, because it takes space in a
/// message.
fn rows(series: &SeriesSamples) -> usize {
    series.samples.len() + series.late.len() + starts(series)
}

fn starts(series: &SeriesSamples) -> usize {
    usize::from(series.counter.is_some_and(|counter| counter.start.is_some()))
}

/// The first `at` rows and the rest, scored rows first. `at` is at least 1.
fn cut(series: &SeriesSamples, at: usize) -> (SeriesSamples, SeriesSamples) {
    let (mut before, mut after) = (series.clone(), series.clone());
    let at = at - starts(series);
    after.counter = series.counter.map(|counter| CounterSamples { start: None, late: 0, ..counter });
    let scored = at.min(series.samples.len());
    after.samples = before.samples.drain(scored..).collect();
    after.late = before.late.split_off(at - scored);
    (before, after)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use earcon_model::{KpiEvent, KpiName, Labels, Sample, ScoredSample, SeriesStatus};

    fn event(series: &[(usize, usize)]) -> Event {
        let scored = |at: usize| ScoredSample {
            timestamp_ms: at as i64,
            value: at as f64,
            score: None,
            expected: 0.0,
            lower: 0.0,
            upper: 0.0,
        };
        let series = series.iter().enumerate().map(|(number, (samples, late))| SeriesSamples {
            labels: Labels::parse(&format!("number:{number}")).unwrap(),
            samples: (0..*samples).map(scored).collect(),
            late: (0..*late).map(|at| Sample { timestamp_ms: -(at as i64), value: 0.0 }).collect(),
            features: None,
            status: SeriesStatus::Normal,
            counter: None,
            looks_like: None,
        });
        Event::new(9, 5, KpiName::new("k").unwrap(), SeriesEvent::Samples(series.collect()))
    }

    fn content(event: &Event) -> Vec<(String, i64, bool)> {
        let EventBody::Series(SeriesEvent::Samples(series)) = &event.body else { panic!("{event:?}") };
        let mut rows = Vec::new();
        for series in series {
            let name = series.labels.as_str();
            rows.extend(series.samples.iter().map(|sample| (name.to_owned(), sample.timestamp_ms, false)));
            rows.extend(series.late.iter().map(|sample| (name.to_owned(), sample.timestamp_ms, true)));
        }
        rows
    }

    #[test]
    fn one_row_is_not_cut() {
        assert_eq!(halves(&event(&[(1, 0)])), None);
        assert_eq!(halves(&event(&[(0, 0), (0, 1)])), None);
        let parked = Event { body: KpiEvent::Parked { reason: "x".into() }.into(), ..event(&[]) };
        assert_eq!(halves(&parked), None);
    }

    #[test]
    fn split_counter_keeps_start_in_first_half_and_event_kind() {
        let EventBody::Series(SeriesEvent::Samples(mut series)) = event(&[(2, 0), (0, 0)]).body else { unreachable!() };
        let start = Some(Sample { timestamp_ms: -1, value: 7.0 });
        for series in &mut series {
            series.counter = Some(CounterSamples { start, raw: Some(9.0), late: 3 });
        }
        let whole = Event { body: SeriesEvent::Backfilled(series).into(), ..event(&[]) };
        let (first, second) = halves(&whole).unwrap();
        let (EventBody::Series(SeriesEvent::Backfilled(first)), EventBody::Series(SeriesEvent::Backfilled(second))) =
            (first.body, second.body)
        else {
            panic!("another kind of event")
        };
        let brief = |half: &[SeriesSamples]| -> Vec<(usize, CounterSamples)> {
            half.iter().map(|series| (series.samples.len(), series.counter.unwrap())).collect()
        };
        let counter = |start, late| CounterSamples { start, raw: Some(9.0), late };
        assert_eq!(brief(&first), [(1, counter(start, 3))]);
        assert_eq!(brief(&second), [(1, counter(None, 0)), (0, counter(start, 3))]);
    }

    proptest! {
        #[test]
        fn halves_hold_every_row_once_in_order(series in prop::collection::vec((0..9_usize, 0..9_usize), 0..6)) {
            let whole = event(&series);
            let rows = content(&whole).len();
            match halves(&whole) {
                None => prop_assert!(rows < 2),
                Some((first, second)) => {
                    prop_assert_eq!((first.seq, second.seq), (9, 9));
                    prop_assert_eq!(content(&first).len(), rows / 2);
                    prop_assert_eq!([content(&first), content(&second)].concat(), content(&whole));
                }
            }
        }
    }
}
