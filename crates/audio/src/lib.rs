//! The pure signal path: events → control values → PCM → Opus packets → Ogg pages.
//!
//! ```text
//! Event ─► Sonifier ─► Scene ─► Renderer ─► [f32; 1920] ─► Encoder ─► packet ─► Pages ─► page
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
mod frame;
mod limits;
mod ogg;
mod renderer;
mod scale;
mod scene;
mod settings;
mod sonifier;
mod timbre;

pub use cue::{Cue, CueKind};
pub use earcon_model::Severity;
pub use encoder::{BITRATE, EncodeError, Encoder};
pub use frame::{FRAME_MS, FRAME_SAMPLES, Frame, SAMPLE_RATE};
pub use limits::{MAX_CUES, MAX_VOICES};
pub use ogg::{ListenerStream, Page, Pages};
pub use renderer::Renderer;
pub use scale::{Key, Scale};
pub use scene::{BedControls, CueSound, Scene, VoiceControls};
pub use settings::{MixSettings, Mode, Polarity, SettingsError};
pub use sonifier::{Role, Sonifier, Voice};
pub use timbre::Timbre;
