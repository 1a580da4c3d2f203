//! One voice: two slightly detuned sets of harmonics that glide towards their controls.

use fundsp::F32x;

use super::super::scene::VoiceControls;
use super::super::timbre::Timbre;
use super::partials::{BLOCK_S, Partials, Sum, amplitude, follow, pan_gains};

/// Level of a voice in the background, and its gain in the foreground.
const CALM_DB: f32 = -42.5;
const FRONT_DB: f32 = 16.0;
/// A fading voice below this counts as silent.
const SILENT: f32 = 1e-4;
/// Distance of the two sets of harmonics in the stereo field.
const WIDTH: f32 = 0.25;
/// From this detune on, both sets are equally strong and beat fully. With less, the second one is
/// weaker and the voice is smooth.
const ROUGH_CENTS: f32 = 16.0;
const TREMOLO_HZ: f32 = 5.2;

/// A voice slot with the current values of its controls.
pub(super) struct VoiceSlot {
    low: Partials,
    high: Partials,
    identity: u64,
    timbre: Timbre,
    articulation: u32,
    /// log2 of the pitch in Hz, so that glides sound even.
    pitch: f32,
    gain: f32,
    brightness: f32,
    tremolo: f32,
    tremolo_phase: f32,
    detune_cents: f32,
    pan: f32,
}

impl VoiceSlot {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            low: Partials::new(seed),
            high: Partials::new(!seed),
            identity: 0,
            timbre: Timbre::default(),
            articulation: 0,
            pitch: 8.0,
            gain: 0.0,
            brightness: 0.0,
            tremolo: 0.0,
            tremolo_phase: 0.0,
            detune_cents: 0.0,
            pan: 0.0,
        }
    }

    /// Renders a block into `sum` at the gain `share`: 0 is off, 1 is a voice among few. A silent
    /// slot costs nothing.
    pub(super) fn render(&mut self, target: &VoiceControls, share: f32, sum: &mut Sum) {
        let sounds = share > 0.0;
        let leaving = !sounds || target.identity == 0 || target.identity != self.identity;
        if leaving && self.gain < SILENT {
            self.gain = 0.0;
            if sounds && target.identity != 0 {
                self.enter(target);
            } else {
                self.identity = 0;
                return;
            }
        }
        if leaving && self.gain >= SILENT {
            self.gain += (0.0 - self.gain) * follow(0.008);
        } else {
            self.glide(target, share);
        }
        self.sing(sum);
    }

    /// Assigns a series to the slot. All controls but the loudness start at their targets.
    fn enter(&mut self, target: &VoiceControls) {
        self.identity = target.identity;
        self.timbre = target.timbre;
        self.articulation = target.articulation;
        self.pitch = target.pitch_hz.log2();
        self.brightness = target.brightness;
        self.tremolo = target.tremolo;
        self.detune_cents = target.detune_cents;
        self.pan = target.pan;
    }

    fn glide(&mut self, target: &VoiceControls, share: f32) {
        self.timbre = target.timbre;
        if self.articulation != target.articulation {
            self.articulation = target.articulation;
            self.pitch += target.scoop_cents / 1_200.0;
        }
        // The glide takes three time constants, that is to 95 %.
        let glide = follow(target.glide_ms.max(1.0) / 3_000.0);
        self.pitch += (target.pitch_hz.log2() - self.pitch) * glide;
        let level = amplitude(CALM_DB + FRONT_DB * target.prominence) * share;
        let rise = if level > self.gain { 0.03 } else { 0.25 };
        self.gain += (level - self.gain) * follow(rise);
        self.brightness += (target.brightness - self.brightness) * follow(0.04);
        self.tremolo += (target.tremolo - self.tremolo) * follow(0.2);
        self.detune_cents += (target.detune_cents - self.detune_cents) * follow(0.1);
        self.pan += (target.pan - self.pan) * follow(0.1);
    }

    fn sing(&mut self, sum: &mut Sum) {
        let hz = self.pitch.exp2();
        let apart = (self.detune_cents / 2_400.0).exp2();
        self.low.tune(std::array::from_fn(|i| hz / apart * (i + 1) as f32));
        self.high.tune(std::array::from_fn(|i| hz * apart * (i + 1) as f32));

        self.tremolo_phase = (self.tremolo_phase + TREMOLO_HZ * BLOCK_S).fract();
        let dip = 0.5 - 0.5 * (self.tremolo_phase * std::f32::consts::TAU).cos();
        let gain = self.gain * (1.0 - self.tremolo * dip);
        let harmonics = F32x::new(tilted(self.timbre, self.brightness)) * F32x::splat(gain);

        let (left, right) = pan_gains(self.pan - WIDTH);
        self.low.render(harmonics * F32x::splat(left), harmonics * F32x::splat(right), sum);
        let harmonics = harmonics * F32x::splat((0.25 + self.detune_cents / ROUGH_CENTS).min(1.0));
        let (left, right) = pan_gains(self.pan + WIDTH);
        self.high.render(harmonics * F32x::splat(left), harmonics * F32x::splat(right), sum);
    }
}

