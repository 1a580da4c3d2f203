//! A state that is saved part by part while it changes.

use std::collections::{BTreeMap, BTreeSet};

use super::signals::{Dice, START, fresh, labelled};
use crate::{KpiParts, KpiState, PART_SERIES, RestoreError};
use earcon_model::{
    Deletion, DeletionScope, DetectorEntry, DetectorEvent, DetectorRef, DetectorSlots, Event, EventBody, KpiEvent,
    Labels, SeriesBatch,
};

/// A KPI with its log, and the parts in the store with the event each includes.
struct Saved {
    live: KpiState,
    log: Vec<Event>,
    store: BTreeMap<u32, (u64, Vec<u8>)>,
    dice: Dice,
}

impl Saved {
    fn record(&mut self, bodies: Vec<EventBody>, now: i64) {
        if self.live.shadow().is_some() {
            self.live.observe(&bodies);
        }
        for body in bodies {
            // As the log stores it.
            let body: EventBody = postcard::from_bytes(&postcard::to_stdvec(&body).unwrap()).unwrap();
            self.log.push(Event::new(self.log.len() as u64 + 1, now, fresh().kpi().clone(), body));
        }
    }

    /// Samples of some of the first `series` series.
    fn push(&mut self, step: i64, series: usize) {
        let now = START + step * 1_000;
        let mut batches: Vec<SeriesBatch> = Vec::new();
        for number in 0..series {
            if self.dice.uniform() < 0.2 {
                let value = if self.dice.uniform() < 0.01 { 900.0 } else { self.dice.normal() };
                let ended_at_ms = (self.dice.uniform() < 0.02).then_some(now);
                batches.push(SeriesBatch { ended_at_ms, ..labelled(&format!("s:{number}"), [(now, value)]) });
            }
        }
        let stalls = self.live.check_stalls(now);
        self.record(stalls, now);
        let bodies = self.live.push(&batches, now).bodies;
        self.record(bodies, now);
    }

    fn set_detectors(&mut self, slots: &DetectorSlots, now: i64) {
        assert!(self.live.set_detectors(slots).unwrap());
        // A stream logs the change without showing it to the shadow.
        let body = EventBody::Detector(DetectorEvent::Changed(Box::new(slots.clone())));
        self.log.push(Event::new(self.log.len() as u64 + 1, now, fresh().kpi().clone(), body));
    }

    /// Deletes as a stream does.
    fn delete(&mut self, scope: DeletionScope, now: i64) {
        let mut bodies: Vec<EventBody> = self.live.delete(&scope).into_iter().map(EventBody::Anomaly).collect();
        bodies.push(KpiEvent::Deleted(Deletion { scope, by: "ann".into() }).into());
        for body in bodies {
            self.log.push(Event::new(self.log.len() as u64 + 1, now, fresh().kpi().clone(), body));
        }
    }

    fn save(&mut self, part: u32) {
        self.store.insert(part, (self.log.len() as u64, self.live.snapshot_part(part)));
    }

    /// What a restart makes of the store and the log.
    fn restarted(&self) -> KpiState {
        let parts = self.store.iter().map(|(part, (seq, bytes))| (*part, (*seq, restored(*part, bytes).unwrap())));
        let mut parts = KpiParts::from_parts(parts.collect()).unwrap_or_else(|| KpiParts::whole(0, fresh()));
        for event in &self.log {
            for (state, share) in parts.shares(event) {
                state.replay(&share);
                if state.shadow().is_some() {
                    state.observe(std::slice::from_ref(&share.body));
                }
            }
        }
        parts.join().unwrap()
    }
}

/// The configured detector, and a calmer one as its shadow.
fn with_shadow() -> DetectorSlots {
    let shadow = DetectorEntry {
        name: "calm".into(),
        revision: 1,
        detector: "season-reach-1".into(),
        options: BTreeMap::from([("sensitivity".to_owned(), 0.5)]),
    };
    DetectorSlots { live: DetectorRef::Configured, shadow: Some(DetectorRef::Entry(shadow.into())) }
}

fn restored(part: u32, bytes: &[u8]) -> Result<KpiState, RestoreError> {
    let KpiState { workspace, kpi, base, .. } = fresh();
    KpiState::restore_part(workspace, kpi, base, part, bytes)
}

#[test]
fn parts_of_different_times_and_the_log_lead_to_the_live_state() {
    let alone = DetectorSlots { live: DetectorRef::Configured, shadow: None };
    let both = with_shadow();
    for seed in 0..4u64 {
        eprintln!("seed {seed}");
        let mut saved = Saved { live: fresh(), log: Vec::new(), store: BTreeMap::new(), dice: Dice::new(seed) };
        let (mut next, mut step, mut whole) = (None, 0, 0);
        while step < 90 {
            step += 1;
            // The KPI grows over four parts.
            saved.push(step, (60 + step as usize * 5).min(4 * PART_SERIES - 9));
            match step {
                30 => saved.set_detectors(&both, START + step * 1_000),
                60 => saved.set_detectors(&alone, START + step * 1_000),
                _ => {}
            }
            if saved.dice.uniform() < 0.6 {
                let part = next.unwrap_or(saved.live.parts() - 1);
                saved.save(part);
                whole += u32::from(part == 0);
                // Sometimes the stream fails, and its successor begins again.
                next = if saved.dice.uniform() < 0.1 { None } else { part.checked_sub(1) };
            }
            if step % 2 == 0 {
                continue;
            }
            let restarted = saved.restarted();
            assert_eq!(restarted.detectors(), saved.live.detectors());
            assert!(restarted.snapshot() == saved.live.snapshot(), "seed {seed}, step {step}");
        }
        assert!(whole > 5, "{whole} states were saved whole");
        assert_eq!(saved.live.parts(), 4);
        assert!(saved.store.len() == 4, "all parts were saved");
    }
}

