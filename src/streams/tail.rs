//! The surprise of a feature value, measured by the feature's own past: its rank in the tail.
//!
//! A z-score of 6 is common in one series and unheard of in another. So each feature is calibrated
//! by the share of past *blocks* of [`BLOCK`] samples that reached as high. The result is in
//! decades: 2 means about one block in a hundred. Blocks are used rather than samples, because
//! consecutive values belong to nearly the same event. This is declustering by block maxima (Coles
//! 2001, *An Introduction to Statistical Modeling of Extreme Values*, chapters 3 and 5). The last
//! [`HELD`] blocks are held back; otherwise a slow change would be measured against its own
//! beginning.
//!
//! Beyond the largest value the tail is continued exponentially (a generalised Pareto tail of shape
//! 0). Its scale is the mean excess of the largest [`KEPT`] block maxima. Two generations of the
//! record limit the past: the older one is dropped when the newer one reaches [`GENERATION`]
//! blocks.

use super::arithmetic::{LOG10_OF_2, log2};
use super::stored::stored_fields;
use earcon_model::Rank;

/// Samples of a block.
pub(super) const BLOCK: u8 = 8;
/// Blocks held back before they enter the record, so that an event is not measured against its own
/// beginning.
const HELD: usize = 4;
/// Block maxima kept of each generation.
const KEPT: usize = 10;
/// Blocks after which the older generation is dropped: 32,768 samples.
const GENERATION: u32 = 4096;
/// Maximum of decades for the distance beyond the largest value.
const MAX_BEYOND: f64 = 4.0;
/// Decades for a value beyond the largest one if all values in the record are equal. There is no
/// scale for the distance, so only the length of the record counts.
const BEYOND_UNKNOWN: f64 = 1.5;
/// Block maxima needed to continue a tail.
const MIN_FOR_SCALE: usize = 4;

/// One side of one feature: its largest values, by block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    /// Largest block maxima of the current generation, descending; −∞ in free positions.
    current: [f32; KEPT],
    /// Those of the previous generation.
    older: [f32; KEPT],
    /// Maximum of the current block.
    pending: f32,
    /// Maxima of the newest blocks, held back from the record: a ring.
    held: [f32; HELD],
}

stored_fields!(Tail { current, older, pending, held });

impl Default for Tail {
    fn default() -> Self {
        let none = [f32::NEG_INFINITY; KEPT];
        Self { current: none, older: none, pending: f32::NEG_INFINITY, held: [f32::NEG_INFINITY; HELD] }
    }
}

/// The shared progress of all tails of a series, which learn together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Blocks {
    /// Samples in the current block.
    filled: u8,
    /// Finished blocks of the current generation.
    current: u32,
    /// Blocks of the previous generation.
    older: u32,
    /// Position of the oldest block that is held back.
    oldest_held: u8,
}

stored_fields!(Blocks { filled, current, older, oldest_held });

/// The periods that end with a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// The position where the finished block is held back; the block it replaces enters the record.
    block: Option<usize>,
    generation: bool,
}

impl Blocks {
    /// Counts a sample. Returns the periods that end with it.
    pub(super) fn advance(&mut self) -> Turn {
        self.filled += 1;
        if self.filled < BLOCK {
            return Turn { block: None, generation: false };
        }
        self.filled = 0;
        self.current += 1;
        let block = Some(usize::from(self.oldest_held));
        self.oldest_held = (self.oldest_held + 1) % HELD as u8;
        let generation = self.current == GENERATION;
        if generation {
            self.older = self.current;
            self.current = 0;
        }
        Turn { block, generation }
    }

    /// Blocks in the record.
    fn seen(self) -> f64 {
        f64::from(self.current) + f64::from(self.older)
    }
}

impl Tail {
    /// Decades of surprise at `value`; 0 for an ordinary one, at most about 8.
    pub(super) fn surprise(&self, value: f32, blocks: Blocks) -> f64 {
        if value <= self.current[KEPT - 1] || value <= self.older[KEPT - 1] {
            return 0.0;
        }
        let reached = self.current.iter().chain(&self.older).filter(|kept| **kept >= value).count();
        if reached >= KEPT {
            return 0.0;
        }
        let rank = LOG10_OF_2 * log2((blocks.seen() + 1.0) / (reached as f64 + 1.0));
        if reached == 0 { rank + self.beyond(value) } else { rank }
    }

    /// How often a value was reached. Counts blocks, but relates them to samples.
    pub(super) fn rank(&self, value: f32, blocks: Blocks) -> Rank {
        let reached = self.current.iter().chain(&self.older).filter(|kept| **kept >= value).count();
        Rank { reached: reached as u32, of: (blocks.current + blocks.older) * u32::from(BLOCK) }
    }