/// The timbre's harmonics with an additional slope of −12 dB (dull) to −0.5 dB (bright) a harmonic.
fn tilted(timbre: Timbre, brightness: f32) -> [f32; 8] {
    let step = amplitude(-12.0 + 11.5 * brightness.clamp(0.0, 1.0));
    let mut weight = 1.0;
    timbre.harmonics().map(|harmonic| {
        let tilted = harmonic * weight;
        weight *= step;
        tilted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controls() -> VoiceControls {
        VoiceControls { identity: 7, pitch_hz: 440.0, glide_ms: 60.0, brightness: 0.2, ..Default::default() }
    }

    /// RMS of each block.
    fn levels(slot: &mut VoiceSlot, target: &VoiceControls, sounds: bool, blocks: usize) -> Vec<f32> {
        let mut sum = Sum::new();
        let block = |slot: &mut VoiceSlot, sum: &mut Sum| {
            slot.render(target, if sounds { 1.0 } else { 0.0 }, sum);
            let mut energy = 0.0;
            sum.drain(|_, left, right| energy += left * left + right * right);
            (energy / 128.0).sqrt()
        };
        (0..blocks).map(|_| block(slot, &mut sum)).collect()
    }

    #[test]
    fn glides_to_its_pitch_within_the_glide_time() {
        let mut slot = VoiceSlot::new(0);
        levels(&mut slot, &controls(), true, 10);
        let higher = VoiceControls { pitch_hz: 660.0, ..controls() };
        levels(&mut slot, &higher, true, 4);
        assert!(slot.pitch.exp2() < 600.0, "it glides instead of jumping");
        levels(&mut slot, &higher, true, 41);
        assert!((slot.pitch.exp2() - 660.0).abs() < 15.0, "60 ms later it has arrived");
    }

    #[test]
    fn note_of_a_rising_series_starts_below_its_pitch() {
        let mut slot = VoiceSlot::new(0);
        levels(&mut slot, &controls(), true, 10);
        levels(&mut slot, &VoiceControls { articulation: 1, scoop_cents: -100.0, ..controls() }, true, 1);
        assert!((410.0..432.0).contains(&slot.pitch.exp2()), "{}", slot.pitch.exp2());
    }

    #[test]
    fn prominence_raises_the_level_within_a_tenth_of_a_second() {
        let mut slot = VoiceSlot::new(0);
        let calm = *levels(&mut slot, &controls(), true, 750).last().unwrap();
        let front = levels(&mut slot, &VoiceControls { prominence: 1.0, ..controls() }, true, 75);
        assert!(front[74] > calm * 4.0, "{calm} {}", front[74]);
    }

    #[test]
    fn next_series_fades_in_after_the_previous_one() {
        let mut slot = VoiceSlot::new(0);
        levels(&mut slot, &controls(), true, 750);
        let other = VoiceControls { identity: 8, pitch_hz: 900.0, ..controls() };
        let blocks = levels(&mut slot, &other, true, 150);
        let quietest = blocks.iter().position(|level| *level < 2.0 * SILENT).expect("it passes through silence");
        assert!(quietest < 75, "within 100 ms, not {quietest} blocks");
        assert_eq!(slot.identity, 8);
        assert!(blocks[149] > 0.5 * *levels(&mut slot, &other, true, 750).last().unwrap());
    }

    #[test]
    fn an_empty_or_muted_slot_is_silent() {
        let mut slot = VoiceSlot::new(0);
        assert!(levels(&mut slot, &VoiceControls::default(), true, 5).iter().all(|level| *level == 0.0));
        levels(&mut slot, &controls(), true, 100);
        assert_eq!(*levels(&mut slot, &controls(), false, 200).last().unwrap(), 0.0);
    }
}