/// A server is killed at any step and goes on with what the store and the log give. Another one is
/// never killed. Both have the same state to the bit.
#[test]
fn a_kill_around_a_deletion_changes_the_state_of_no_series() {
    for seed in 0..12u64 {
        eprintln!("seed {seed}");
        let mut saved = Saved { live: fresh(), log: Vec::new(), store: BTreeMap::new(), dice: Dice::new(seed) };
        let (mut next, mut returned, mut gone) = (None, 0, BTreeSet::new());
        for step in 1..=90 {
            let now = START + step * 1_000;
            if step == 20 {
                saved.set_detectors(&with_shadow(), now);
            }
            // Some of the deleted series come back.
            saved.push(step, (100 + step as usize * 4).min(3 * PART_SERIES - 9));
            returned += gone.extract_if(.., |labels| saved.live.index.find(labels).is_some()).count();
            if saved.dice.uniform() < 0.5 {
                let number = (saved.dice.uniform() * 300.0) as usize;
                let labels = Labels::parse(&format!("s:{number}")).unwrap();
                gone.extend(saved.live.index.find(&labels).map(|_| labels.clone()));
                saved.delete(DeletionScope::Series { labels }, now);
            }
            if saved.dice.uniform() < 0.1 {
                let (labels, to_ms) = (Labels::none(), now + 1);
                saved.delete(DeletionScope::Samples { labels, from_ms: now - 2_000, to_ms }, now);
            }
            if saved.dice.uniform() < 0.6 {
                let part = next.unwrap_or(saved.live.parts() - 1);
                saved.save(part);
                next = part.checked_sub(1);
            }
            let restarted = saved.restarted();
            assert!(restarted.snapshot() == saved.live.snapshot(), "seed {seed}, step {step}");
            if saved.dice.uniform() < 0.15 {
                (saved.live, next) = (restarted, None);
            }
        }
        assert!(returned > 5, "{returned} series came back");
        assert!(saved.live.parts() > 3 && saved.live.series_count() < saved.live.next_ordinal as usize);
    }
}

#[test]
fn a_part_is_not_taken_for_another_one() {
    let mut saved = Saved { live: fresh(), log: Vec::new(), store: BTreeMap::new(), dice: Dice::new(1) };
    (1..20).for_each(|step| saved.push(step, 300));
    let parts: Vec<_> = (0..saved.live.parts()).map(|part| saved.live.snapshot_part(part)).collect();
    assert_eq!(parts.len(), 3);
    for (part, bytes) in (0..).zip(&parts) {
        assert!(restored(part, bytes).is_ok());
        for other in (0..4).filter(|other| *other != part) {
            assert_eq!(restored(other, bytes).err(), Some(RestoreError::OtherPart), "{part} as {other}");
        }
    }
}

#[test]
fn memory_of_deleted_series_is_free() {
    let mut saved = Saved { live: fresh(), log: Vec::new(), store: BTreeMap::new(), dice: Dice::new(1) };
    for round in 1..=100 {
        saved.push(round, 400);
        saved.push(round, 400);
        assert!(saved.live.series_count() > 50);
        if round == 50 {
            saved.set_detectors(&with_shadow(), START + round * 1_000);
        }
        saved.delete(DeletionScope::Series { labels: Labels::none() }, START + round * 1_000);
        let KpiState { series, index, shadow, deleted, .. } = &saved.live;
        let held = [series.len(), series.capacity(), index.len(), shadow.as_ref().map_or(0, |it| it.series.len())];
        assert_eq!(held, [0; 4], "round {round}");
        assert!(deleted.len() < 400, "round {round}");
        (0..saved.live.parts()).rev().for_each(|part| saved.save(part));
        assert!(saved.restarted().snapshot() == saved.live.snapshot(), "round {round}");
    }
    assert!(saved.live.next_ordinal > 5_000);
    let stored: usize = saved.store.values().map(|(_, bytes)| bytes.len()).sum();
    assert!(stored < 400 * 64 + saved.store.len() * 512, "{stored} bytes of {} parts", saved.store.len());
}

#[test]
fn deleted_series_make_room_for_others() {
    let mut saved = Saved { live: fresh(), log: Vec::new(), store: BTreeMap::new(), dice: Dice::new(1) };
    saved.push(1, 400);
    let many = saved.live.series_count();
    saved.delete(DeletionScope::Series { labels: Labels::parse("s:1").unwrap() }, START);
    saved.delete(DeletionScope::Kpi, START);
    assert!(many > 0 && saved.live.series_count() == 0 && saved.live.series().next().is_none());
    saved.push(2, 400);
    assert!(saved.live.series_count() > 0);
}
