//! The surprise of each stream's value: its rank among the largest and the smallest values of its
//! past.
//!
//! Each stream has two sides: the values and the negated values. A side keeps the [`KEPT`] largest
//! codes of the current and the previous generation in one descending list. That is enough for a
//! rank in the tail: a value below the 32nd of both generations together has no surprise. Older
//! codes beyond the 32nd position are dropped, because they are never needed again.
//!
//! A list has [`PLACES`] positions rather than twice 32. If it is full, the smallest code of the
//! current generation is dropped. Its value is kept as a floor: one generation later, nothing below
//! it has a surprise.

use super::quantize::{Code, NONE, decode, encode};
use crate::arithmetic::{LOG10_OF_2, log2};
use crate::stored::stored_fields;
use earcon_model::Rank;

/// Number of streams.
pub(super) const STREAMS: usize = 10;
const SIDES: usize = 2 * STREAMS;
/// Largest codes that count, of both generations together.
const KEPT: usize = 32;
/// Positions of a list.
const PLACES: usize = 40;
/// Samples of a generation.
pub(super) const GENERATION: u16 = 4_000;
/// First sample of each stream. Before, its values do not have their final meaning, and nothing is
/// learned from them. For example, the first difference of a series is 0, and no later one could be
/// smaller.
pub(super) const TAKEN_FROM: [u16; STREAMS] = [0, 0, 36, 0, 24, 24, 0, 24, 24, 0];
/// Samples needed before a stream has surprises.
const NEEDED: u16 = 150;
/// Maximum of decades for the distance beyond the largest value. Also the result if there is no
/// scale for the distance.
const MAX_BEYOND: f64 = 3.0;
const LOG10_OF_E: f64 = std::f64::consts::LOG10_E;

/// One side of one stream.
#[derive(Debug, Clone, Copy)]
struct Side {
    /// Descending, of both generations; [`NONE`] after the last.
    codes: [Code; PLACES],
    /// Bit set of the first 32 codes that belong to the current generation. All later ones do.
    young: u32,
}

stored_fields!(Side { codes, young });

/// All sides of a series, and the number of samples in them.
#[derive(Debug, Clone)]
pub(super) struct Tails {
    /// Codes up to this have no surprise: first for the streams, then for the negated streams.
    surprising: [Code; SIDES],
    /// Codes up to this are not added to the list of the side.
    entering: [Code; SIDES],
    sides: [Side; SIDES],
    /// Samples in both generations.
    samples: u16,
    /// Samples at which the older generation is dropped: one generation the first time, two later.
    full_at: u16,
    /// Samples in both generations of the streams emptied by [`Tails::forget`].
    young_samples: u16,
    /// Bit set of these streams.
    young_streams: u16,
}

stored_fields!(Tails { surprising, entering, sides, samples, full_at, young_samples, young_streams });

/// The result of [`Tails::surprises`].
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Surprises {
    /// Sum of the squares of the streams' decades.
    pub(super) squares: f64,
    /// The stream with the most decades, and its decades.
    pub(super) most: (usize, f64),
    /// Whether that stream was high rather than low.
    pub(super) high: bool,
}

impl Default for Side {
    fn default() -> Self {
        Self { codes: [NONE; PLACES], young: 0 }
    }
}

impl Tails {
    pub(super) fn new() -> Self {
        Self {
            surprising: [NONE; SIDES],
            entering: [NONE; SIDES],
            sides: [Side::default(); SIDES],
            samples: 0,
            full_at: GENERATION,
            young_samples: 0,
            young_streams: 0,
        }
    }

    /// Forgets streams whose values have another meaning from here on. They have surprises again
    /// after [`NEEDED`] samples.
    pub(super) fn forget(&mut self, streams: &[usize]) {
        for stream in streams {
            self.young_streams |= 1 << stream;
            for side in [*stream, STREAMS + stream] {
                (self.surprising[side], self.entering[side]) = (NONE, NONE);
                self.sides[side] = Side::default();
            }
        }
        self.young_samples = 0;
    }

    /// Samples in the record of a stream.
    pub(super) fn samples_of(&self, stream: usize) -> u16 {
        if self.young_streams >> stream & 1 == 1 {
            self.young_samples
        } else if self.full_at == GENERATION {
            self.samples.saturating_sub(TAKEN_FROM[stream])
        } else {
            self.samples
        }
    }

    /// Decades of surprise of the streams' codes, compared with the past.
    pub(super) fn surprises(&self, codes: &[Code; STREAMS]) -> Surprises {
        let mut found = Surprises::default();
        for (stream, &code) in codes.iter().enumerate() {
            let (high, low) = (code > self.surprising[stream], -code > self.surprising[STREAMS + stream]);
            if !high && !low || self.samples_of(stream) < NEEDED {
                continue;
            }
            let above = if high { self.decades(stream, code) } else { 0.0 };
            let below = if low { self.decades(STREAMS + stream, -code) } else { 0.0 };
            let decades = if below > above { below } else { above };
            found.squares += decades * decades;
            if decades > found.most.1 {
                found.most = (stream, decades);
                found.high = above >= below;
            }
        }
        found
    }

