//! The pure signal path: events → control values → PCM → Opus packets → Ogg pages.
//!
//! ```text
//! Event ─► Sonifier ─► Scene ─► Renderer ─► [f32; 1920] ─► Encoder ─► packet ─► Pages, ListenerStream ─► page
//!          voices      controls  synthesis   20 ms stereo    Opus      └─► WebSocket
//! ```
//! The output depends only on the arguments: the same events, settings and times give the same
//! scenes. The same scenes and seed give the same PCM, to the bit. So there is deliberately no
//! clock, thread, lock or device here. The owner of a [`Renderer`] calls it every 20 ms with the
//! newest [`Scene`].

mod cue;
#[cfg(test)]
mod demo_timeline;
mod encoder;
mod ogg;
mod renderer;
mod scale;
mod scene;
mod settings;
mod sonifier;
mod timbre;

pub use cue::{Cue, CueKind, Severity};
pub use encoder::{BITRATE, EncodeError, Encoder};
pub use ogg::{Page, Pages, Stamp};
pub use renderer::Renderer;
pub use scale::{Key, Scale};
pub use scene::{BedControls, CueSound, MAX_CUES, MAX_VOICES, Scene, VoiceControls};
pub use settings::{MixSettings, Mode, Polarity, SettingsError};
pub use sonifier::{Role, Sonifier, Voice};
pub use timbre::Timbre;

/// Samples per second and channel of everything that is rendered.
pub const SAMPLE_RATE: u32 = 48_000;
/// Milliseconds of sound in one frame, which is also one Opus packet.
pub const FRAME_MS: u32 = 20;
/// Samples per channel in one frame.
pub const FRAME_SAMPLES: usize = 960;
/// One frame: interleaved left and right, full scale ±1.
pub type Frame = [f32; FRAME_SAMPLES * 2];
