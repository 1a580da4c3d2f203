//! What the owner publishes.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::actors::mix::Sound;
use earcon_audio::{Cue, Voice};

/// Part of the audio of a mix, published to all nodes with listeners.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum AudioMessage {
    /// 20 ms of Opus with its number.
    Packet(u64, Bytes),
    /// The set of sounding voices has changed.
    Voices(Arc<Vec<Voice>>),
    /// A cue begins with the next packet.
    Cue(Arc<Cue>),
}

impl From<Sound> for AudioMessage {
    fn from(sound: Sound) -> Self {
        match sound {
            Sound::Packet(packet) => AudioMessage::Packet(packet.number(), packet.opus()),
            Sound::Voices(voices) => AudioMessage::Voices(voices),
            Sound::Cue(cue) => AudioMessage::Cue(cue),
        }
    }
}
