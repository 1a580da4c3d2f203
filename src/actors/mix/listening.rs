//! What listeners of a mix receive.

use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::sync::broadcast;

use earcon_audio::{Cue, Voice};

/// What listeners receive, in order.
#[derive(Debug, Clone)]
pub enum Sound {
    /// 20 ms of Opus.
    Packet(Packet),
    /// The set of sounding voices has changed.
    Voices(Arc<Vec<Voice>>),
    /// A cue begins with the next packet.
    Cue(Arc<Cue>),
}

/// One Opus packet with its number in front, shared by all listeners.
#[derive(Debug, Clone)]
pub struct Packet(Bytes);

impl Packet {
    const HEADER: usize = size_of::<u64>();

    /// Puts the number in front of the packet, big-endian. It counts frames since the mix began to
    /// run; a jump is time that was skipped.
    pub fn new(number: u64, opus: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(Self::HEADER + opus.len());
        bytes.put_u64(number);
        bytes.put_slice(opus);
        Self(bytes.freeze())
    }

    /// The Opus packet alone.
    pub fn opus(&self) -> Bytes {
        self.0.slice(Self::HEADER..)
    }

    /// The number alone.
    pub fn number(&self) -> u64 {
        (&self.0[..]).get_u64()
    }
}

/// A listener's connection to the mix. Dropping it ends it.
pub struct Listening {
    /// Packets, voices and cues.
    pub sounds: broadcast::Receiver<Sound>,
    /// The voices that sound now.
    pub voices: Arc<Vec<Voice>>,
    /// Samples at 48 kHz a decoder has to skip at its start.
    pub pre_skip: u16,
    _seat: Box<dyn Send + Sync>,
}

impl Listening {
    /// A connection. `seat` is dropped together with it, which is how the mix counts its listeners.
    pub fn new(
        sounds: broadcast::Receiver<Sound>,
        voices: Arc<Vec<Voice>>,
        pre_skip: u16,
        seat: impl Send + Sync + 'static,
    ) -> Self {
        Self { sounds, voices, pre_skip, _seat: Box::new(seat) }
    }
}
