//! Limits the `samples` events of each KPI to a follower's rate.
//!
//! Samples above the rate are held back and merged. The newest sample of each series always
//! arrives, but later. Other events are never held back. Pure: the caller passes the time in, as
//! milliseconds of a monotonic clock.
//!
//! Events with a later `seq` overtake held samples. [`resume`](Conflation::resume) returns the
//! position to resume from without losing any.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

use earcon_model::{DeletionScope, Event, EventBody, KpiName, Labels, Seq, SeriesEvent, SeriesSamples};

/// A rate was refused. The message is for the sender.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("rate must be from 0.01 to 100 events a second, not {0}")]
pub struct RateError(f64);

/// The decision about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Send it now.
    Pass,
    /// It is held back.
    Held,
}

/// Several `samples` events of one KPI, merged into one.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflated {
    /// It has the `seq` and time of the newest merged event, and the newest sample of each series.
    pub event: Event,
    /// How many events were merged.
    pub count: u64,
}

/// The held samples of one follower. It grows with the KPIs that had samples in the last interval,
/// not with events.
#[derive(Debug)]
pub struct Conflation {
    interval_ms: u64,
    /// KPIs with an event sent less than an interval ago, with the samples held since.
    slots: HashMap<KpiName, Option<Held>>,
    /// When each slot ends; exactly one entry a slot.
    ends: BinaryHeap<Reverse<(u64, KpiName)>>,
    /// The oldest event of each slot that holds something.
    oldest: BTreeSet<Seq>,
}

#[derive(Debug)]
struct Held {
    oldest: Seq,
    newest: Seq,
    time_ms: i64,
    count: u64,
    series: BTreeMap<Labels, SeriesSamples>,
}

impl Conflation {
    /// At most `rate` events a second, 0.01 to 100.
    ///
    /// # Errors
    /// If the rate is outside of that range.
    pub fn new(rate: f64) -> Result<Self, RateError> {
        if !(0.01..=100.0).contains(&rate) {
            return Err(RateError(rate));
        }
        // Rounded up, so that the rate is never exceeded.
        let interval_ms = (1_000.0 / rate).ceil() as u64;
        Ok(Self { interval_ms, slots: HashMap::new(), ends: BinaryHeap::new(), oldest: BTreeSet::new() })
    }

    /// Passes or holds the next event that the filter admits. It is merged with held samples of its
    /// KPI, even if they are due.
    pub fn offer(&mut self, event: &Event, now_ms: u64) -> Offer {
        if let Some((kpi, deletion)) = event.deletion() {
            self.forget(kpi, &deletion.scope);
            return Offer::Pass;
        }
        let EventBody::Series(SeriesEvent::Samples(series)) = &event.body else { return Offer::Pass };
        let Some(kpi) = event.kpi() else { return Offer::Pass };
        match self.slots.get_mut(kpi) {
            None => {
                self.begin_slot(kpi.clone(), now_ms);
                Offer::Pass
            }
            Some(slot) => {
                let held = slot.get_or_insert_with(|| {
                    self.oldest.insert(event.seq);
                    Held { oldest: event.seq, newest: 0, time_ms: 0, count: 0, series: BTreeMap::new() }
                });
                held.add(event, series);
                Offer::Held
            }
        }
    }

    /// Removes and returns the next merged event that is due.
    pub fn take_due(&mut self, now_ms: u64) -> Option<Conflated> {
        while let Some(Reverse((end, _))) = self.ends.peek()
            && *end <= now_ms
        {
            let Reverse((_, kpi)) = self.ends.pop()?;
            if let Some(held) = self.slots.remove(&kpi).flatten() {
                self.oldest.remove(&held.oldest);
                self.begin_slot(kpi.clone(), now_ms);
                return Some(held.conflated(kpi));
            }
        }
        None
    }

    /// Removes and returns everything held, whether it is due or not. With each comes the position
    /// to resume from after it, if `seen` is the last event offered.
    pub fn take_all(&mut self, seen: Seq) -> Vec<(Conflated, Seq)> {
        self.oldest.clear();
        let held = self.slots.iter_mut().filter_map(|(kpi, slot)| Some((slot.take()?, kpi.clone())));
        let mut held: Vec<_> = held.collect();
        held.sort_unstable_by_key(|(held, _)| held.oldest);
        let resumes: Vec<Seq> = held.iter().skip(1).map(|(held, _)| held.oldest - 1).chain([seen]).collect();
        held.into_iter().map(|(held, kpi)| held.conflated(kpi)).zip(resumes).collect()
    }

    /// When [`take_due`](Self::take_due) may return an event next; `None` while nothing is held.
    pub fn next_due(&self) -> Option<u64> {
        let Reverse((end, _)) = self.ends.peek()?;
        (!self.oldest.is_empty()).then_some(*end)
    }

    /// The position to resume from without losing held samples: `seen`, or right before the oldest
    /// held event.
    pub fn resume(&self, seen: Seq) -> Seq {
        self.oldest.first().map_or(seen, |oldest| oldest - 1)
    }

    /// Drops the held samples that a deletion covers. The deletion overtakes the others.
    fn forget(&mut self, kpi: &KpiName, scope: &DeletionScope) {
        let Some(slot) = self.slots.get_mut(kpi) else { return };
        let Some(held) = slot else { return };
        held.series.retain(|labels, series| {
            series.samples.retain(|sample| !scope.covers_sample(labels, sample.timestamp_ms));
            !scope.covers_series(labels) && !series.samples.is_empty()
        });
        if held.series.is_empty() {
            self.oldest.remove(&held.oldest);
            *slot = None;
        }
    }

    fn begin_slot(&mut self, kpi: KpiName, now_ms: u64) {
        self.ends.push(Reverse((now_ms.saturating_add(self.interval_ms), kpi.clone())));
        self.slots.insert(kpi, None);
    }
}

impl Held {
    fn add(&mut self, event: &Event, series: &[SeriesSamples]) {
        (self.newest, self.time_ms) = (event.seq, event.time_ms);
        self.count += 1;
        for new in series {
            let newest = new.samples.last().copied();
            match self.series.get_mut(&new.labels) {
                Some(known) => {
                    (known.features, known.status) = (new.features.or(known.features), new.status);
                    known.looks_like = new.looks_like;
                    if let Some(newest) = newest {
                        known.samples.clear();
                        known.samples.push(newest);
                    }
                }
                None => {
                    let (labels, samples) = (new.labels.clone(), newest.into_iter().collect());
                    let (features, status) = (new.features, new.status);
                    let latest = SeriesSamples {
                        labels,
                        samples,
                        late: Vec::new(),
                        features,
                        status,
                        counter: None,
                        looks_like: new.looks_like,
                    };
                    self.series.insert(new.labels.clone(), latest);
                }
            }
        }
    }

    fn conflated(self, kpi: KpiName) -> Conflated {
        let body = SeriesEvent::Samples(self.series.into_values().collect());
        Conflated { event: Event::new(self.newest, self.time_ms, kpi, body), count: self.count }
    }
}

#[cfg(test)]
mod tests;