    /// Learns the value of the feature at this sample.
    pub(super) fn insert(&mut self, value: f32, turn: Turn) {
        self.pending = self.pending.max(value);
        if let Some(position) = turn.block {
            let ripe = std::mem::replace(&mut self.held[position], self.pending);
            insert_descending(&mut self.current, ripe);
            self.pending = f32::NEG_INFINITY;
        }
        if turn.generation {
            self.older = std::mem::replace(&mut self.current, [f32::NEG_INFINITY; KEPT]);
        }
    }

    /// Decades for the distance of a value beyond the largest one.
    fn beyond(&self, value: f32) -> f64 {
        let mut largest = self.current;
        for &old in &self.older {
            insert_descending(&mut largest, old);
        }
        let known = largest.iter().take_while(|v| v.is_finite()).count();
        if known < MIN_FOR_SCALE {
            return 0.0;
        }
        let least = f64::from(largest[known - 1]);
        let excess: f64 = largest[..known - 1].iter().map(|v| f64::from(*v) - least).sum();
        let scale = excess / (known - 1) as f64;
        if scale <= 0.0 {
            return BEYOND_UNKNOWN;
        }
        let distance = (f64::from(value) - f64::from(largest[0])) / scale;
        (std::f64::consts::LOG10_E * distance).min(MAX_BEYOND)
    }
}

fn insert_descending(list: &mut [f32; KEPT], value: f32) {
    if value <= list[KEPT - 1] {
        return;
    }
    let position = list.partition_point(|kept| *kept >= value);
    list.copy_within(position..KEPT - 1, position + 1);
    list[position] = value;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(values: impl IntoIterator<Item = f32>) -> (Tail, Blocks) {
        let (mut tail, mut blocks) = (Tail::default(), Blocks::default());
        for value in values {
            let turn = blocks.advance();
            tail.insert(value, turn);
        }
        (tail, blocks)
    }

    /// 999 blocks; the record holds the maxima 995 to 1.
    fn staircase() -> (Tail, Blocks) {
        let falling = (1..=995).chain([0; HELD]);
        fed(falling.flat_map(|k| [k as f32; BLOCK as usize]))
    }

    #[test]
    fn rank_in_the_tail_becomes_decades() {
        let (tail, blocks) = staircase();
        assert_eq!(tail.surprise(500.0, blocks), 0.0);
        assert!((tail.surprise(995.0, blocks) - (1000f64 / 2.0).log10()).abs() < 1e-6);
        assert!((tail.surprise(987.0, blocks) - (1000f64 / 10.0).log10()).abs() < 1e-6);
        assert_eq!(tail.surprise(986.0, blocks), 0.0);
    }

    #[test]
    fn value_beyond_the_largest_gains_with_distance_up_to_a_limit() {
        let (tail, blocks) = staircase();
        // The mean excess of 995..=987 over 986 is 5.
        let expected = 3.0 + std::f64::consts::LOG10_E * 10.0 / 5.0;
        assert!((tail.surprise(1005.0, blocks) - expected).abs() < 1e-6);
        assert!((tail.surprise(1e9, blocks) - 7.0).abs() < 1e-6);
    }

    #[test]
    fn a_record_of_one_value_gives_no_scale() {
        let (tail, blocks) = fed([0.0; 800]);
        assert_eq!(tail.surprise(0.0, blocks), 0.0);
        assert!((tail.surprise(1e-9, blocks) - tail.surprise(1e9, blocks)).abs() < 1e-12);
        assert!((tail.surprise(1.0, blocks) - (101f64.log10() + BEYOND_UNKNOWN)).abs() < 1e-6);
    }

    #[test]
    fn event_is_not_measured_against_its_own_beginning() {
        let (tail, blocks) = fed([vec![1.0; 400], vec![50.0; BLOCK as usize * HELD]].concat());
        assert!(tail.surprise(50.0, blocks) > 1.5);
        let (tail, blocks) = fed([vec![1.0; 400], vec![50.0; BLOCK as usize * (HELD + 10)]].concat());
        assert_eq!(tail.surprise(50.0, blocks), 0.0);
    }

    #[test]
    fn older_generation_is_forgotten() {
        let samples = GENERATION as usize * usize::from(BLOCK);
        let after_one = [vec![9.0; 80], vec![1.0; samples]].concat();
        let after_two = [vec![9.0; 80], vec![1.0; 2 * samples]].concat();
        let (tail, blocks) = fed(after_one);
        assert_eq!(tail.surprise(8.0, blocks), 0.0);
        let (tail, blocks) = fed(after_two);
        assert!(tail.surprise(8.0, blocks) > 3.0);
    }
}
