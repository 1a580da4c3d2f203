//! `earcon.v1.<organisation>.<workspace>.audio.<mix>.listen`: a request for sound over NATS.
//!
//! Every packet of the mix is published on `earcon.v1.<organisation>.<workspace>.audio.<mix>`
//! until [`HOLD`] after the last request. The mix has one listener here for all requests, and a
//! packet is published once. Without requests nothing is rendered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::state::AudioState;
use crate::actors::mix::{Listening, Packet, Sound};
use crate::gateway::http::problem::{Kind, Problem, restarting};
use crate::gateway::http::query::mix_name;
use crate::gateway::nats::{drain, reply, workspace_of};
use crate::live::wire::to_json;
use crate::telemetry::{Metric, count};
use earcon_model::WorkspaceId;
use earcon_ports::{ErrorKind, Publication, Publisher};
use earcon_tenancy::WorkspacePass;

/// The requests of all workspaces.
pub(crate) const SUBJECT: &str = "earcon.v1.*.*.audio.*.listen";

/// How long one request keeps the sound going.
const HOLD: Duration = Duration::from_secs(15);

const FRAME_MS: u64 = 20;

/// Answers requests until the server shuts down.
pub(crate) async fn serve(state: AudioState, client: Client, publisher: Arc<dyn Publisher>, mut requests: Subscriber) {
    let shutdown = state.shutting_down();
    tokio::pin!(shutdown);
    let mut broadcasts = Broadcasts { state: state.clone(), publisher, running: HashMap::new() };
    loop {
        let message = tokio::select! {
            message = requests.next() => message,
            () = &mut shutdown => break,
        };
        let Some(message) = message else { break };
        if let Some(answer) = broadcasts.answer(&message).await {
            reply(&client, &message, answer).await;
        }
    }
    // Requests that arrive now get no answer; the mixes end with their workspaces.
    let _drained = drain(&mut requests).await;
}

/// A mix that is being published.
struct Broadcast {
    until: watch::Sender<Instant>,
    stream: String,
    pre_skip: u16,
}

/// The mixes that are being published.
struct Broadcasts {
    state: AudioState,
    publisher: Arc<dyn Publisher>,
    running: HashMap<WorkspaceId, Broadcast>,
}

impl Broadcasts {
    /// Without other nodes, this node also answers requests for unknown workspaces.
    fn is_single_node(&self) -> bool {
        !self.state.directory.is_clustered()
    }

    /// The answer; `None` when another node may answer.
    async fn answer(&mut self, message: &Message) -> Option<Result<String, Problem>> {
        let mix = message.subject.split('.').nth(5).unwrap_or_default();
        let workspace = match workspace_of(message).and_then(|workspace| mix_name(mix).map(|()| workspace)) {
            Ok(workspace) => workspace,
            Err(problem) => return self.is_single_node().then_some(Err(problem)),
        };
        let subject = message.subject.strip_suffix(".listen").unwrap_or(&message.subject);
        match self.hold(&workspace, mix).await {
            Ok(Some(broadcast)) => Some(Ok(broadcast.describe(subject))),
            Ok(None) => {
                let detail = format!("there is no workspace {:?}", workspace.as_str());
                self.is_single_node().then(|| Err(Problem::new(Kind::NotFound, detail)))
            }
            Err(problem) => Some(Err(problem)),
        }
    }

    /// Starts the broadcast of the workspace's mix, or holds it for longer. `None` when another
    /// node runs the workspace.
    async fn hold(&mut self, id: &WorkspaceId, mix: &str) -> Result<Option<&Broadcast>, Problem> {
        self.running.retain(|_, broadcast| !broadcast.until.is_closed());
        let until = Instant::now() + HOLD;
        let held = self.running.get(id).is_some_and(|broadcast| broadcast.until.send(until).is_ok());
        if !held {
            let Some(workspace) = self.state.directory.here(id)? else { return Ok(None) };
            let listening = workspace.mix().listen().await.ok_or_else(restarting)?;
            let (sender, deadline) = watch::channel(until);
            let stream = uuid::Uuid::new_v4().simple().to_string();
            let broadcast = Broadcast { until: sender, stream: stream.clone(), pre_skip: listening.pre_skip };
            let pass = self.state.access.system(id);
            let (state, publisher) = (self.state.clone(), self.publisher.clone());
            let packets = PacketPublisher { state, publisher, pass, stream, mix: mix.into() };
            tokio::spawn(packets.run(listening, deadline));
            self.running.insert(id.clone(), broadcast);
        }
        Ok(self.running.get(id))
    }
}

impl Broadcast {
    fn describe(&self, subject: &str) -> String {
        to_json(&json!({
            "codec": "opus", "sample_rate": 48_000, "channels": 2, "frame_ms": FRAME_MS, "pre_skip": self.pre_skip,
            "subject": subject, "stream": self.stream, "hold_seconds": HOLD.as_secs(),
        }))
    }
}

/// Publishes the packets of one mix.
struct PacketPublisher {
    state: AudioState,
    publisher: Arc<dyn Publisher>,
    pass: WorkspacePass,
    /// Names this broadcast; packets count up within it.
    stream: String,
    mix: String,
}

impl PacketPublisher {
    async fn run(self, mut listening: Listening, mut deadline: watch::Receiver<Instant>) {
        let shutdown = self.state.shutting_down();
        tokio::pin!(shutdown);
        loop {
            let until = *deadline.borrow_and_update();
            tokio::select! {
                sound = listening.sounds.recv() => match sound {
                    Ok(Sound::Packet(packet)) => self.publish(&packet).await,
                    Ok(Sound::Voices(_) | Sound::Cue(_)) => {}
                    Err(RecvError::Lagged(missed)) => count(Metric::ListenerDropped, missed),
                    Err(RecvError::Closed) => return,
                },
                () = sleep_until(until) => return,
                longer = deadline.changed() => if longer.is_err() { return },
                () = &mut shutdown => return,
            }
        }
    }

    async fn publish(&self, packet: &Packet) {
        let message = Publication {
            topic: vec!["audio".to_owned(), self.mix.clone()],
            headers: self.headers(packet.number()),
            payload: packet.opus(),
        };
        match self.publisher.publish(&self.pass, vec![message]).await {
            Ok(()) => count(Metric::PublishedPackets, 1),
            // Late sound is useless; listeners see the gap in the numbers.
            Err(error) if error.kind == ErrorKind::Unavailable => count(Metric::ListenerDropped, 1),
            Err(error) => tracing::warn!(workspace = %self.pass.workspace(), %error, "a packet was not published"),
        }
    }

    fn headers(&self, number: u64) -> Vec<(&'static str, String)> {
        let now_ms = self.state.clock.now_ms();
        let id = format!("{}:{number}", self.stream);
        let mut headers = vec![
            ("ce-specversion", "1.0".to_owned()),
            ("ce-id", id.clone()),
            ("ce-source", format!("/workspaces/{}", self.pass.workspace())),
            ("ce-type", "earcon.audio.packet".to_owned()),
            ("ce-subject", self.mix.clone()),
            ("content-type", "audio/opus".to_owned()),
            ("Nats-Msg-Id", id),
            ("Earcon-Packet", number.to_string()),
            ("Earcon-Timestamp", now_ms.to_string()),
        ];
        if let Ok(time) = jiff::Timestamp::from_millisecond(now_ms) {
            headers.push(("ce-time", time.to_string()));
        }
        headers
    }
}
