//! The state of a KPI in parts of a bounded size.
//!
//! The state of a KPI with very many series is saved part by part, while samples go on. So each
//! part is a state of its own, after another event of the log. [`KpiParts`] brings all parts to the
//! same event: each part gets its share of each event, and all are joined at the end.
//!
//! Each series has an ordinal, by its first appearance, which is never used again. A part is a
//! range of ordinals, and a snapshot of another range is refused. So a part always holds the same
//! series, whatever was deleted, and only the last one grows. Parts are saved from the last one to
//! the first. So if a part has no successor in the store, it had none when it was saved, and all
//! series behind it appeared later. Without a first part, no state was ever saved whole, and the
//! log has all of it.
//!
//! A replay must know which series are new: they get the next ordinals, in the last part. An
//! unknown series is new unless it was deleted from another part since the last part was saved.
//! So each part names the series that were deleted from it meanwhile.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::kpi_state::KpiState;
use super::settings::StreamSettings;
use super::snapshot::RestoreError;
use earcon_model::{
    AnomalyEvent, Event, EventBody, KpiEvent, KpiName, Labels, Seq, SeriesEvent, SeriesSamples, WorkspaceId,
};

/// Series of one part. With a shadow detector a part has about half a megabyte, without about half
/// of that.
pub const PART_SERIES: usize = 128;

/// The ordinals of the series of a part.
fn ordinals(part: u32) -> Range<u32> {
    let start = part.saturating_mul(PART_SERIES as u32);
    start..start.saturating_add(PART_SERIES as u32)
}

impl KpiState {
    /// How many parts the state has, at least one.
    pub fn parts(&self) -> u32 {
        self.next_ordinal.div_ceil(PART_SERIES as u32).max(1)
    }

    /// How many series a part has.
    pub fn series_of_part(&self, part: u32) -> usize {
        let Range { start, end } = ordinals(part);
        let position = |ordinal| self.series.partition_point(|series| series.ordinal < ordinal);
        position(end) - position(start)
    }

    /// One part of the state as bytes, which [`restore_part`](Self::restore_part) reads. All parts
    /// have to be saved, from the last one to the first.
    pub fn snapshot_part(&mut self, part: u32) -> Vec<u8> {
        if part + 1 == self.parts() {
            self.deleted.clear();
        }
        let ordinals = ordinals(part);
        let of_part = self.deleted.iter().filter(|(ordinal, _)| ordinals.contains(ordinal));
        let deleted: Vec<_> = of_part.map(|(_, labels)| labels).collect();
        self.snapshot_of(ordinals.clone(), &deleted)
    }

    /// Restores a part under the current settings.
    ///
    /// # Errors
    /// The bytes have another format, are damaged, or are those of another part.
    pub fn restore_part(
        workspace: WorkspaceId,
        kpi: KpiName,
        settings: Arc<StreamSettings>,
        part: u32,
        bytes: &[u8],
    ) -> Result<Self, RestoreError> {
        Self::restore_series(workspace, kpi, settings, ordinals(part), bytes)
    }
}

/// The parts of the state of one KPI, each after another event.
pub struct KpiParts {
    parts: Vec<(Seq, KpiState)>,
    /// The part of each series. Empty if there is only one part.
    owners: BTreeMap<Labels, u32>,
    /// Series that were deleted between the last part and an earlier one. Until the replay comes to
    /// their deletion, they belong to parts that include it.
    deleted: BTreeSet<Labels>,
}

impl KpiParts {
    /// A state after event `seq`.
    pub fn whole(seq: Seq, state: KpiState) -> Self {
        Self { parts: vec![(seq, state)], owners: BTreeMap::new(), deleted: BTreeSet::new() }
    }

    /// The parts by their numbers. `None` if the first one is missing.
    pub fn from_parts(parts: BTreeMap<u32, (Seq, KpiState)>) -> Option<Self> {
        let in_order = (0..).zip(parts).take_while(|(number, (part, _))| number == part);
        let mut parts: Vec<(Seq, KpiState)> = in_order.map(|(_, (_, part))| part).collect();
        if parts.is_empty() {
            return None;
        }
        // All series of later parts appeared after a part that is not full was saved. The log has
        // them again.
        let is_full = |(part, (_, state)): (u32, &(Seq, KpiState))| state.next_ordinal >= ordinals(part).end;
        let full = (0..).zip(&parts).take_while(|part| is_full(*part)).count();
        parts.truncate(full + 1);
        let mut owners = BTreeMap::new();
        if parts.len() > 1 {
            for (owner, (_, state)) in (0..).zip(&parts) {
                owners.extend(state.series().map(|series| (series.labels.clone(), owner)));
            }
        }
        let after = parts.last().map_or(0, |(seq, _)| *seq);
        let mut deleted = BTreeSet::new();
        for (seq, state) in &mut parts {
            // An older part may name series that the last one holds again.
            let named = std::mem::take(&mut state.deleted);
            deleted.extend(named.into_iter().filter(|_| *seq > after).map(|(_, labels)| labels));
        }
        Some(Self { parts, owners, deleted })
    }

    /// The event that the last part includes.
    fn last_seq(&self) -> Seq {
        self.parts.last().map_or(0, |(seq, _)| *seq)
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
                if event.seq > self.last_seq() {
                    self.deleted.retain(|labels| !deletion.scope.covers_series(labels));
                }
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
                None if self.deleted.contains(&one.labels) => continue,
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
        whole.deleted.clear();
        Some(whole)
    }
}

impl KpiState {
    /// Adds the series of another part, which has the same detectors.
    fn append(&mut self, part: Self) {
        let first = self.series.len() as u32;
        for series in part.series {
            debug_assert!(self.index.find(&series.labels).is_none(), "{} is in two parts", series.labels);
            self.index.push_numbered(series.labels.clone(), ());
            self.series.push(series);
        }
        self.next_ordinal = part.next_ordinal;
        if let (Some(shadow), Some(more)) = (&mut self.shadow, part.shadow) {
            for (number, series) in (first..).zip(more.series) {
                series.into_iter().for_each(|series| shadow.put(number, *series));
            }
        }
    }
}