    /// Rank of the most surprising code among the samples of both generations.
    pub(super) fn rank(&self, found: &Surprises, codes: &[Code; STREAMS]) -> Rank {
        let stream = found.most.0;
        let (side, code) = if found.high { (stream, codes[stream]) } else { (STREAMS + stream, -codes[stream]) };
        let reached = self.sides[side].codes.partition_point(|kept| *kept >= code);
        Rank { reached: reached as u32, of: u32::from(self.samples) }
    }

    /// Learns the codes. Returns whether a generation ends with them.
    pub(super) fn learn(&mut self, codes: &[Code; STREAMS]) -> bool {
        let all_taken = self.full_at > GENERATION;
        for (stream, &code) in codes.iter().enumerate() {
            if !all_taken && self.samples < TAKEN_FROM[stream] {
                continue;
            }
            if code > self.entering[stream] {
                self.enter(stream, code);
            }
            if -code > self.entering[STREAMS + stream] {
                self.enter(STREAMS + stream, -code);
            }
        }
        self.samples += 1;
        self.young_samples = (self.young_samples + 1).min(2 * GENERATION);
        let ends = self.samples == self.full_at;
        if ends {
            self.samples = GENERATION;
            self.full_at = 2 * GENERATION;
            self.young_samples = self.young_samples.min(GENERATION);
            (0..SIDES).for_each(|side| self.grow_old(side));
        }
        ends
    }

    /// Replaces the values of a stream, on both sides, after a change of the scaling. The change
    /// must keep their order.
    pub(super) fn change(&mut self, stream: usize, to: impl Fn(f32) -> f32) {
        for (side, sign) in [(stream, 1.0), (STREAMS + stream, -1.0)] {
            let changed = |code: &mut Code| {
                if *code != NONE {
                    *code = encode(sign * to(sign * decode(*code)));
                }
            };
            self.sides[side].codes.iter_mut().for_each(changed);
            changed(&mut self.surprising[side]);
            changed(&mut self.entering[side]);
        }
    }

    fn decades(&self, side: usize, code: Code) -> f64 {
        let codes = &self.sides[side].codes;
        let reached = codes.partition_point(|kept| *kept >= code);
        let share = (f64::from(self.samples_of(side % STREAMS)) + 1.0) / (reached as f64 + 1.0);
        let rank = LOG10_OF_2 * log2(share);
        if reached == 0 { rank + beyond(codes, code) } else { rank }
    }

    fn enter(&mut self, at: usize, code: Code) {
        let side = &mut self.sides[at];
        let position = side.codes.partition_point(|kept| *kept >= code);
        // There is always room: the last position is free between two calls.
        side.codes.copy_within(position..PLACES - 1, position + 1);
        side.codes[position] = code;
        if position < KEPT {
            let before = (1u32 << position) - 1;
            let (below, above) = (side.young & before, side.young & !before);
            let pushed_out_is_old = side.young >> (KEPT - 1) == 0 && side.codes[KEPT] != NONE;
            side.young = below | (1 << position) | (above << 1);
            if pushed_out_is_old {
                side.codes.copy_within(KEPT + 1.., KEPT);
                side.codes[PLACES - 1] = NONE;
            }
        }
        let len = side.codes.partition_point(|kept| *kept != NONE);
        let young = side.young.count_ones() as usize + len.saturating_sub(KEPT);
        if len == PLACES || young > KEPT {
            self.entering[at] = side.codes[len - 1];
            side.codes[len - 1] = NONE;
            if len <= KEPT {
                side.young &= !(1 << (len - 1));
            }
        }
        self.surprising[at] = self.surprising[at].max(side.codes[KEPT - 1]);
    }

    /// Drops the older codes of a side; the current ones become the older ones.
    fn grow_old(&mut self, at: usize) {
        let side = &mut self.sides[at];
        let mut len = 0;
        for position in 0..PLACES {
            if position >= KEPT || side.young >> position & 1 == 1 {
                side.codes[len] = side.codes[position];
                len += 1;
            }
        }
        side.codes[len..].fill(NONE);
        side.young = 0;
        self.surprising[at] = side.codes[KEPT - 1].max(self.entering[at]);
        self.entering[at] = NONE;
    }
}

/// Decades of a code beyond all others for its distance. Assumes an exponential tail whose scale is
/// the mean excess of the kept codes over the last of them.
fn beyond(codes: &[Code; PLACES], code: Code) -> f64 {
    let len = codes[..KEPT].partition_point(|kept| *kept != NONE);
    if len == 0 {
        return MAX_BEYOND;
    }
    let last = f64::from(decode(codes[len - 1]));
    let excess: f64 = codes[..len].iter().map(|kept| f64::from(decode(*kept)) - last).sum();
    if excess <= 0.0 {
        return MAX_BEYOND;
    }
    let distance = f64::from(decode(code)) - f64::from(decode(codes[0]));
    (LOG10_OF_E * distance * len as f64 / excess).min(MAX_BEYOND)
}
