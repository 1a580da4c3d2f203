//! The fixed sizes of scenes.

/// Maximum number of voices in a scene.
pub const MAX_VOICES: usize = 8;
/// Maximum number of recent cues in a scene.
pub const MAX_CUES: usize = 8;
/// Notes of the bed's chord.
pub(super) const BED_NOTES: usize = 5;
