//! A brick-wall limiter: no output sample exceeds the ceiling, and the gain never jumps.
//!
//! It looks ahead by one block. The gain ramps linearly within a block between two values that are
//! both allowed for it, so the ceiling holds exactly. The library's limiter holds it only
//! approximately and takes a tenth of the time a frame.

use super::partials::{BLOCK, follow};

/// Holds a block back and determines the gain between it and the next.
pub(super) struct Limiter {
    held: [[f32; BLOCK]; 2],
    /// Maximum gain of the held block.
    held_limit: f32,
    gain: f32,
    ceiling: f32,
    release: f32,
}

impl Limiter {
    const RELEASE_S: f32 = 0.15;

    /// A limiter with the given `ceiling`.
    pub(super) fn new(ceiling: f32) -> Self {
        Self { held: [[0.0; BLOCK]; 2], held_limit: 1.0, gain: 1.0, ceiling, release: follow(Self::RELEASE_S) }
    }

    /// Accepts the next block and outputs the previous one, sample by sample: index, left, right.
    pub(super) fn process(&mut self, next: [&[f32]; 2], mut output: impl FnMut(usize, f32, f32)) {
        let peak = next.iter().flat_map(|channel| channel.iter()).fold(0.0f32, |peak, x| peak.max(x.abs()));
        let next_limit = if peak > self.ceiling { self.ceiling / peak } else { 1.0 };
        let recovered = self.gain + (1.0 - self.gain) * self.release;
        let target = recovered.min(self.held_limit).min(next_limit);
        for i in 0..BLOCK {
            let gain = self.gain + (target - self.gain) * ((i + 1) as f32 / BLOCK as f32);
            output(i, self.held[0][i] * gain, self.held[1][i] * gain);
        }
        for (held, next) in self.held.iter_mut().zip(next) {
            held.copy_from_slice(&next[..BLOCK]);
        }
        (self.gain, self.held_limit) = (target, next_limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Limits a sine of 1 kHz with the given amplitude for each block.
    fn limited(amplitudes: &[f32]) -> Vec<f32> {
        let (mut limiter, mut out, mut n) = (Limiter::new(0.7), Vec::new(), 0);
        for amplitude in amplitudes {
            let mut block = [0.0; BLOCK];
            for sample in &mut block {
                *sample = amplitude * (n as f32 * 0.13).sin();
                n += 1;
            }
            limiter.process([&block, &block], |_, left, _| out.push(left));
        }
        out
    }

    #[test]
    fn quiet_sound_passes_unchanged_one_block_later() {
        let out = limited(&[0.5; 20]);
        assert!(out[..BLOCK].iter().all(|x| *x == 0.0));
        for (i, x) in out[BLOCK..].iter().enumerate() {
            assert_eq!(*x, 0.5 * (i as f32 * 0.13).sin());
        }
    }

    #[test]
    fn sudden_peaks_stay_below_the_ceiling() {
        let amplitudes: Vec<f32> = (0..200).map(|i| if i % 7 == 3 { 9.0 } else { 0.1 * (i % 5) as f32 }).collect();
        let loudest = limited(&amplitudes).into_iter().fold(0.0f32, |a, x| a.max(x.abs()));
        assert!((0.6..=0.7 + 1e-6).contains(&loudest), "{loudest}");
    }

    #[test]
    fn gain_recovers_slowly() {
        let mut amplitudes = vec![1.4; 50];
        amplitudes.extend([0.2; 400]);
        let out = limited(&amplitudes);
        let level = |block: usize| out[block * BLOCK..(block + 1) * BLOCK].iter().fold(0.0f32, |a, x| a.max(x.abs()));
        assert!((0.09..0.12).contains(&level(55)), "{}", level(55));
        assert!(level(440) > 0.19);
    }
}
