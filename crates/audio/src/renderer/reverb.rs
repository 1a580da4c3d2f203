//! The room: a feedback delay network of eight damped lines of unrelated lengths (Jot 1991).
//!
//! Every line is longer than a block. So what leaves the lines during a block is known when the
//! block begins, and each step runs over the whole block: read, damp, mix by a Hadamard matrix,
//! write. The general network of `fundsp` goes sample by sample and takes four times as long.

use pulp::{Arch, NullaryFnOnce};

use super::super::frame::SAMPLE_RATE;
use super::partials::{BLOCK, amplitude, pan_gains};

const LINES: usize = 8;
/// Lengths of the lines.
const SECONDS: [f32; LINES] = [0.0437, 0.0509, 0.0563, 0.0621, 0.0677, 0.0739, 0.0797, 0.0859];
/// Reverberation time to −60 dB.
const DECAY_S: f32 = 3.2;
/// Each line passes frequencies below this.
const DAMPED_HZ: f32 = 2_800.0;
/// Level of the lines in the output.
const LEVEL: f32 = 0.5;
/// Added to the input, at −360 dB: sound that decays to denormal numbers would take much longer to
/// compute.
const FLOOR: f32 = 1e-18;

/// Values of the low-pass filter that are computed at a time.
const STEP: usize = 4;

/// A block of each line.
type Block = [[f32; BLOCK]; LINES];

/// One delay line.
struct Line {
    /// The newest samples; the oldest one is at `oldest`.
    ring: Box<[f32]>,
    oldest: usize,
    /// The last inputs and outputs of the low-pass filter.
    inputs: [f32; STEP],
    damped: [f32; STEP],
    gain: f32,
    /// Level in the left and the right channel.
    sides: [f32; 2],
}

/// The network with the sound that is in it. About 210 KB.
pub(super) struct Reverb {
    network: Network,
    /// The vectors of this processor.
    vectors: Arch,
}

struct Network {
    lines: [Line; LINES],
    /// The last output of each line, mixed: it enters with the next sample.
    returning: [f32; LINES],
    /// Share of the last value in each value of the low-pass filter.
    inertia: f32,
    block: Box<Block>,
}

impl Reverb {
    /// A silent room.
    pub(super) fn new() -> Self {
        let line = |i: usize| {
            let seconds = SECONDS[i];
            let samples = (seconds * SAMPLE_RATE as f32).round() as usize;
            let (left, right) = pan_gains(-0.9 + 1.8 * i as f32 / (LINES - 1) as f32);
            Line {
                ring: vec![0.0; samples.max(BLOCK)].into_boxed_slice(),
                oldest: 0,
                inputs: [0.0; STEP],
                damped: [0.0; STEP],
                gain: amplitude(-60.0 * seconds / DECAY_S),
                sides: [left * LEVEL, right * LEVEL],
            }
        };
        let network = Network {
            lines: std::array::from_fn(line),
            returning: [0.0; LINES],
            inertia: (-std::f32::consts::TAU * DAMPED_HZ / SAMPLE_RATE as f32).exp(),
            block: Box::new([[0.0; BLOCK]; LINES]),
        };
        Self { network, vectors: Arch::new() }
    }

    /// Sends a block, left and right, into the room, and writes what returns into `wet`.
    pub(super) fn process(&mut self, send: [&[f32; BLOCK]; 2], wet: &mut [[f32; BLOCK]; 2]) {
        self.vectors.dispatch(Step { network: &mut self.network, send, wet });
    }
}

/// A block to compute. The compiler makes vectors of its loops, as wide as the caller allows.
struct Step<'a> {
    network: &'a mut Network,
    send: [&'a [f32; BLOCK]; 2],
    wet: &'a mut [[f32; BLOCK]; 2],
}

impl NullaryFnOnce for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Network { lines, returning, inertia, block } = self.network;
        *self.wet = [[0.0; BLOCK]; 2];
        for (line, out) in lines.iter_mut().zip(block.iter_mut()) {
            line.read(out);
            line.damp(*inertia, out);
            for (side, wet) in line.sides.iter().zip(self.wet.iter_mut()) {
                wet.iter_mut().zip(&*out).for_each(|(wet, out)| *wet += side * out);
            }
        }
        mix(block);
        for (i, (line, mixed)) in lines.iter_mut().zip(block.iter()).enumerate() {
            let mut input = [0.0; BLOCK];
            let returned = std::iter::once(returning[i]).chain(mixed.iter().copied());
            for ((input, send), returned) in input.iter_mut().zip(self.send[i % 2]).zip(returned) {
                *input = send + returned + FLOOR;
            }
            returning[i] = mixed[BLOCK - 1];
            line.write(&input);
        }
    }
}

