//! Eight sine partials in one vector: the oscillator of voices, bed and cues.
//!
//! Each lane is a phasor that rotates by a fixed angle a sample. So a sine costs a few
//! multiplications, and the angle may change between blocks without a click. In measurements, eight
//! of these partials take the time of one `fundsp` sine, and a third of the time of one of its
//! wavetable oscillators. With those, three voices and the bed alone would exceed the render
//! budget.

use fundsp::F32x;

use super::super::frame::SAMPLE_RATE;

/// Samples between two control values; also the block size of the library's effects.
pub(super) const BLOCK: usize = fundsp::MAX_BUFFER_SIZE;
/// Seconds in a block.
pub(super) const BLOCK_S: f32 = BLOCK as f32 / SAMPLE_RATE as f32;
/// Partials above this are muted, to avoid aliasing.
const HIGHEST_HZ: f32 = 18_000.0;

/// Sums partials lane by lane; the lanes are added once at the end.
pub(super) struct Sum {
    left: [F32x; BLOCK],
    right: [F32x; BLOCK],
}

impl Sum {
    pub(super) fn new() -> Self {
        Self { left: [F32x::ZERO; BLOCK], right: [F32x::ZERO; BLOCK] }
    }

    /// Empties the sum. Passes each sample's index, left and right value to `output`.
    pub(super) fn drain(&mut self, mut output: impl FnMut(usize, f32, f32)) {
        for i in 0..BLOCK {
            output(i, self.left[i].reduce_add(), self.right[i].reduce_add());
        }
        *self = Self::new();
    }
}

/// Eight partials with a frequency and an amplitude left and right each.
#[derive(Clone)]
pub(super) struct Partials {
    cos: F32x,
    sin: F32x,
    turn_cos: F32x,
    turn_sin: F32x,
    audible: F32x,
    left: F32x,
    right: F32x,
}

impl Partials {
    /// Silent partials with phases derived from `seed`.
    pub(super) fn new(seed: u64) -> Self {
        let mut state = seed;
        let phases = std::array::from_fn(|_| {
            state = state.wrapping_add(1);
            unit(state) * std::f32::consts::TAU
        });
        let (sin, cos) = F32x::new(phases).sin_cos();
        Self {
            cos,
            sin,
            turn_cos: F32x::ONE,
            turn_sin: F32x::ZERO,
            audible: F32x::ZERO,
            left: F32x::ZERO,
            right: F32x::ZERO,
        }
    }

    /// Sets the frequencies, in Hz.
    pub(super) fn tune(&mut self, hz: [f32; 8]) {
        self.audible = F32x::new(hz.map(|hz| if hz < HIGHEST_HZ { 1.0 } else { 0.0 }));
        (self.turn_sin, self.turn_cos) = (F32x::new(hz) * (std::f32::consts::TAU / SAMPLE_RATE as f32)).sin_cos();
    }

    /// Renders a block into `sum`. Each amplitude ramps from its current value to its target.
    pub(super) fn render(&mut self, left: F32x, right: F32x, sum: &mut Sum) {
        let (left, right) = (left * self.audible, right * self.audible);
        let per_sample = F32x::splat(1.0 / BLOCK as f32);
        let (left_step, right_step) = ((left - self.left) * per_sample, (right - self.right) * per_sample);
        for (out_left, out_right) in sum.left.iter_mut().zip(&mut sum.right) {
            self.left += left_step;
            self.right += right_step;
            *out_left += self.sin * self.left;
            *out_right += self.sin * self.right;
            let cos = self.cos * self.turn_cos - self.sin * self.turn_sin;
            self.sin = self.cos * self.turn_sin + self.sin * self.turn_cos;
            self.cos = cos;
        }
        (self.left, self.right) = (left, right);
        // One Newton step prevents rounding errors from changing the length of the phasors.
        let renew = F32x::splat(1.5) - F32x::splat(0.5) * (self.cos * self.cos + self.sin * self.sin);
        self.cos *= renew;
        self.sin *= renew;
    }
}

/// Equal-power gains for a position −1 (left) to 1 (right).
pub(super) fn pan_gains(pan: f32) -> (f32, f32) {
    let angle = (pan.clamp(-1.0, 1.0) + 1.0) * std::f32::consts::FRAC_PI_4;
    (angle.cos(), angle.sin())
}

/// The share of the distance to its target that a control covers in one block, so that it covers 63
/// % in `seconds`.
pub(super) fn follow(seconds: f32) -> f32 {
    1.0 - (-BLOCK_S / seconds).exp()
}

/// Amplitude of a level in decibels.
pub(super) fn amplitude(db: f32) -> f32 {
    (db * (std::f32::consts::LN_10 / 20.0)).exp()
}

/// A number in 0..1 derived from `seed` (the finaliser of SplitMix64, Steele and others 2014).
pub(super) fn unit(seed: u64) -> f32 {
    let mut z = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(partials: &mut Partials, amplitude: F32x, blocks: usize) -> Vec<f32> {
        let (mut sum, mut out) = (Sum::new(), Vec::new());
        for _ in 0..blocks {
            partials.render(amplitude, amplitude, &mut sum);
            sum.drain(|_, left, _| out.push(left));
        }
        out
    }

    fn first_only() -> F32x {
        F32x::new([1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    }

    #[test]
    fn partial_is_a_sine_of_constant_amplitude() {
        let mut partials = Partials::new(1);
        partials.tune([1_000.0; 8]);
        let out = render(&mut partials, first_only(), 750 * 60);
        let last_second = &out[out.len() - 48_000..];
        let rms = (last_second.iter().map(|x| x * x).sum::<f32>() / 48_000.0).sqrt();
        assert!((rms - 0.5f32.sqrt()).abs() < 1e-3, "{rms}");
        let rising = last_second.windows(2).filter(|w| w[0] <= 0.0 && w[1] > 0.0).count();
        assert!((999..=1_001).contains(&rising), "{rising}");
    }

    #[test]
    fn retuning_and_fading_do_not_click() {
        let mut partials = Partials::new(2);
        let mut out = Vec::new();
        for (hz, amplitude) in [(300.0, 1.0), (450.0, 1.0), (300.0, 0.2), (200.0, 0.0)] {
            partials.tune([hz; 8]);
            out.extend(render(&mut partials, first_only() * F32x::splat(amplitude), 40));
        }
        let steepest = std::f32::consts::TAU * 450.0 / SAMPLE_RATE as f32 + 1.0 / BLOCK as f32;
        assert!(out.windows(2).all(|w| (w[1] - w[0]).abs() < steepest));
        assert_eq!(out.last(), Some(&0.0));
    }

    #[test]
    fn partials_above_the_limit_are_muted() {
        let mut partials = Partials::new(3);
        partials.tune([23_000.0; 8]);
        assert!(render(&mut partials, F32x::ONE, 4).iter().all(|x| *x == 0.0));
    }
}
