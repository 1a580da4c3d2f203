//! Receives audio: Opus packets over a WebSocket, or an Ogg stream over HTTP.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as Frame;

use crate::backoff::Backoff;
use crate::client::Workspace;
use crate::error::{Error, root_cause};
use crate::follow::connect;
use crate::message::DecodeError;
use crate::series::Labels;

/// Number of packets buffered for the consumer: 2.5 seconds. If the buffer is full, the server
/// drops the oldest packets.
const BUFFER: usize = 128;
/// Idle timeout. A mix sends a packet every 20 ms.
const SILENCE: Duration = Duration::from_secs(15);

/// An item of the stream [`Listening`].
#[derive(Debug)]
pub enum Sound {
    /// The format of the packets. It is the first item of each connection.
    Config(SoundConfig),
    /// 20 ms of audio.
    Packet(Packet),
    /// The voices that sound from now on.
    Voices(Vec<Voice>),
    /// A cue starts.
    Cue(Cue),
    /// The connection broke. The client retries automatically.
    Disconnected {
        /// The cause.
        error: Error,
        /// The time until the next attempt.
        retry_in: Duration,
    },
}

/// The format of the packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoundConfig {
    /// The codec, `opus`.
    pub codec: String,
    /// Samples per second and channel.
    pub sample_rate: u32,
    /// Number of channels.
    pub channels: u8,
    /// Duration of a packet in milliseconds.
    pub frame_ms: u32,
    /// Number of samples to drop at the start of decoding.
    pub pre_skip: u32,
}

/// One Opus packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The packet number in the mix. A jump means that packets were dropped for a slow listener.
    pub number: u64,
    /// The Opus data.
    pub opus: Bytes,
}

/// A series that sounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Voice {
    /// The KPI.
    pub kpi: String,
    /// The labels of the series.
    pub labels: Labels,
    /// `voice` (foreground) or `bed` (background).
    pub role: String,
    /// Fundamental frequency in hertz.
    pub pitch_hz: f32,
    /// Stereo position, -1 (left) to 1 (right).
    pub pan: f32,
    /// Prominence, 0 (background) to 1 (foreground).
    pub prominence: f32,
}

/// A short sound for an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cue {
    /// What happened: `opened` or `closed` (an incident), `stalled` or `restored` (a series), or
    /// `summary` (more than cues may say).
    pub kind: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// The KPI.
    pub kpi: String,
    /// The labels of the series.
    pub labels: Labels,
    /// The anomaly, if the cue is about one.
    pub anomaly: Option<String>,
    /// The incident, if the cue is about one.
    #[serde(default)]
    pub incident: Option<String>,
}

/// The options of an audio stream. [`start`](Listen::start) opens it.
#[derive(Debug, Clone)]
pub struct Listen {
    workspace: Workspace,
    mix: String,
    backoff: Backoff,
}

impl Listen {
    pub(crate) fn new(workspace: Workspace, mix: &str) -> Self {
        Self { workspace, mix: mix.to_owned(), backoff: Backoff::default() }
    }

    /// Sets the pauses between attempts after the connection broke.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Starts the stream in a new Tokio task. Dropping the result ends the task.
    ///
    /// # Panics
    /// If it is called outside of a Tokio runtime.
    pub fn start(self) -> Listening {
        let (sender, sounds) = mpsc::channel(BUFFER);
        tokio::spawn(run(self, sender));
        Listening { sounds }
    }
}

/// A stream of audio that reconnects automatically. It ends only after an error that a retry would
/// not change.
#[derive(Debug)]
pub struct Listening {
    sounds: mpsc::Receiver<Result<Sound, Error>>,
}

impl Listening {
    /// Returns the next item, or `None` after the error that ended the stream.
    /// This method is cancel safe.
    pub async fn next(&mut self) -> Option<Result<Sound, Error>> {
        self.sounds.recv().await
    }
}

impl Stream for Listening {
    type Item = Result<Sound, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.sounds.poll_recv(context)
    }
}

async fn run(mut listen: Listen, sounds: mpsc::Sender<Result<Sound, Error>>) {
    let mut received = false;
    loop {
        let ended = tokio::select! {
            ended = connection(&listen.workspace, &listen.mix, &sounds, &mut received, &mut listen.backoff) => ended,
            () = sounds.closed() => return,
        };
        let Err(error) = ended else { return };
        if error.is_denied() || (!received && !error.is_temporary()) {
            let _dropped = sounds.send(Err(error)).await.is_err();
            return;
        }
        let retry_in = listen.backoff.failed();
        if sounds.send(Ok(Sound::Disconnected { error, retry_in })).await.is_err() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(retry_in) => {}
            () = sounds.closed() => return,
        }
    }
}

