//! Eight sine partials in one vector: the oscillator of voices, bed and cues.
//!
//! Each lane is a phasor that rotates by a fixed angle a sample. So a sine costs a few
//! multiplications, and the angle may change between blocks without a click. In measurements, eight
//! of these partials take the time of one `fundsp` sine, and a third of the time of one of its
//! wavetable oscillators. With those, three voices and the bed alone would exceed the render
//! budget.

use fundsp::F32x;
use pulp::{Arch, NullaryFnOnce};

use super::super::frame::SAMPLE_RATE;

/// Samples between two control values; also the block size of the library's effects.
pub(super) const BLOCK: usize = fundsp::MAX_BUFFER_SIZE;
/// Seconds in a block.
pub(super) const BLOCK_S: f32 = BLOCK as f32 / SAMPLE_RATE as f32;
/// Partials above this are muted, to avoid aliasing.
const HIGHEST_HZ: f32 = 18_000.0;

/// One value for each partial.
type Lanes = [f32; 8];

/// Sums partials lane by lane; the lanes are added once at the end.
pub(super) struct Sum {
    left: [Lanes; BLOCK],
    right: [Lanes; BLOCK],
    /// The vectors of this processor.
    vectors: Arch,
}

impl Sum {
    pub(super) fn new() -> Self {
        Self { left: [[0.0; 8]; BLOCK], right: [[0.0; 8]; BLOCK], vectors: Arch::new() }
    }

    /// Empties the sum. Passes each sample's index, left and right value to `output`.
    pub(super) fn drain(&mut self, mut output: impl FnMut(usize, f32, f32)) {
        for (i, (left, right)) in self.left.iter_mut().zip(&mut self.right).enumerate() {
            output(i, added(left), added(right));
            (*left, *right) = ([0.0; 8], [0.0; 8]);
        }
    }
}

/// The sum of the lanes, in pairs: fewer additions wait for another.
#[inline(always)]
fn added(lanes: &Lanes) -> f32 {
    let [a, b, c, d, e, f, g, h] = lanes;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// Eight partials with a frequency and an amplitude left and right each.
#[derive(Clone)]
pub(super) struct Partials {
    cos: Lanes,
    sin: Lanes,
    turn_cos: Lanes,
    turn_sin: Lanes,
    hz: [f32; 8],
    audible: F32x,
    left: Lanes,
    right: Lanes,
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
            cos: cos.to_array(),
            sin: sin.to_array(),
            turn_cos: [1.0; 8],
            turn_sin: [0.0; 8],
            hz: [0.0; 8],
            audible: F32x::ZERO,
            left: [0.0; 8],
            right: [0.0; 8],
        }
    }

    /// Sets the frequencies, in Hz.
    pub(super) fn tune(&mut self, hz: [f32; 8]) {
        if hz == self.hz {
            return;
        }
        self.hz = hz;
        self.audible = F32x::new(hz.map(|hz| if hz < HIGHEST_HZ { 1.0 } else { 0.0 }));
        let (sin, cos) = (F32x::new(hz) * (std::f32::consts::TAU / SAMPLE_RATE as f32)).sin_cos();
        (self.turn_sin, self.turn_cos) = (sin.to_array(), cos.to_array());
    }

    /// Renders a block into `sum`. Each amplitude ramps from its current value to its target.
    pub(super) fn render(&mut self, left: F32x, right: F32x, sum: &mut Sum) {
        let (left, right) = ((left * self.audible).to_array(), (right * self.audible).to_array());
        if self.left.iter().chain(&self.right).chain(&left).chain(&right).all(|level| *level == 0.0) {
            return;
        }
        sum.vectors.dispatch(Block {
            partials: self,
            left: &left,
            right: &right,
            sums: [&mut sum.left, &mut sum.right],
        });
        (self.left, self.right) = (left, right);
    }
}

/// A block to render, and the amplitudes at its end.
struct Block<'a> {
    partials: &'a mut Partials,
    left: &'a Lanes,
    right: &'a Lanes,
    sums: [&'a mut [Lanes; BLOCK]; 2],
}

#[inline(always)]
fn each(value: impl Fn(usize) -> f32) -> Lanes {
    let mut lanes = [0.0; 8];
    for (i, lane) in lanes.iter_mut().enumerate() {
        *lane = value(i);
    }
    lanes
}

/// Plain loops over lanes: the compiler makes vectors of them, as wide as the caller allows.
impl NullaryFnOnce for Block<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Partials { cos, sin, turn_cos, turn_sin, mut left, mut right, .. } = self.partials.clone();
        let step = |from: &Lanes, to: &Lanes| each(|i| (to[i] - from[i]) / BLOCK as f32);
        let (left_step, right_step) = (step(&left, self.left), step(&right, self.right));
        // Even and odd samples: two rotations that do not wait for each other.
        let by_one = (turn_cos, turn_sin);
        let by_two = turned(by_one, by_one);
        let mut phasors = [(cos, sin), turned((cos, sin), by_one)];
        let [sums_left, sums_right] = self.sums;
        let pairs = sums_left.as_chunks_mut::<2>().0.iter_mut().zip(sums_right.as_chunks_mut::<2>().0);
        for (out_left, out_right) in pairs {
            for (phasor, (out_left, out_right)) in phasors.iter_mut().zip(out_left.iter_mut().zip(out_right)) {
                left = each(|i| left[i] + left_step[i]);
                right = each(|i| right[i] + right_step[i]);
                *out_left = each(|i| out_left[i] + phasor.1[i] * left[i]);
                *out_right = each(|i| out_right[i] + phasor.1[i] * right[i]);
                *phasor = turned(*phasor, by_two);
            }
        }
        let [(cos, sin), _] = phasors;
        // One Newton step prevents rounding errors from changing the length of the phasors.
        let renew = each(|i| 1.5 - 0.5 * (cos[i] * cos[i] + sin[i] * sin[i]));
        self.partials.cos = each(|i| cos[i] * renew[i]);
        self.partials.sin = each(|i| sin[i] * renew[i]);
    }
}

/// Phasors rotated by angles, both as cosine and sine.
#[inline(always)]
fn turned((cos, sin): (Lanes, Lanes), (by_cos, by_sin): (Lanes, Lanes)) -> (Lanes, Lanes) {
    (each(|i| cos[i] * by_cos[i] - sin[i] * by_sin[i]), each(|i| cos[i] * by_sin[i] + sin[i] * by_cos[i]))
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
