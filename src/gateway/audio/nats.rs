//! `earcon.v1.<workspace>.audio.<mix>.listen`: a listener asks, and as long as somebody has asked within [`HOLD`], every
//! packet of the mix is published on `earcon.v1.<workspace>.audio.<mix>`. However many listen, the mix has one listener
//! here, and a packet is published once. Nobody asking: nothing is rendered.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use futures_util::StreamExt;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::actors::mix::{Listening, Packet, Sound};
use crate::gateway::api::mixes::check_name;
use crate::gateway::http::problem::{Kind, Problem, restarting};
use crate::gateway::http::state::Gateway;
use crate::gateway::nats::{end, reply, workspace_of};
use crate::live::wire::to_json;
use crate::telemetry::{Metric, count};
use earcon_model::WorkspaceId;
use earcon_ports::{ErrorKind, Publication, Publisher};
use earcon_tenancy::WorkspacePass;

pub(crate) const SUBJECT: &str = "earcon.v1.*.audio.*.listen";

/// How long one request keeps the sound coming.
const HOLD: Duration = Duration::from_secs(15);

const FRAME_MS: u64 = 20;

/// Answers listeners until the gateway shuts down.
pub(crate) async fn serve(gateway: Gateway, client: Client, publisher: Arc<dyn Publisher>, mut requests: Subscriber) {
    let shutdown = gateway.shutting_down();
    tokio::pin!(shutdown);
    let mut studio = Studio { gateway: gateway.clone(), publisher, broadcasts: HashMap::new() };
    loop {
        let message = tokio::select! {
            message = requests.next() => message,
            () = &mut shutdown => break,
        };
        let Some(message) = message else { break };
        if let Some(answer) = studio.asked(&message).await {
            reply(&client, &message, answer).await;
        }
    }
    // What is still asked now is not answered; the mixes end with their workspaces.
    let _ended = end(&mut requests).await;
}

/// One mix on the air.
struct Broadcast {
    until: watch::Sender<Instant>,
    stream: String,
    pre_skip: u16,
}

struct Studio {
    gateway: Gateway,
    publisher: Arc<dyn Publisher>,
    broadcasts: HashMap<WorkspaceId, Broadcast>,
}

impl Studio {
    /// No other node hears the requests, so this one answers for what nobody has.
    fn alone(&self) -> bool {
        !self.gateway.directory.is_clustered()
    }

    /// The answer; `None` when another node may have it.
    async fn asked(&mut self, message: &Message) -> Option<Result<String, Problem>> {
        let mix = message.subject.split('.').nth(4).unwrap_or_default();
        let workspace = match workspace_of(message).and_then(|workspace| check_name(mix).map(|()| workspace)) {
            Ok(workspace) => workspace,
            Err(problem) => return self.alone().then_some(Err(problem)),
        };
        let subject = message.subject.strip_suffix(".listen").unwrap_or(&message.subject);
        match self.on_air(&workspace, mix).await {
            Ok(Some(broadcast)) => Some(Ok(broadcast.describe(subject))),
            Ok(None) => {
                let detail = format!("there is no workspace {:?}", workspace.as_str());
                self.alone().then(|| Err(Problem::new(Kind::NotFound, detail)))
            }
            Err(problem) => Some(Err(problem)),
        }
    }

    /// The broadcast of the workspace's mix, begun or held for longer; `None` when the workspace is not here.
    async fn on_air(&mut self, id: &WorkspaceId, mix: &str) -> Result<Option<&Broadcast>, Problem> {
        self.broadcasts.retain(|_, broadcast| !broadcast.until.is_closed());
        let until = Instant::now() + HOLD;
        let held = self.broadcasts.get(id).is_some_and(|broadcast| broadcast.until.send(until).is_ok());
        if !held {
            let Some(workspace) = self.gateway.directory.here(id)? else { return Ok(None) };
            let listening = workspace.mix().listen().await.ok_or_else(restarting)?;
            let (sender, deadline) = watch::channel(until);
            let stream = uuid::Uuid::new_v4().simple().to_string();
            let broadcast = Broadcast { until: sender, stream: stream.clone(), pre_skip: listening.pre_skip };
            let pass = self.gateway.access.system(id);
            let air =
                Air { gateway: self.gateway.clone(), publisher: self.publisher.clone(), pass, stream, mix: mix.into() };
            tokio::spawn(air.play(listening, deadline));
            self.broadcasts.insert(id.clone(), broadcast);
        }
        Ok(self.broadcasts.get(id))
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
struct Air {
    gateway: Gateway,
    publisher: Arc<dyn Publisher>,
    pass: WorkspacePass,
    /// Names this broadcast; packets count up within it.
    stream: String,
    mix: String,
}

impl Air {
    async fn play(self, mut listening: Listening, mut deadline: watch::Receiver<Instant>) {
        let shutdown = self.gateway.shutting_down();
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
            // Sound is worth nothing later; listeners see the jump in the numbers.
            Err(error) if error.kind == ErrorKind::Unavailable => count(Metric::ListenerDropped, 1),
            Err(error) => tracing::warn!(workspace = %self.pass.workspace(), %error, "a packet was not published"),
        }
    }

    fn headers(&self, number: u64) -> Vec<(&'static str, String)> {
        let now_ms = self.gateway.clock.now_ms();
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
