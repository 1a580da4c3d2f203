//! The state of a KPI in parts of a bounded size.
//!
//! The state of a KPI with very many series is saved part by part, while samples go on. So each
//! part is a state of its own, after another event of the log. [`KpiParts`] brings all parts to the
//! same event: each part gets its share of each event, and all are joined at the end.
//!
//! Series are numbered by their first appearance, and keep their places; a deleted one leaves an
//! empty place. So a part always holds the same places, and only the last one grows. Parts are
//! saved from the last one to the first. So if a part has no successor in the store, it had none
//! when it was saved, and all series behind it appeared later. Without a first part, no state was
//! ever saved whole, and the log has all of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::kpi_state::KpiState;
use earcon_model::{AnomalyEvent, Event, EventBody, KpiEvent, Labels, Seq, SeriesEvent, SeriesSamples};

/// Series of one part. With a shadow detector a part has about half a megabyte, without about half
/// of that.
pub const PART_SERIES: usize = 128;

impl KpiState {
    /// How many parts the state has, at least one.
    pub fn parts(&self) -> u32 {
        self.series.len().div_ceil(PART_SERIES).max(1) as u32
    }

    /// One part of the state as bytes, which [`restore`](Self::restore) reads. The first part holds
    /// the first [`PART_SERIES`] series.
    pub fn snapshot_part(&self, part: u32) -> Vec<u8> {
        let start = (part as usize * PART_SERIES).min(self.series.len());
        self.snapshot_of(start..(start + PART_SERIES).min(self.series.len()))
    }
}

/// The parts of the state of one KPI, each after another event.
pub struct KpiParts {
    parts: Vec<(Seq, KpiState)>,
    /// The part of each series. Empty if there is only one part.
    owners: BTreeMap<Labels, u32>,
}

impl KpiParts {
    /// A state after event `seq`.
    pub fn whole(seq: Seq, state: KpiState) -> Self {
        Self { parts: vec![(seq, state)], owners: BTreeMap::new() }
    }

    /// The parts by their numbers. `None` if the first one is missing.
    pub fn from_parts(parts: BTreeMap<u32, (Seq, KpiState)>) -> Option<Self> {
        let in_order = (0..).zip(parts).take_while(|(number, (part, _))| number == part);
        let mut parts: Vec<_> = in_order.map(|(_, (_, part))| part).collect();
        if parts.is_empty() {
            return None;
        }
        // All series of later parts appeared after a part that is not full was saved. The log has
        // them again.
        if let Some(last) = parts.iter().position(|(_, state)| state.series.len() < PART_SERIES) {
            parts.truncate(last + 1);
        }
        let mut owners = BTreeMap::new();
        if parts.len() > 1 {
            for (owner, (_, state)) in (0..).zip(&parts) {
                owners.extend(state.series().map(|series| (series.labels.clone(), owner)));
            }
        }
        Some(Self { parts, owners })
    }

    /// The first event that a part lacks.
    pub fn next(&self) -> Seq {
        self.parts.iter().map(|(seq, _)| seq + 1).min().unwrap_or(1)
    }

    /// All series, in order of first appearance.
    pub fn labels(&self) -> impl Iterator<Item = &Labels> {
        self.parts.iter().flat_map(|(_, state)| state.series().map(|series| series.labels))
    }

    /// The parts that have to replay an event of the KPI, each with its share of the event.
    pub fn shares<'e>(&mut self, event: &'e Event) -> Vec<(&mut KpiState, Cow<'e, Event>)> {
        let mut shares = self.split(event);
        let parts = self.parts.iter_mut().enumerate();
        parts
            .filter(|(_, (seq, _))| *seq < event.seq)
            .filter_map(|(part, (_, state))| Some((state, shares.remove(&(part as u32))?)))
            .collect()
    }

    /// The shares of all parts that an event concerns.
    fn split<'e>(&mut self, event: &'e Event) -> BTreeMap<u32, Cow<'e, Event>> {
        let whole = |part: u32| (part, Cow::Borrowed(event));
        if self.parts.len() <= 1 {
            return BTreeMap::from([whole(0)]);
        }
        match &event.body {
            EventBody::Series(SeriesEvent::Samples(all)) => self.split_samples(event, all, SeriesEvent::Samples),
            EventBody::Series(SeriesEvent::Backfilled(all)) => self.split_samples(event, all, SeriesEvent::Backfilled),
            EventBody::Series(
                SeriesEvent::Stalled { labels, .. }
                | SeriesEvent::Restored { labels, .. }
                | SeriesEvent::Ended { labels, .. },
            )
            | EventBody::Anomaly(AnomalyEvent::Acknowledged { labels, .. } | AnomalyEvent::Feedback { labels, .. }) => {
                self.owners.get(labels).map(|part| whole(*part)).into_iter().collect()
            }
            EventBody::Detector(_) => (0..self.parts.len() as u32).map(whole).collect(),
            EventBody::Kpi(KpiEvent::Deleted(deletion)) => {
                // A series that came back later belongs to a part that is after this event already.
                let parts = &self.parts;
                let goes = |labels: &Labels, part: u32| {
                    deletion.scope.covers_series(labels) && parts[part as usize].0 < event.seq
                };
                self.owners.retain(|labels, part| !goes(labels, *part));
                (0..self.parts.len() as u32).map(whole).collect()
            }
            // They follow from samples, or change no state.
            _ => BTreeMap::new(),
        }
    }

    fn split_samples<'e>(
        &mut self,
        event: &'e Event,
        all: &[SeriesSamples],
        body: impl Fn(Vec<SeriesSamples>) -> SeriesEvent,
    ) -> BTreeMap<u32, Cow<'e, Event>> {
        let mut shares: BTreeMap<u32, Vec<SeriesSamples>> = BTreeMap::new();
        for one in all {
            let owner = match self.owners.get(&one.labels) {
                Some(owner) => *owner,
                None => {
                    // New series come last. All parts but the last are full.
                    let last = self.parts.len() as u32 - 1;
                    self.owners.insert(one.labels.clone(), last);
                    last
                }
            };
            shares.entry(owner).or_default().push(one.clone());
        }
        let event = |samples| Event { body: EventBody::Series(body(samples)), ..event.clone() };
        shares.into_iter().map(|(owner, samples)| (owner, Cow::Owned(event(samples)))).collect()
    }

    /// The state, once all parts have replayed all events.
    pub fn join(self) -> Option<KpiState> {
        let mut parts = self.parts.into_iter().map(|(_, state)| state);
        let mut whole = parts.next()?;
        let is_one = parts.len() == 0;
        parts.for_each(|part| whole.append(part));
        if !is_one {
            whole.find_next_stall();
        }
        Some(whole)
    }
}

impl KpiState {
    /// Adds the series of another part, which has the same detectors.
    fn append(&mut self, part: Self) {
        let first = self.series.len() as u32;
        for series in part.series {
            if series.vacant {
                self.index.push_vacant(());
            } else {
                self.index.push_numbered(series.labels.clone(), ());
            }
            self.series.push(series);
        }
        self.vacant += part.vacant;
        if let (Some(shadow), Some(more)) = (&mut self.shadow, part.shadow) {
            for (number, series) in (first..).zip(more.series) {
                series.into_iter().for_each(|series| shadow.put(number, *series));
            }
        }
    }
}