impl Line {
    /// The oldest block.
    #[inline(always)]
    fn read(&self, out: &mut [f32; BLOCK]) {
        let (first, second) = self.parts();
        let (head, tail) = out.split_at_mut(first.len());
        head.copy_from_slice(&self.ring[first]);
        tail.copy_from_slice(&self.ring[second]);
    }

    /// Replaces the oldest block.
    #[inline(always)]
    fn write(&mut self, block: &[f32; BLOCK]) {
        let (first, second) = self.parts();
        let (head, tail) = block.split_at(first.len());
        self.ring[first].copy_from_slice(head);
        self.ring[second].copy_from_slice(tail);
        self.oldest = (self.oldest + BLOCK) % self.ring.len();
    }

    /// Where the oldest block is: up to the end of the ring, and from its beginning.
    fn parts(&self) -> (std::ops::Range<usize>, std::ops::Range<usize>) {
        let end = (self.oldest + BLOCK).min(self.ring.len());
        (self.oldest..end, 0..self.oldest + BLOCK - end)
    }

    /// Low-pass filter and loss of a round: y(t) = (1 − c)·x(t) + c·y(t − 1).
    ///
    /// Written as y(t) = s(t) + c⁴·y(t − 4), where s sums four inputs: a value waits only for the
    /// value four samples before it, so four are computed at a time.
    #[inline(always)]
    fn damp(&mut self, c: f32, block: &mut [f32; BLOCK]) {
        let mut x = [0.0; BLOCK + STEP];
        x[..STEP].copy_from_slice(&self.inputs);
        x[STEP..].copy_from_slice(block);
        self.inputs.copy_from_slice(&x[BLOCK..]);
        let mut two = [0.0; BLOCK + STEP];
        for t in 1..BLOCK + STEP {
            two[t] = x[t] + c * x[t - 1];
        }
        let mut four = [0.0; BLOCK];
        for t in 0..BLOCK {
            four[t] = (two[t + STEP] + c * c * two[t + STEP - 2]) * (1.0 - c);
        }
        for (four, out) in four.as_chunks::<STEP>().0.iter().zip(block.as_chunks_mut::<STEP>().0) {
            self.damped = std::array::from_fn(|i| four[i] + c * c * c * c * self.damped[i]);
            *out = self.damped.map(|y| y * self.gain);
        }
    }
}

/// Multiplies each sample of the lines by a Hadamard matrix. It keeps the energy.
#[inline(always)]
fn mix(block: &mut Block) {
    let mut distance = 1;
    while distance < LINES {
        for first in (0..LINES).filter(|i| i & distance == 0) {
            let (low, high) = block.split_at_mut(first + distance);
            for (a, b) in low[first].iter_mut().zip(high[0].iter_mut()) {
                (*a, *b) = (*a + *b, *a - *b);
            }
        }
        distance *= 2;
    }
    let scale = 1.0 / (LINES as f32).sqrt();
    block.iter_mut().flatten().for_each(|sample| *sample *= scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer to one sample in the left channel, as energy of each block of both channels.
    fn impulse(blocks: usize) -> Vec<f32> {
        let mut reverb = Reverb::new();
        let (silence, mut click) = ([0.0; BLOCK], [0.0; BLOCK]);
        click[0] = 1.0;
        let mut wet = [[0.0; BLOCK]; 2];
        (0..blocks)
            .map(|block| {
                reverb.process([if block == 0 { &click } else { &silence }, &silence], &mut wet);
                wet.iter().flatten().map(|sample| sample * sample).sum()
            })
            .collect()
    }

    #[test]
    fn nothing_comes_back_before_the_shortest_line() {
        let answer = impulse(60);
        let first = answer.iter().position(|energy| *energy > 1e-9).unwrap();
        assert_eq!(first, (SECONDS[0] * SAMPLE_RATE as f32) as usize / BLOCK);
    }

    #[test]
    fn sound_decays_by_sixty_decibels_in_the_reverberation_time() {
        let blocks_a_second = SAMPLE_RATE as usize / BLOCK;
        let answer = impulse(5 * blocks_a_second);
        let around = |second: f32| {
            let at = (second * blocks_a_second as f32) as usize;
            answer[at - 75..at + 75].iter().sum::<f32>()
        };
        let lost = 10.0 * (around(0.3) / around(0.3 + DECAY_S)).log10();
        // Damping of high frequencies adds to the decay.
        assert!((55.0..75.0).contains(&lost), "{lost} dB");
    }

    #[test]
    fn mixing_keeps_the_energy() {
        let mut block: Block = std::array::from_fn(|i| std::array::from_fn(|t| (i * 31 + t) as f32 % 7.0 - 3.0));
        let energy = |block: &Block| block.iter().flatten().map(|x| x * x).sum::<f32>();
        let before = energy(&block);
        mix(&mut block);
        assert!((energy(&block) / before - 1.0).abs() < 1e-5);
    }
}
