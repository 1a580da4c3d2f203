//! Allocates the voices to the most interesting series, without flicker.

use earcon_model::SeriesId;

use super::super::limits::MAX_VOICES;

/// A series that could have a voice, and its priority.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) id: SeriesId,
    pub(super) interest: f32,
}

#[derive(Debug, Clone, Copy)]
struct Assigned {
    id: SeriesId,
    since_ms: i64,
}

/// The series in each voice slot.
#[derive(Debug, Clone, Default)]
pub(super) struct VoiceAllocation {
    slots: [Option<Assigned>; MAX_VOICES],
}

impl VoiceAllocation {
    /// During this time, only a much more interesting series replaces a new voice.
    const NEW_VOICE_MS: i64 = 4_000;
    const MARGIN_NEW_VOICE: f32 = 0.35;
    const MARGIN: f32 = 0.15;

    /// The series in each slot.
    pub(super) fn slots(&self) -> impl Iterator<Item = Option<SeriesId>> + '_ {
        self.slots.iter().map(|slot| slot.map(|assigned| assigned.id))
    }

    /// Whether the series has a voice.
    pub(super) fn holds(&self, id: SeriesId) -> bool {
        self.slots().any(|slot| slot == Some(id))
    }

    /// Allocates `voices` slots to `candidates`, which have a fixed order and contain each series
    /// once. A series keeps its slot unless another one exceeds it by a margin. A series that is no
    /// candidate loses its slot.
    pub(super) fn allocate(&mut self, candidates: &[Candidate], voices: usize, now_ms: i64) {
        let interest_of = |id| candidates.iter().find(|candidate| candidate.id == id).map(|c| c.interest);
        let mut interests: [Option<f32>; MAX_VOICES] = [None; MAX_VOICES];
        for (i, slot) in self.slots.iter_mut().enumerate() {
            interests[i] = slot.filter(|_| i < voices).and_then(|assigned| interest_of(assigned.id));
            if interests[i].is_none() {
                *slot = None;
            }
        }
        for _ in 0..voices {
            let Some(best) = self.best_without_voice(candidates) else { break };
            let Some(slot_index) = self.slot_for(best, &interests[..voices], now_ms) else { break };
            self.slots[slot_index] = Some(Assigned { id: best.id, since_ms: now_ms });
            interests[slot_index] = Some(best.interest);
        }
    }

    /// The most interesting candidate without a voice; the first of equals.
    fn best_without_voice(&self, candidates: &[Candidate]) -> Option<Candidate> {
        let waiting = candidates.iter().filter(|candidate| !self.holds(candidate.id));
        waiting.copied().reduce(|best, next| if next.interest > best.interest { next } else { best })
    }

    /// An empty slot, or that of the least interesting voice that `best` exceeds by the margin.
    fn slot_for(&self, best: Candidate, interests: &[Option<f32>], now_ms: i64) -> Option<usize> {
        let free = interests.iter().position(Option::is_none);
        free.or_else(|| {
            let needs = |i: usize| {
                let is_new = self.slots[i].is_some_and(|assigned| now_ms - assigned.since_ms < Self::NEW_VOICE_MS);
                interests[i].unwrap_or(0.0) + if is_new { Self::MARGIN_NEW_VOICE } else { Self::MARGIN }
            };
            let weakest = (0..interests.len()).min_by(|a, b| needs(*a).total_cmp(&needs(*b)))?;
            (best.interest > needs(weakest)).then_some(weakest)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates(interests: &[f32]) -> Vec<Candidate> {
        let candidate = |(i, interest): (usize, &f32)| Candidate { id: SeriesId(i as u128 + 1), interest: *interest };
        interests.iter().enumerate().map(candidate).collect()
    }

    fn slots(allocation: &VoiceAllocation) -> Vec<u128> {
        allocation.slots().flatten().map(|id| id.0).collect()
    }

    #[test]
    fn the_most_interesting_get_the_voices() {
        let mut it = VoiceAllocation::default();
        it.allocate(&candidates(&[0.1, 0.9, 0.2, 0.5, 0.7]), 3, 0);
        assert_eq!(slots(&it), [2, 5, 4]);
    }

    #[test]
    fn small_differences_do_not_reallocate() {
        let mut it = VoiceAllocation::default();
        it.allocate(&candidates(&[0.5, 0.4, 0.3]), 2, 0);
        for i in 0..100 {
            let wobble = if i % 2 == 0 { 0.05 } else { -0.05 };
            it.allocate(&candidates(&[0.5, 0.4 - wobble, 0.4 + wobble]), 2, 10_000 + i * 250);
            assert_eq!(slots(&it), [1, 2]);
        }
    }

    #[test]
    fn spike_replaces_the_weakest_voice_only() {
        let mut it = VoiceAllocation::default();
        it.allocate(&candidates(&[0.5, 0.2, 0.4, 0.0]), 3, 0);
        assert_eq!(slots(&it), [1, 3, 2]);
        it.allocate(&candidates(&[0.5, 0.2, 0.4, 0.9]), 3, 100);
        assert_eq!(slots(&it), [1, 3, 4]);
    }

    #[test]
    fn silent_series_lose_their_voices_and_fewer_slots_drop_the_last() {
        let mut it = VoiceAllocation::default();
        it.allocate(&candidates(&[0.5, 0.4, 0.3, 0.2]), 3, 0);
        it.allocate(&candidates(&[0.5, 0.4, 0.3, 0.2])[1..], 3, 10);
        assert_eq!(slots(&it), [4, 2, 3]);
        it.allocate(&candidates(&[0.5, 0.4, 0.3, 0.2])[1..], 1, 20);
        assert_eq!(slots(&it), [4]);
        it.allocate(&[], 1, 30);
        assert_eq!(slots(&it), [0u128; 0]);
    }

    #[test]
    fn no_voices_means_none() {
        let mut it = VoiceAllocation::default();
        it.allocate(&candidates(&[1.0]), 0, 0);
        assert_eq!(it.slots().flatten().count(), 0);
    }
}
