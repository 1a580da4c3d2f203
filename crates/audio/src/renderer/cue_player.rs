//! Plays cues: struck tones in the rhythm of their severity.
//!
//! The spectrum follows IEC 60601-1-8: fundamental 150–1000 Hz, at least four partials in 150–4000
//! Hz within 15 dB. The envelopes are percussive, because those annoy less and are noticed more
//! (Foley 2022). Urgency comes from shorter gaps, more pulses and inharmonicity before it comes
//! from loudness (Edworthy; Hellier).

use fundsp::F32x;

use super::super::cue::CueKind;
use super::super::frame::SAMPLE_RATE;
use super::super::limits::MAX_CUES;
use super::super::scene::CueSound;
use super::super::timbre::Timbre;
use super::partials::{BLOCK, BLOCK_S, Partials, Sum, amplitude, pan_gains};
use earcon_model::Severity;

const CUE_DB: f32 = -11.5;
const STRIKES: usize = 6;
/// Milliseconds of a pulse before the gap begins.
const PULSE_MS: u32 = 150;
/// Silence between two cues.
const REST_MS: u32 = 350;
const HEARTBEAT_EVERY_MS: u32 = 8_000;

/// The pulses of a cue: one for each ratio.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pattern {
    /// Pitch of each pulse relative to the cue's.
    ratios: &'static [f32],
    /// From the end of a pulse to the start of the next.
    gap_ms: u32,
    /// Time in which a pulse's fundamental decays by 8.7 dB.
    decay_ms: f32,
    gain_db: f32,
    /// 0 is harmonic; more spreads the partials like those of a stiff string.
    stiffness: f32,
    /// Exponent on the timbre's harmonics: below 1 brightens, above 1 softens.
    contrast: f32,
}

const OPENED_INFO: Pattern =
    Pattern { ratios: &[1.0, 1.5], gap_ms: 500, decay_ms: 240.0, gain_db: -3.0, stiffness: 0.0, contrast: 0.5 };
const OPENED_WARNING: Pattern =
    Pattern { ratios: &[1.0, 1.25, 1.5], gap_ms: 250, decay_ms: 180.0, gain_db: -1.0, stiffness: 0.001, ..OPENED_INFO };
const OPENED_CRITICAL: Pattern = Pattern {
    ratios: &[1.0, 1.5, 2.0, 1.5, 2.0],
    gap_ms: 100,
    decay_ms: 120.0,
    gain_db: 0.0,
    stiffness: 0.004,
    contrast: 0.4,
};
const CLOSED: Pattern =
    Pattern { ratios: &[1.5, 1.0], gap_ms: 130, decay_ms: 300.0, gain_db: -8.5, contrast: 1.1, ..OPENED_INFO };
/// A dead feed must be heard over the bed: two knocks, as loud as an anomaly.
const STALLED: Pattern =
    Pattern { ratios: &[0.75, 0.75], gap_ms: 80, decay_ms: 160.0, gain_db: -3.0, contrast: 0.6, ..OPENED_INFO };
const RESTORED: Pattern =
    Pattern { ratios: &[0.75, 1.0], gap_ms: 80, decay_ms: 220.0, gain_db: -9.0, contrast: 1.1, ..OPENED_INFO };
const SUMMARY: Pattern = Pattern { ratios: &[1.0, 1.25, 1.5, 2.0], gap_ms: 0, decay_ms: 260.0, ..OPENED_INFO };
const HEARTBEAT: Pattern =
    Pattern { ratios: &[0.75, 0.5], gap_ms: 120, decay_ms: 130.0, gain_db: -17.0, contrast: 1.3, ..OPENED_INFO };

fn pattern_for(cue: &CueSound) -> Pattern {
    match (cue.kind, cue.severity) {
        (CueKind::Opened, Severity::Info) => OPENED_INFO,
        (CueKind::Opened, Severity::Warning) => OPENED_WARNING,
        (CueKind::Opened, Severity::Critical) => OPENED_CRITICAL,
        (CueKind::Closed, _) => CLOSED,
        (CueKind::Stalled, _) => STALLED,
        (CueKind::Restored, _) => RESTORED,
        (CueKind::Summary, _) => SUMMARY,
    }
}

