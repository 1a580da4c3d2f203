//! What the renderer is told: a small, copyable value with everything that decides how the next 20 ms sound.

use super::cue::{CueKind, Severity};
use super::settings::Mode;
use super::timbre::Timbre;

/// Voices a scene has room for.
pub const MAX_VOICES: usize = 8;
/// Recent cues a scene has room for.
pub const MAX_CUES: usize = 8;
/// Notes of the bed's chord.
pub(super) const BED_NOTES: usize = 5;

/// Everything the renderer needs for a frame. Plain values of fixed size: handing one to another thread copies it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scene {
    /// Whether bed and voices sound at all.
    pub mode: Mode,
    /// One slot a voice; a slot with identity 0 is silent.
    pub voices: [VoiceControls; MAX_VOICES],
    /// The bed.
    pub bed: BedControls,
    /// Recent cues. Each is played once, however many scenes carry it, because its number tells it apart.
    pub cues: [Option<CueSound>; MAX_CUES],
}

/// How one voice should sound; the renderer glides there.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct VoiceControls {
    /// Names the series in this slot; 0 is nobody. A change fades one out and the next in.
    pub identity: u64,
    /// The instrument.
    pub timbre: Timbre,
    /// Target pitch.
    pub pitch_hz: f32,
    /// Glide time to a new pitch, 50 to 80 ms.
    pub glide_ms: f32,
    /// Counts notes begun. When it changes, the pitch starts `scoop_cents` away and glides to its target.
    pub articulation: u32,
    /// Where a note begins relative to its target: below it when the series rises, above when it falls.
    pub scoop_cents: f32,
    /// 0 (dull) to 1 (all harmonics).
    pub brightness: f32,
    /// Depth of the tremolo, 0 to 1.
    pub tremolo: f32,
    /// Distance of the two oscillators; more of it beats faster.
    pub detune_cents: f32,
    /// −0.6 (left) to 0.6 (right).
    pub pan: f32,
    /// 0 (one of the crowd) to 1 (in front).
    pub prominence: f32,
}

/// How the bed should sound.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct BedControls {
    /// The chord.
    pub notes_hz: [f32; BED_NOTES],
    /// How strong each note is, about 0.5 to 1.5.
    pub weights: [f32; BED_NOTES],
    /// How restless the series without a voice are, 0 to 1.
    pub activity: f32,
}

/// The sound of one cue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CueSound {
    /// Larger than that of every cue before it.
    pub number: u64,
    /// What happened.
    pub kind: CueKind,
    /// How urgent it is: chooses rhythm and spectrum.
    pub severity: Severity,
    /// The family's instrument.
    pub timbre: Timbre,
    /// Fundamental of its first note, 150 to 500 Hz.
    pub pitch_hz: f32,
    /// −0.6 (left) to 0.6 (right).
    pub pan: f32,
    /// 1, or less when the episode was acknowledged.
    pub gain: f32,
}
