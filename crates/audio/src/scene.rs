//! The input of the renderer: a small, copyable value that determines the next 20 ms of sound.

use super::cue::CueKind;
use super::limits::{BED_NOTES, MAX_CUES, MAX_VOICES};
use super::settings::Mode;
use super::timbre::Timbre;
use earcon_model::Severity;

/// All controls of a frame. Plain values of fixed size, so that sending it to another thread is a
/// copy.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scene {
    /// Whether bed and voices sound at all.
    pub mode: Mode,
    /// One slot for each voice; a slot with identity 0 is silent.
    pub voices: [VoiceControls; MAX_VOICES],
    /// The bed.
    pub bed: BedControls,
    /// Recent cues. Each is played once, identified by its number, even if several scenes carry it.
    pub cues: [Option<CueSound>; MAX_CUES],
}

/// The controls of one voice; the renderer glides to them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct VoiceControls {
    /// Identifies the series in this slot; 0 is none. A change fades one series out and the next
    /// one in.
    pub identity: u64,
    /// The instrument.
    pub timbre: Timbre,
    /// Target pitch.
    pub pitch_hz: f32,
    /// Glide time to a new pitch, 50 to 80 ms.
    pub glide_ms: f32,
    /// Counts notes. When it changes, the pitch starts `scoop_cents` away and glides to its target.
    pub articulation: u32,
    /// Start of a note relative to its target: below it if the series rises, above it if the series
    /// falls.
    pub scoop_cents: f32,
    /// 0 (dull) to 1 (all harmonics).
    pub brightness: f32,
    /// Depth of the tremolo, 0 to 1.
    pub tremolo: f32,
    /// Distance of the two oscillators; a larger one beats faster.
    pub detune_cents: f32,
    /// −0.6 (left) to 0.6 (right).
    pub pan: f32,
    /// 0 (background) to 1 (foreground).
    pub prominence: f32,
}

/// The controls of the bed.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BedControls {
    /// The chord.
    pub notes_hz: [f32; BED_NOTES],
    /// Level of each note, about 0.5 to 1.5.
    pub weights: [f32; BED_NOTES],
    /// Activity of the series without a voice, 0 to 1.
    pub activity: f32,
    /// There are series, and none of them sends. Bed and heartbeat stop: calm music would say that
    /// all is well.
    pub silent: bool,
}

/// The sound of one cue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CueSound {
    /// Larger than that of every earlier cue.
    pub number: u64,
    /// What happened.
    pub kind: CueKind,
    /// Its severity, which determines rhythm and spectrum.
    pub severity: Severity,
    /// The instrument of the KPI's family.
    pub timbre: Timbre,
    /// Fundamental of its first note, 150 to 500 Hz.
    pub pitch_hz: f32,
    /// −0.6 (left) to 0.6 (right).
    pub pan: f32,
    /// 1, or less if the episode was acknowledged.
    pub gain: f32,
}