/// A cue that is being played.
#[derive(Clone, Copy)]
struct Playing {
    cue: CueSound,
    pattern: Pattern,
    pulse: usize,
    /// Blocks until the next pulse, or the end of the rest after the last.
    wait: u32,
}

/// One struck tone that is ringing.
struct Strike {
    partials: Partials,
    left: F32x,
    right: F32x,
    fall: F32x,
    /// Blocks since it was struck.
    age: u32,
    loudest: f32,
    /// Whether the current block contains any of it.
    ringing: bool,
}

/// Plays one cue at a time. A more severe one interrupts.
pub(super) struct CuePlayer {
    strikes: [Strike; STRIKES],
    playing: Option<Playing>,
    waiting: [Option<CueSound>; MAX_CUES],
    newest: u64,
    heartbeat_wait: u32,
}

impl CuePlayer {
    pub(super) fn new(seed: u64) -> Self {
        let strike = |i: usize| Strike {
            partials: Partials::new(seed ^ (0xC0E << 8) ^ i as u64),
            left: F32x::ZERO,
            right: F32x::ZERO,
            fall: F32x::ZERO,
            age: 0,
            loudest: 0.0,
            ringing: false,
        };
        Self {
            strikes: std::array::from_fn(strike),
            playing: None,
            waiting: [None; MAX_CUES],
            newest: 0,
            heartbeat_wait: blocks(HEARTBEAT_EVERY_MS / 4),
        }
    }

    /// Enqueues the cues that are new.
    pub(super) fn enqueue_new(&mut self, cues: &[Option<CueSound>; MAX_CUES]) {
        let newest = self.newest;
        for cue in cues.iter().flatten().filter(|cue| cue.number > newest) {
            self.newest = self.newest.max(cue.number);
            if let Some(free) = self.waiting.iter_mut().find(|waiting| waiting.is_none()) {
                *free = Some(*cue);
            }
        }
    }

    /// Whether a cue is playing or in the rest after its last pulse, so that all other sound is
    /// lowered.
    pub(super) fn is_playing(&self) -> bool {
        self.playing.is_some_and(|playing| playing.pulse < playing.pattern.ratios.len() || playing.wait > 0)
    }

    /// Whether any struck tone has not decayed yet.
    pub(super) fn is_ringing(&self) -> bool {
        self.strikes.iter().any(|strike| strike.ringing)
    }

    /// Renders a block into `sum`. `heartbeat` plays a sparse pulse while no cue sounds.
    pub(super) fn render(&mut self, heartbeat: Option<f32>, sum: &mut Sum) {
        self.next_cue();
        self.next_pulse();
        match heartbeat {
            Some(root_hz) => self.beat(root_hz),
            None => self.heartbeat_wait = self.heartbeat_wait.max(blocks(HEARTBEAT_EVERY_MS / 4)),
        }
        for strike in &mut self.strikes {
            strike.render(sum);
        }
    }

    /// The most severe waiting cue is next, the earliest of equals. It does not wait for the end of
    /// a less severe one.
    fn next_cue(&mut self) {
        let rank = |cue: &CueSound| (cue.severity, std::cmp::Reverse(cue.number));
        let waiting = self.waiting.iter().enumerate().filter_map(|(i, cue)| cue.as_ref().map(|cue| (i, rank(cue))));
        let Some((next, (severity, _))) = waiting.max_by_key(|(_, rank)| *rank) else { return };
        // A heartbeat, number 0, never delays a cue.
        if self.playing.is_none_or(|playing| playing.cue.number == 0 || playing.cue.severity < severity)
            && let Some(cue) = self.waiting[next].take()
        {
            self.playing = Some(Playing { pattern: pattern_for(&cue), cue, pulse: 0, wait: 0 });
        }
    }

