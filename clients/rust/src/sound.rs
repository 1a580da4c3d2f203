//! Listening: Opus packets over a WebSocket, or Ogg over HTTP.

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

/// Two and a half seconds of packets may wait for whoever listens; beyond it the server drops the oldest.
const BUFFER: usize = 128;
/// A mix sends a packet every 20 ms; one that is silent for this long is gone.
const SILENCE: Duration = Duration::from_secs(15);

/// What somebody who listens gets.
#[derive(Debug)]
pub enum Sound {
    /// How to decode; first on each connection.
    Config(SoundConfig),
    /// 20 ms of sound.
    Packet(Packet),
    /// What sounds now.
    Voices(Vec<Voice>),
    /// A cue began to sound.
    Cue(Cue),
    /// The connection broke; the next attempt follows by itself.
    Disconnected {
        /// Why.
        error: Error,
        /// When the next attempt is made.
        retry_in: Duration,
    },
}

/// How to decode the packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoundConfig {
    /// `opus`
    pub codec: String,
    /// Samples a second and channel.
    pub sample_rate: u32,
    /// How many channels.
    pub channels: u8,
    /// Length of a packet in milliseconds.
    pub frame_ms: u32,
    /// Samples to drop at the beginning.
    pub pre_skip: u32,
}

/// One Opus packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Counts packets of the mix; a jump is sound that was dropped because this listener was slow.
    pub number: u64,
    /// The packet.
    pub opus: Bytes,
}

/// A KPI that sounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Voice {
    /// The KPI.
    pub kpi: String,
    /// The series.
    pub labels: Labels,
    /// `voice` in the foreground, or part of the `bed`.
    pub role: String,
    /// Fundamental.
    pub pitch_hz: f32,
    /// -1 left to 1 right.
    pub pan: f32,
    /// 0 to 1.
    pub prominence: f32,
}

/// A short sound that stands for an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cue {
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// The KPI.
    pub kpi: String,
    /// The series.
    pub labels: Labels,
    /// The anomaly, when it is about one.
    pub anomaly: Option<String>,
    /// The incident, when it is about one.
    #[serde(default)]
    pub incident: Option<String>,
}

/// How to listen; [`start`](Listen::start) begins.
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

    /// How long to wait after a connection broke.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Begins, in a task of its own; needs a Tokio runtime. Dropping the result ends it.
    pub fn start(self) -> Listening {
        let (sender, sounds) = mpsc::channel(BUFFER);
        tokio::spawn(run(self, sender));
        Listening { sounds }
    }
}

/// A stream of sound that comes back by itself. It ends only after an error that trying again would not change.
#[derive(Debug)]
pub struct Listening {
    sounds: mpsc::Receiver<Result<Sound, Error>>,
}

impl Listening {
    /// The next sound; `None` after the error that ended it. Dropping the future loses nothing.
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
    let mut heard = false;
    loop {
        let ended = tokio::select! {
            ended = connection(&listen.workspace, &listen.mix, &sounds, &mut heard, &mut listen.backoff) => ended,
            () = sounds.closed() => return,
        };
        let Err(error) = ended else { return };
        if !heard && !error.is_temporary() {
            let _unwanted = sounds.send(Err(error)).await.is_err();
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

/// Serves one connection; ends well only when nobody wants its sound any more.
async fn connection(
    workspace: &Workspace,
    mix: &str,
    sounds: &mpsc::Sender<Result<Sound, Error>>,
    heard: &mut bool,
    backoff: &mut Backoff,
) -> Result<(), Error> {
    let mut socket = connect(workspace, &["mixes", mix, "live"], None).await?;
    loop {
        let frame = timeout(SILENCE, socket.next()).await;
        let frame = frame.map_err(|_| workspace.unreachable("the mix is dead silent".to_owned()))?;
        let sound = match frame {
            Some(Ok(Frame::Text(text))) => {
                sound(&text).map_err(|error| Error::Decode { url: workspace.url(), error })?
            }
            Some(Ok(Frame::Binary(bytes))) => packet(bytes),
            Some(Ok(Frame::Close(_))) | None => return Err(workspace.unreachable("the mix ended".to_owned())),
            Some(Ok(_)) => None,
            Some(Err(error)) => return Err(workspace.unreachable(root_cause(&error))),
        };
        let Some(sound) = sound else { continue };
        *heard = true;
        backoff.succeeded();
        if sounds.send(Ok(sound)).await.is_err() {
            return Ok(());
        }
    }
}

/// Reads a text message; `None` for one that this version does not know.
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

/// Reads a binary message: 8 bytes big-endian number, then the packet.
fn packet(mut bytes: Bytes) -> Option<Sound> {
    let number = bytes.try_get_u64().ok()?;
    Some(Sound::Packet(Packet { number, opus: bytes }))
}

/// An endless Ogg Opus stream in the pieces it arrived in. It does not come back by itself: a new one is another stream.
pub struct Ogg {
    response: reqwest::Response,
    workspace: Workspace,
}

impl Ogg {
    pub(crate) async fn open(workspace: &Workspace, mix: &str) -> Result<Self, Error> {
        let request = workspace.client().http.get(workspace.endpoint(&["mixes", mix, "live.ogg"]));
        let response = workspace.open(request).await?;
        if !response.status().is_success() {
            return Err(workspace.refusal(response).await);
        }
        Ok(Self { response, workspace: workspace.clone() })
    }

    /// The next piece; `None` when the server ended the stream in order.
    ///
    /// # Errors
    /// The connection broke, or nothing came for fifteen seconds.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        match timeout(SILENCE, self.response.chunk()).await {
            Ok(Ok(piece)) => Ok(piece),
            Ok(Err(error)) => Err(self.workspace.unreachable(root_cause(&error))),
            Err(_) => Err(self.workspace.unreachable("the mix is dead silent".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_carry_their_number() {
        let Some(Sound::Packet(packet)) = packet(Bytes::from_static(&[0, 0, 0, 0, 0, 0, 1, 0, 0xfc, 0xff])) else {
            panic!("not a packet")
        };
        assert_eq!((packet.number, packet.opus.as_ref()), (256, &[0xfc, 0xff][..]));
        assert!(super::packet(Bytes::from_static(&[1, 2])).is_none());
    }

    #[test]
    fn unknown_texts_are_passed_over() {
        assert!(sound(r#"{"type":"weather","rain":1}"#).unwrap().is_none());
        let config =
            r#"{"type":"config","codec":"opus","sample_rate":48000,"channels":2,"frame_ms":20,"pre_skip":312}"#;
        assert!(matches!(sound(config).unwrap(), Some(Sound::Config(SoundConfig { pre_skip: 312, .. }))));
        assert!(sound("{").is_err());
    }
}
