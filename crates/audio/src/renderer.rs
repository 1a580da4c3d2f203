//! Renders scenes to PCM: bed, voices and cues, one shared reverb, one limiter.
//!
//! [`Renderer::render`] allocates nothing, locks nothing and uses no random numbers: its output
//! depends only on its seed and on the scenes so far. Controls change once a block of 64 samples,
//! and amplitudes ramp within it, so nothing clicks. Oscillators ([`partials`]), reverb and limiter
//! are our own; air and DC filter are `fundsp` graphs, built once and processed in blocks.

mod bed;
mod cue_player;
mod limiter;
mod partials;
mod reverb;
mod voice;

use fundsp::prelude32::{AudioUnit, BufferVec, dcblock};

use super::frame::{FRAME_SAMPLES, Frame, SAMPLE_RATE};
use super::limits::MAX_VOICES;
use super::scene::Scene;
use super::settings::Mode;
use bed::Bed;
use cue_player::CuePlayer;
use limiter::Limiter;
use partials::{BLOCK, Sum, follow};
use reverb::Reverb;
use voice::VoiceSlot;

const _: () = assert!(FRAME_SAMPLES.is_multiple_of(BLOCK), "a frame must be a whole number of blocks");

/// The limiter's ceiling on samples, −3.1 dBFS. Peaks between samples and the codec's overshoot
/// stay below −1 dBTP.
const CEILING: f32 = 0.7;
/// Share of each that is sent to the reverb.
const AMBIENCE_WET: f32 = 0.45;
const CUES_WET: f32 = 0.12;
/// Gain of bed and voices while a cue sounds.
const DUCK: f32 = 0.5;

/// The synthesiser of one mix. About 300 KB, most of it the reverb's delay lines.
pub struct Renderer {
    voices: [VoiceSlot; MAX_VOICES],
    bed: Bed,
    cues: CuePlayer,
    ambience: Sum,
    strikes: Sum,
    duck: f32,
    bus: Bus,
    reverb: Reverb,
    wet: [[f32; BLOCK]; 2],
    no_dc: Box<dyn AudioUnit>,
    steady: BufferVec,
    limiter: Limiter,
}

/// The direct signal, and the signal sent to the reverb.
struct Bus {
    dry: [[f32; BLOCK]; 2],
    send: [[f32; BLOCK]; 2],
    mixed: BufferVec,
}

impl Bus {
    /// Adds a sum with a gain that ramps from `from` to `to`.
    fn add(&mut self, sum: &mut Sum, from: f32, to: f32, wet: f32) {
        let ([send_left, send_right], [dry_left, dry_right]) = (&mut self.send, &mut self.dry);
        sum.drain(|i, left, right| {
            let gain = from + (to - from) * (i as f32 / BLOCK as f32);
            dry_left[i] += left * gain;
            dry_right[i] += right * gain;
            send_left[i] += left * gain * wet;
            send_right[i] += right * gain * wet;
        });
    }

    fn clear(&mut self) {
        self.dry = [[0.0; BLOCK]; 2];
        self.send = [[0.0; BLOCK]; 2];
    }
}

impl Renderer {
    /// A silent renderer. The seed determines phases and slow movements, so that mixes differ.
    pub fn new(seed: u64) -> Self {
        Self {
            voices: std::array::from_fn(|i| VoiceSlot::new(seed ^ (0x501CE << 8) ^ i as u64)),
            bed: Bed::new(seed),
            cues: CuePlayer::new(seed),
            ambience: Sum::new(),
            strikes: Sum::new(),
            duck: 1.0,
            bus: Bus { dry: [[0.0; BLOCK]; 2], send: [[0.0; BLOCK]; 2], mixed: BufferVec::new(2) },
            reverb: Reverb::new(),
            wet: [[0.0; BLOCK]; 2],
            no_dc: prepared(Box::new(dcblock() | dcblock())),
            steady: BufferVec::new(2),
            limiter: Limiter::new(CEILING),
        }
    }

    /// Renders the next 20 ms into `out`.
    pub fn render(&mut self, scene: &Scene, out: &mut Frame) {
        self.cues.enqueue_new(&scene.cues);
        for block in out.chunks_exact_mut(BLOCK * 2) {
            self.play(scene);
            self.mix();
            let steady = self.steady.buffer_ref();
            let mixed = [steady.channel_f32(0), steady.channel_f32(1)];
            self.limiter.process(mixed, |i, left, right| (block[2 * i], block[2 * i + 1]) = (left, right));
        }
    }

    /// Renders a block of all sources onto the bus.
    fn play(&mut self, scene: &Scene) {
        let ambient = scene.mode == Mode::Ambient;
        self.bus.clear();
        self.bed.render(&scene.bed, ambient && !scene.bed.silent, &mut self.ambience);
        let share = if ambient { share_of_a_voice(scene) } else { 0.0 };
        for (slot, target) in self.voices.iter_mut().zip(&scene.voices) {
            slot.render(target, share, &mut self.ambience);
        }
        let heartbeat = (!ambient && !scene.bed.silent).then_some(scene.bed.notes_hz[2].max(150.0));
        self.cues.render(heartbeat, &mut self.strikes);

        let duck = self.duck;
        let (target, seconds) = if self.cues.is_playing() { (DUCK, 0.02) } else { (1.0, 0.5) };
        self.duck += (target - duck) * follow(seconds);
        self.bus.add(&mut self.ambience, duck, self.duck, AMBIENCE_WET);
        if self.cues.is_ringing() {
            self.bus.add(&mut self.strikes, 1.0, 1.0, CUES_WET);
        }
        let [left, right] = &mut self.bus.dry;
        self.bed.breathe(left, right);
    }

    /// Mixes dry and wet signal and removes direct current.
    fn mix(&mut self) {
        let [left, right] = &self.bus.send;
        self.reverb.process([left, right], &mut self.wet);
        for (channel, dry) in self.bus.dry.iter().enumerate() {
            let wet = &self.wet[channel];
            for (i, mixed) in self.bus.mixed.channel_f32_mut(channel).iter_mut().enumerate() {
                *mixed = dry[i] + wet[i];
            }
        }
        self.no_dc.process(BLOCK, &self.bus.mixed.buffer_ref(), &mut self.steady.buffer_mut());
    }
}

/// Gain of each voice: 1 for up to three voices; more voices share the loudness of three.
fn share_of_a_voice(scene: &Scene) -> f32 {
    let voices = scene.voices.iter().filter(|voice| voice.identity != 0).count();
    (3.0 / voices.max(3) as f32).sqrt()
}

fn prepared(mut unit: Box<dyn AudioUnit>) -> Box<dyn AudioUnit> {
    unit.set_sample_rate(f64::from(SAMPLE_RATE));
    unit.allocate();
    unit
}

#[cfg(test)]
mod tests;
