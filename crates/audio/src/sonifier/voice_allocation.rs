//! Allocates the voices to the most interesting series, without flicker.

use earcon_model::SeriesId;

use super::super::scene::MAX_VOICES;

/// A series that could have a voice, and its priority.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) id: SeriesId,
    pub(super) interest: f32,
}

#[derive(Debug, Clone, Copy)]
struct Part {
    id: SeriesId,
    since_ms: i64,
}

/// The series in each voice slot.
#[derive(Debug, Clone, Default)]
pub(super) struct Cast {
    slots: [Option<Part>; MAX_VOICES],
}

impl Cast {
    /// During this time, only a much more interesting series replaces a new voice.
    const SETTLING_MS: i64 = 4_000;
    const MARGIN_SETTLING: f32 = 0.35;
    const MARGIN: f32 = 0.15;

    /// The series in each slot.
    pub(super) fn slots(&self) -> impl Iterator<Item = Option<SeriesId>> + '_ {
        self.slots.iter().map(|slot| slot.map(|part| part.id))
    }

    /// Whether the series has a voice.
    pub(super) fn holds(&self, id: SeriesId) -> bool {
        self.slots().any(|slot| slot == Some(id))
    }

    /// Allocates `voices` slots to `candidates`, which have a fixed order and contain each series
    /// once. A series keeps its slot unless another one exceeds it by a margin. A series that is no
    /// candidate loses its slot.
    pub(super) fn recast(&mut self, candidates: &[Candidate], voices: usize, now_ms: i64) {
        let interest_of = |id| candidates.iter().find(|candidate| candidate.id == id).map(|c| c.interest);
        let mut seated: [Option<f32>; MAX_VOICES] = [None; MAX_VOICES];
        for (i, slot) in self.slots.iter_mut().enumerate() {
            seated[i] = slot.filter(|_| i < voices).and_then(|part| interest_of(part.id));
            if seated[i].is_none() {
                *slot = None;
            }
        }
        for _ in 0..voices {
            let Some(best) = self.best_waiting(candidates) else { break };
            let Some(seat) = self.seat_for(best, &seated[..voices], now_ms) else { break };
            self.slots[seat] = Some(Part { id: best.id, since_ms: now_ms });
            seated[seat] = Some(best.interest);
        }
    }

    /// The most interesting candidate without a voice; the first of equals.
    fn best_waiting(&self, candidates: &[Candidate]) -> Option<Candidate> {
        let waiting = candidates.iter().filter(|candidate| !self.holds(candidate.id));
        waiting.copied().reduce(|best, next| if next.interest > best.interest { next } else { best })
    }

    /// An empty slot, or that of the least interesting voice that `best` exceeds by the margin.
    fn seat_for(&self, best: Candidate, seated: &[Option<f32>], now_ms: i64) -> Option<usize> {
        let free = seated.iter().position(Option::is_none);
        free.or_else(|| {
            let needs = |i: usize| {
                let settling = self.slots[i].is_some_and(|part| now_ms - part.since_ms < Self::SETTLING_MS);
                seated[i].unwrap_or(0.0) + if settling { Self::MARGIN_SETTLING } else { Self::MARGIN }
            };
            let weakest = (0..seated.len()).min_by(|a, b| needs(*a).total_cmp(&needs(*b)))?;
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

    fn cast(cast: &Cast) -> Vec<u128> {
        cast.slots().flatten().map(|id| id.0).collect()
    }

    #[test]
    fn the_most_interesting_get_the_voices() {
        let mut it = Cast::default();
        it.recast(&candidates(&[0.1, 0.9, 0.2, 0.5, 0.7]), 3, 0);
        assert_eq!(cast(&it), [2, 5, 4]);
    }

    #[test]
    fn small_differences_do_not_flicker() {
        let mut it = Cast::default();
        it.recast(&candidates(&[0.5, 0.4, 0.3]), 2, 0);
        for i in 0..100 {
            let wobble = if i % 2 == 0 { 0.05 } else { -0.05 };
            it.recast(&candidates(&[0.5, 0.4 - wobble, 0.4 + wobble]), 2, 10_000 + i * 250);
            assert_eq!(cast(&it), [1, 2]);
        }
    }

    #[test]
    fn a_spike_takes_the_weakest_voice_at_once_and_the_others_keep_theirs() {
        let mut it = Cast::default();
        it.recast(&candidates(&[0.5, 0.2, 0.4, 0.0]), 3, 0);
        assert_eq!(cast(&it), [1, 3, 2]);
        it.recast(&candidates(&[0.5, 0.2, 0.4, 0.9]), 3, 100);
        assert_eq!(cast(&it), [1, 3, 4]);
    }

    #[test]
    fn who_falls_silent_leaves_and_fewer_voices_end_the_last_slots() {
        let mut it = Cast::default();
        it.recast(&candidates(&[0.5, 0.4, 0.3, 0.2]), 3, 0);
        it.recast(&candidates(&[0.5, 0.4, 0.3, 0.2])[1..], 3, 10);
        assert_eq!(cast(&it), [4, 2, 3]);
        it.recast(&candidates(&[0.5, 0.4, 0.3, 0.2])[1..], 1, 20);
        assert_eq!(cast(&it), [4]);
        it.recast(&[], 1, 30);
        assert_eq!(cast(&it), [0u128; 0]);
    }

    #[test]
    fn no_voices_means_none() {
        let mut it = Cast::default();
        it.recast(&candidates(&[1.0]), 0, 0);
        assert_eq!(it.slots().flatten().count(), 0);
    }
}
