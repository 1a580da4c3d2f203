//! Ranks of values among all values: a thinned sorted sample, and the ranks of the newest values in
//! it.

use super::quantize::{Code, NONE, decode};
use super::tails::GENERATION;
use crate::stored::stored_fields;

/// Maximum size of the sample.
const SAMPLE: usize = 128;
/// Stride after the first generation, until the sample is full again.
const STRIDE: u16 = GENERATION / SAMPLE as u16 + 1;
/// Ranks kept: 96 steps from one to the next.
const RING: usize = 97;
/// Number of newest ranks in [`Ranks::mean`].
const MEAN_OF: usize = 48;

/// A thinned sorted sample of a series. When it is full, every other value is dropped, and from
/// then on only every other one is added.
#[derive(Debug, Clone)]
pub(super) struct Thinned {
    /// Ascending.
    codes: [Code; SAMPLE],
    len: u8,
    /// One in this many values is added.
    stride: u16,
    /// Values to skip before the next one is added.
    wait: u16,
}

stored_fields!(Thinned { codes, len, stride, wait });

impl Thinned {
    pub(super) fn new() -> Self {
        Self { codes: [NONE; SAMPLE], len: 0, stride: 1, wait: 0 }
    }

    fn known(&self) -> &[Code] {
        &self.codes[..usize::from(self.len)]
    }

    /// Mid-rank of a value, from 0 to 255; the middle while the sample is empty.
    pub(super) fn rank(&self, code: Code) -> u8 {
        let len = u32::from(self.len);
        if len == 0 {
            return 128;
        }
        // Counts over all positions, because processors do that in parallel; free positions are
        // below every code.
        let (mut below, mut not_above) = (0u16, 0u16);
        for one in &self.codes {
            below += u16::from(*one < code);
            not_above += u16::from(*one <= code);
        }
        let twice = u32::from(below + not_above) - 2 * (SAMPLE as u32 - len);
        ((255 * twice + len) / (2 * len)) as u8
    }

    /// The value below which this share of the values lies; `None` while the sample is empty.
    pub(super) fn quantile(&self, share: f32) -> Option<f32> {
        let known = self.known();
        let last = known.len().checked_sub(1)?;
        Some(decode(known[(share * last as f32 + 0.5) as usize]))
    }

    /// Adds a value or skips it.
    pub(super) fn push(&mut self, code: Code) {
        if self.wait > 0 {
            self.wait -= 1;
            return;
        }
        self.wait = self.stride - 1;
        let len = usize::from(self.len);
        let position = self.known().partition_point(|one| *one <= code);
        self.codes.copy_within(position..len, position + 1);
        self.codes[position] = code;
        self.len += 1;
        if usize::from(self.len) == SAMPLE {
            self.halve();
            self.stride = self.stride.saturating_mul(2);
            self.wait = self.stride - 1;
        }
    }

    /// Frees space for values of the next generation. Otherwise ever fewer would be added.
    pub(super) fn refresh(&mut self) {
        if usize::from(self.len) > SAMPLE / 2 {
            self.halve();
        }
        self.stride = STRIDE;
        self.wait = self.wait.min(STRIDE - 1);
    }

    /// Replaces the values after a change of the scaling. The change must keep their order.
    pub(super) fn change(&mut self, to: impl Fn(Code) -> Code) {
        self.codes[..usize::from(self.len)].iter_mut().for_each(|code| *code = to(*code));
    }

    fn halve(&mut self) {
        let half = usize::from(self.len) / 2;
        // The lower of one pair, the upper of the next: neither end is favoured.
        (0..half).for_each(|i| self.codes[i] = self.codes[2 * i + i % 2]);
        self.codes[half..].fill(NONE);
        self.len = half as u8;
    }
}

/// The newest ranks and their sums, in integers, which do not drift.
#[derive(Debug, Clone)]
pub(super) struct Ranks {
    ring: [u8; RING],
    next: u8,
    len: u8,
    /// Sum of the newest 48 at most.
    sum: u16,
    /// Sum of the steps between neighbours.
    steps: u16,
}

stored_fields!(Ranks { ring, next, len, sum, steps });

impl Ranks {
    pub(super) fn new() -> Self {
        Self { ring: [0; RING], next: 0, len: 0, sum: 0, steps: 0 }
    }

    pub(super) fn push(&mut self, rank: u8) {
        let at = |back: usize| (usize::from(self.next) + RING - back) % RING;
        let len = usize::from(self.len);
        if len > 0 {
            self.steps += u16::from(self.ring[at(1)].abs_diff(rank));
        }
        if len == RING {
            self.steps -= u16::from(self.ring[at(RING)].abs_diff(self.ring[at(RING - 1)]));
        }
        if len >= MEAN_OF {
            self.sum -= u16::from(self.ring[at(MEAN_OF)]);
        }
        self.sum += u16::from(rank);
        self.ring[usize::from(self.next)] = rank;
        self.next = ((usize::from(self.next) + 1) % RING) as u8;
        self.len = (self.len + 1).min(RING as u8);
    }

    /// Mean of the newest 48 ranks.
    pub(super) fn mean(&self) -> f32 {
        f32::from(self.sum) / usize::from(self.len).clamp(1, MEAN_OF) as f32
    }

    /// Mean distance from one rank to the next over the newest 96.
    pub(super) fn mean_step(&self) -> f32 {
        f32::from(self.steps) / (usize::from(self.len).max(2) - 1) as f32
    }
}
