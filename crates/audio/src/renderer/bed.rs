//! The bed: a soft chord that swells slowly, over quiet air noise that prevents digital silence.

use fundsp::F32x;
use fundsp::prelude32::{AudioUnit, BufferRef, BufferVec, lowpole_hz, pink};

use super::super::frame::SAMPLE_RATE;
use super::super::limits::BED_NOTES;
use super::super::scene::BedControls;
use super::partials::{BLOCK, BLOCK_S, Partials, Sum, amplitude, follow, unit};

const BED_DB: f32 = -33.5;
const AIR_DB: f32 = -56.0;
/// Each note has its own swell period, so that the chord does not repeat.
const SWELL_S: [f32; BED_NOTES] = [23.0, 17.0, 13.0, 19.0, 29.0];
/// Level of each note at rest, lowest first. The top is a shimmer.
const NOTE: [f32; BED_NOTES] = [1.0, 0.8, 0.6, 0.32, 0.28];
/// Each note has two strings, detuned by this much. They beat about once in two seconds.
const APART_CENTS: f32 = 3.0;

/// One note of the chord with the current values of its controls.
struct Note {
    partials: Partials,
    hz: f32,
    weight: f32,
    /// Phase of its swell, 0 to 1.
    phase: f32,
}

/// The bed with the current values of its controls.
pub(super) struct Bed {
    notes: [Note; BED_NOTES],
    activity: f32,
    gain: f32,
    air: Box<dyn AudioUnit>,
    breath: BufferVec,
}

impl Bed {
    pub(super) fn new(seed: u64) -> Self {
        let mut air: Box<dyn AudioUnit> = Box::new((pink() >> lowpole_hz(700.0)) | (pink() >> lowpole_hz(700.0)));
        air.set_sample_rate(f64::from(SAMPLE_RATE));
        air.allocate();
        let note = |i: usize| Note {
            partials: Partials::new(seed ^ (0xBED << 8) ^ i as u64),
            hz: 0.0,
            weight: 1.0,
            phase: unit(seed ^ (0x5E11 << 8) ^ i as u64),
        };
        Self { notes: std::array::from_fn(note), activity: 0.0, gain: 0.0, air, breath: BufferVec::new(2) }
    }

    /// Renders a block of the chord into `sum`.
    pub(super) fn render(&mut self, target: &BedControls, sounds: bool, sum: &mut Sum) {
        let level = if sounds { amplitude(BED_DB) } else { 0.0 };
        self.gain += (level - self.gain) * follow(0.4);
        self.activity += (target.activity - self.activity) * follow(0.3);
        for (i, note) in self.notes.iter_mut().enumerate() {
            note.glide(target.notes_hz[i], target.weights[i], SWELL_S[i]);
            note.swell(self.gain * NOTE[i], self.activity, sum);
        }
    }

    /// Adds a block of air to left and right. It never stops, in any mode.
    pub(super) fn breathe(&mut self, left: &mut [f32; BLOCK], right: &mut [f32; BLOCK]) {
        self.air.process(BLOCK, &BufferRef::empty(), &mut self.breath.buffer_mut());
        let level = amplitude(AIR_DB);
        for (channel, out) in [left, right].into_iter().enumerate() {
            for (sample, air) in out.iter_mut().zip(self.breath.channel_f32(channel)) {
                *sample += air * level;
            }
        }
    }
}

impl Note {
    fn glide(&mut self, hz: f32, weight: f32, swell_s: f32) {
        self.phase = (self.phase + BLOCK_S / swell_s).fract();
        self.weight += (weight - self.weight) * follow(0.3);
        // The first chord starts at once; a change of key glides.
        self.hz += (hz - self.hz) * if self.hz == 0.0 { 1.0 } else { follow(0.15) };
    }

    fn swell(&mut self, gain: f32, activity: f32, sum: &mut Sum) {
        let apart = (APART_CENTS / 1_200.0).exp2();
        let hz = self.hz;
        self.partials.tune(std::array::from_fn(|lane| {
            let harmonic = (lane % 4 + 1) as f32 * hz;
            if lane < 4 { harmonic } else { harmonic * apart }
        }));
        let tide = (self.phase * std::f32::consts::TAU).sin();
        // Volatile series in the bed brighten the sound and increase its swell.
        let dull = 0.2 + 0.06 * tide + 0.3 * activity;
        let gain = gain * self.weight * (1.0 + (0.3 + 0.3 * activity) * tide);
        let side = |near: f32, far: f32| {
            F32x::new(std::array::from_fn(|lane| {
                let string = if lane < 4 { near } else { far };
                gain * string * dull.powi((lane % 4) as i32)
            }))
        };
        self.partials.render(side(0.95, 0.3), side(0.3, 0.95), sum);
    }
}