/// Serves one connection. Returns `Ok` only after the consumer dropped the stream.
async fn connection(
    workspace: &Workspace,
    mix: &str,
    sounds: &mpsc::Sender<Result<Sound, Error>>,
    received: &mut bool,
    backoff: &mut Backoff,
) -> Result<(), Error> {
    let mut socket = connect(workspace, &["mixes", mix, "live"], None).await?;
    loop {
        let frame = timeout(SILENCE, socket.next()).await;
        let frame = frame.map_err(|_| workspace.client.unreachable("the mix was silent for too long".to_owned()))?;
        let sound = match frame {
            Some(Ok(Frame::Text(text))) => {
                sound(&text).map_err(|error| Error::Decode { url: workspace.client.url().to_owned(), error })?
            }
            Some(Ok(Frame::Binary(bytes))) => packet(bytes),
            Some(Ok(Frame::Close(_))) | None => return Err(workspace.client.unreachable("the mix ended".to_owned())),
            Some(Ok(_)) => None,
            Some(Err(error)) => return Err(workspace.client.unreachable(root_cause(&error))),
        };
        let Some(sound) = sound else { continue };
        *received = true;
        backoff.succeeded();
        if sounds.send(Ok(sound)).await.is_err() {
            return Ok(());
        }
    }
}

/// Decodes a text message. Returns `None` for a type that this version does not know.
fn sound(text: &str) -> Result<Option<Sound>, DecodeError> {
    #[derive(Deserialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Wire {
        Config(SoundConfig),
        Voices {
            voices: Vec<Voice>,
        },
        Cue(Cue),
        #[serde(other)]
        Other,
    }
    Ok(match serde_json::from_str(text).map_err(DecodeError::Json)? {
        Wire::Config(config) => Some(Sound::Config(config)),
        Wire::Voices { voices } => Some(Sound::Voices(voices)),
        Wire::Cue(cue) => Some(Sound::Cue(cue)),
        Wire::Other => None,
    })
}

/// Decodes a binary message: the packet number as 8 bytes big-endian, then the Opus data.
fn packet(mut bytes: Bytes) -> Option<Sound> {
    let number = bytes.try_get_u64().ok()?;
    Some(Sound::Packet(Packet { number, opus: bytes }))
}

/// An endless Ogg Opus stream, in chunks of any size. It does not reconnect, because a new
/// connection starts a new Ogg stream.
pub struct Ogg {
    response: reqwest::Response,
    workspace: Workspace,
}

impl Ogg {
    pub(crate) async fn open(workspace: &Workspace, mix: &str) -> Result<Self, Error> {
        let request = workspace.client().http.get(workspace.endpoint(&["mixes", mix, "live.ogg"]));
        let response = workspace.client.open(request).await?;
        if !response.status().is_success() {
            return Err(workspace.client.refusal(response).await);
        }
        Ok(Self { response, workspace: workspace.clone() })
    }

    /// Returns the next chunk, or `None` after the server ended the stream.
    ///
    /// # Errors
    /// If the connection breaks, or no data arrives for 15 seconds.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match timeout(SILENCE, self.response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk),
            Ok(Err(error)) => Err(self.workspace.client.unreachable(root_cause(&error))),
            Err(_) => Err(self.workspace.client.unreachable("the mix was silent for too long".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packet_starts_with_its_number() {
        let Some(Sound::Packet(packet)) = packet(Bytes::from_static(&[0, 0, 0, 0, 0, 0, 1, 0, 0xfc, 0xff])) else {
            panic!("not a packet")
        };
        assert_eq!((packet.number, packet.opus.as_ref()), (256, &[0xfc, 0xff][..]));
        assert!(super::packet(Bytes::from_static(&[1, 2])).is_none());
    }

    #[test]
    fn unknown_text_messages_are_ignored() {
        assert!(sound(r#"{"type":"weather","rain":1}"#).unwrap().is_none());
        let config =
            r#"{"type":"config","codec":"opus","sample_rate":48000,"channels":2,"frame_ms":20,"pre_skip":312}"#;
        assert!(matches!(sound(config).unwrap(), Some(Sound::Config(SoundConfig { pre_skip: 312, .. }))));
        assert!(sound("{").is_err());
    }
}