    fn next_pulse(&mut self) {
        let Some(mut playing) = self.playing else { return };
        if playing.wait > 0 {
            playing.wait -= 1;
            self.playing = Some(playing);
            return;
        }
        let Playing { cue, pattern, .. } = playing;
        let Some(ratio) = pattern.ratios.get(playing.pulse) else {
            self.playing = None;
            return;
        };
        self.strike(cue.timbre, cue.pitch_hz * ratio, cue.pan, cue.gain, &pattern);
        playing.pulse += 1;
        let last = playing.pulse == pattern.ratios.len();
        playing.wait = blocks(PULSE_MS + if last { REST_MS } else { pattern.gap_ms });
        self.playing = Some(playing);
    }

    /// Two low, soft tones every few seconds while no cue sounds.
    fn beat(&mut self, root_hz: f32) {
        self.heartbeat_wait = self.heartbeat_wait.saturating_sub(1);
        if self.heartbeat_wait > 0 || self.playing.is_some() {
            return;
        }
        let cue = CueSound {
            number: 0,
            kind: CueKind::Restored,
            severity: Severity::Info,
            timbre: Timbre::Flute,
            pitch_hz: root_hz,
            pan: 0.0,
            gain: 1.0,
        };
        self.playing = Some(Playing { cue, pattern: HEARTBEAT, pulse: 0, wait: 0 });
        self.heartbeat_wait = blocks(HEARTBEAT_EVERY_MS);
    }

    fn strike(&mut self, timbre: Timbre, hz: f32, pan: f32, gain: f32, pattern: &Pattern) {
        let weights = partial_weights(timbre, pattern.contrast);
        let level = amplitude(CUE_DB + pattern.gain_db) * gain;
        let (left, right) = pan_gains(pan);
        let quietest = |a: &&mut Strike, b: &&mut Strike| a.loudest.total_cmp(&b.loudest);
        let Some(strike) = self.strikes.iter_mut().min_by(quietest) else { return };
        strike.partials.tune(std::array::from_fn(|i| hz * partial_ratio(i, pattern.stiffness)));
        strike.left = F32x::new(weights) * F32x::splat(level * left);
        strike.right = F32x::new(weights) * F32x::splat(level * right);
        // Higher partials decay sooner, as in any struck object.
        let fall = |i: usize| (-BLOCK_S * 1_000.0 * (1.0 + 0.35 * i as f32) / pattern.decay_ms).exp();
        strike.fall = F32x::new(std::array::from_fn(fall));
        strike.age = 0;
        strike.loudest = level;
    }
}

impl Strike {
    const SILENT: f32 = 1e-5;
    /// A rise of 4 ms avoids a click.
    const RISE: [f32; 3] = [0.35, 0.75, 1.0];

    fn render(&mut self, sum: &mut Sum) {
        self.ringing = self.loudest > 0.0;
        if !self.ringing {
            return;
        }
        let rise = match Self::RISE.get(self.age as usize) {
            Some(rise) => *rise,
            None => {
                self.left *= self.fall;
                self.right *= self.fall;
                // The first lane decays slowest.
                self.loudest *= self.fall.as_array()[0];
                if self.loudest < Self::SILENT { 0.0 } else { 1.0 }
            }
        };
        self.age = self.age.saturating_add(1);
        self.partials.render(self.left * F32x::splat(rise), self.right * F32x::splat(rise), sum);
        if rise == 0.0 {
            self.loudest = 0.0;
        }
    }
}

/// Amplitudes of the eight partials. Their total energy is that of one partial of amplitude 1.
fn partial_weights(timbre: Timbre, contrast: f32) -> [f32; 8] {
    let weights = timbre.harmonics().map(|harmonic| harmonic.powf(contrast));
    let norm = weights.iter().map(|weight| weight * weight).sum::<f32>().sqrt();
    weights.map(|weight| weight / norm)
}

/// Frequency of partial `i` (0 is the fundamental) relative to the fundamental (Fletcher's law of
/// the stiff string).
fn partial_ratio(i: usize, stiffness: f32) -> f32 {
    let n = (i + 1) as f32;
    n * ((1.0 + stiffness * n * n) / (1.0 + stiffness)).sqrt()
}

fn blocks(ms: u32) -> u32 {
    ms * SAMPLE_RATE / 1_000 / BLOCK as u32
}

#[cfg(test)]
mod tests;
