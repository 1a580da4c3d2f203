//! Events over a WebSocket: requests of the client in, frames out, one write for all that are
//! ready.
//!
//! A follower that is up to date joins the workspace's connection group, and a task of the group
//! writes live events to its socket. While its socket is slow, and during a replay, this task does.

use std::time::Duration;

use axum::response::Response;
use serde::Deserialize;
use serde::de::{Deserializer, Error};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::encoding::Encoding;
use super::follower::{FollowRequest, Follower, NotBegun};
use super::member::{Left, Member, Progress};
use super::state::EventsState;
use crate::actors::directory::Workspace;
use crate::gateway::connection_group::Membership;
use crate::gateway::http::outlet::Gone;
use crate::gateway::http::state::SharedState;
use crate::gateway::http::state::{DELETED, Ending, WITHDRAWN};
use crate::gateway::websocket::{Ended, Incoming, Socket, Upgrade};
use crate::live::{Conflation, Filter, MessageFrame, Since, wire};
use earcon_intake::{json_problem, without_bom};
use earcon_tenancy::WorkspacePass;

/// The subprotocols, preferred first. Without one the encoding is JSON.
const PROTOCOLS: [&str; 2] = [COMPACT, "earcon.v1.json"];
const COMPACT: &str = "earcon.v1.msgpack";

/// Time between two snapshots for one connection.
const BETWEEN_SNAPSHOTS: Duration = Duration::from_secs(1);
/// Largest message of a client.
const MAX_MESSAGE: usize = 256 * 1024;

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    Subscribe {
        #[serde(default)]
        since: Position,
        epoch: Option<String>,
        #[serde(default)]
        filter: Lists,
        rate: Option<f64>,
    },
    Ping,
}

/// Where events begin, by default with those to come.
#[derive(Default)]
enum Position {
    Seq(u64),
    #[default]
    Live,
    Snapshot,
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        match (value.as_u64(), value.as_str()) {
            (Some(seq), _) => Ok(Position::Seq(seq)),
            (_, Some("live")) => Ok(Position::Live),
            (_, Some("snapshot")) => Ok(Position::Snapshot),
            _ => Err(D::Error::custom(format!("since is a seq, \"live\" or \"snapshot\", not {value}"))),
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Lists {
    kpis: Vec<String>,
    types: Vec<String>,
}

/// Accepts the handshake and serves the connection.
pub(super) fn accept(mut upgrade: Upgrade, state: EventsState, pass: WorkspacePass, workspace: Workspace) -> Response {
    let compact = upgrade.choose(&PROTOCOLS) == Some(COMPACT);
    let encoding = if compact { Encoding::Compact } else { Encoding::Json };
    let shared = SharedState::clone(&state);
    upgrade.accept(MAX_MESSAGE, &shared, move |socket| {
        Connection {
            socket,
            state,
            pass,
            workspace,
            encoding,
            follower: None,
            grouped: None,
            next_snapshot: Instant::now(),
        }
        .run()
    })
}

struct Connection {
    socket: Socket,
    state: EventsState,
    pass: WorkspacePass,
    workspace: Workspace,
    encoding: Encoding,
    follower: Option<Box<Follower>>,
    /// The membership of the follower, while a connection group writes for it.
    grouped: Option<(Membership<Member>, Left)>,
    /// The earliest time of the next snapshot.
    next_snapshot: Instant,
}

/// Why a connection ends.
enum End {
    /// The client closed the connection, broke its rules, or takes nothing.
    Client(Ended),
    /// The workspace restarts or the server shuts down: the client should reconnect and resume.
    Reconnect,
    /// The client may no longer follow.
    Withdrawn,
    /// There is no room for the client's snapshot.
    Full,
}

impl From<Ending> for End {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Shutdown => End::Reconnect,
            Ending::Withdrawn => End::Withdrawn,
        }
    }
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        End::Client(Ended::Gone)
    }
}

/// The reason a connection wakes up.
enum Wake {
    Ready,
    /// The follower left the connection group, because its socket is slow.
    Left(Progress),
    Message(String),
    NotText,
}

impl Connection {
    async fn run(mut self) {
        let end = self.serve().await;
        // No frame may follow the close.
        self.grouped = None;
        match end {
            End::Client(ended) => self.socket.end(ended).await,
            // It is not 1012: another connection would find no workspace.
            End::Withdrawn => self.socket.close(CloseCode::Policy, WITHDRAWN).await,
            End::Reconnect if self.state.is_deleted(&self.pass) => {
                self.socket.close(CloseCode::Normal, DELETED).await;
            }
            End::Reconnect => self.socket.close(CloseCode::Restart, "restarting, resume with since and epoch").await,
            End::Full => self.socket.close(CloseCode::Again, "too many snapshots are being sent; try again").await,
        }
    }

    async fn serve(&mut self) -> End {
        let (state, pass) = (self.state.clone(), self.pass.clone());
        let ending = state.ending(&pass);
        tokio::pin!(ending);
        loop {
            let frames = async {
                match (&mut self.grouped, &mut self.follower) {
                    (Some((_, left)), _) => left.await.ok().map(Wake::Left),
                    // Boxed, because a connection in a group must not reserve the memory.
                    (None, Some(follower)) => Box::pin(follower.ready()).await.map(|()| Wake::Ready),
                    (None, None) => std::future::pending().await,
                }
            };
            let woken = tokio::select! {
                wake = frames => match wake {
                    Some(wake) => wake,
                    None => return End::Reconnect,
                },
                incoming = self.socket.receive() => match incoming {
                    Ok(Incoming::Text(text)) => Wake::Message(text),
                    Ok(Incoming::Binary(_)) => Wake::NotText,
                    Err(ended) => return End::Client(ended),
                },
                ending = &mut ending => return ending.into(),
            };
            if let Err(end) = self.answer(woken).await {
                return end;
            }
        }
    }

    async fn answer(&mut self, woken: Wake) -> Result<(), End> {
        match woken {
            Wake::Ready => self.deliver().await,
            Wake::Left(progress) => self.leave_group(progress).await,
            Wake::Message(text) => self.request(&text).await,
            Wake::NotText => self.send_error("send text messages", "this one was binary").await,
        }
    }

    async fn deliver(&mut self) -> Result<(), End> {
        let Some(follower) = &mut self.follower else { return Ok(()) };
        let frames: Vec<_> = follower.take_ready().map(|frame| frame.message().wire()).collect();
        self.socket.send(&frames).await?;
        if let Some((member, left)) = follower.member(&self.socket.outlet()) {
            self.grouped = Some((self.state.groups.join(self.pass.workspace(), follower.live(), member), left));
        }
        Ok(())
    }

    async fn leave_group(&mut self, progress: Progress) -> Result<(), End> {
        self.grouped = None;
        if let Some(follower) = &mut self.follower {
            follower.continue_after(progress);
        }
        Ok(self.socket.flush().await?)
    }

    async fn request(&mut self, text: &str) -> Result<(), End> {
        match serde_json::from_slice(without_bom(text.as_bytes())) {
            Ok(Request::Ping) => Ok(self.socket.send_one(&MessageFrame::text(r#"{"type":"pong"}"#)).await?),
            Ok(Request::Subscribe { since, epoch, filter, rate }) => {
                let filter = match Filter::new(&filter.kpis, &filter.types) {
                    Ok(filter) => filter,
                    Err(error) => return self.send_error("The filter is not understood", &error.to_string()).await,
                };
                let rate = match rate.map(Conflation::new).transpose() {
                    Ok(rate) => rate,
                    Err(error) => return self.send_error("The rate is not understood", &error.to_string()).await,
                };
                let (since, encoding) = (position(since, epoch), self.encoding);
                self.subscribe(FollowRequest { filter, since, encoding, rate }).await
            }
            Err(error) => {
                let problem = json_problem(&error, without_bom(text.as_bytes()));
                self.send_error("The message is not understood", &problem).await
            }
        }
    }

    async fn subscribe(&mut self, request: FollowRequest) -> Result<(), End> {
        self.grouped = None;
        if request.since == Since::Snapshot {
            self.wait_for_turn().await?;
        }
        let begin = Follower::begin(self.state.clone(), self.pass.clone(), &self.workspace, request);
        // Boxed, because an idle connection must not reserve the memory that beginning needs.
        let begun = Box::pin(begin).await;
        self.follower = Some(Box::new(begun.map_err(|error| match error {
            NotBegun::Stopping => End::Reconnect,
            NotBegun::NoRoom => End::Full,
        })?));
        Ok(())
    }

    /// Snapshots in a loop come at a bounded rate to one connection.
    async fn wait_for_turn(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let turn = self.next_snapshot.max(now);
        self.next_snapshot = turn + BETWEEN_SNAPSHOTS;
        if turn > now {
            tokio::select! {
                () = sleep_until(turn) => {}
                ending = self.state.ending(&self.pass) => return Err(ending.into()),
            }
        }
        Ok(())
    }

    async fn send_error(&mut self, title: &str, detail: &str) -> Result<(), End> {
        Ok(self.socket.send_one(&MessageFrame::text(&wire::error_json(title, detail))).await?)
    }
}

fn position(since: Position, epoch: Option<String>) -> Since {
    match since {
        Position::Seq(seq) => Since::Seq { seq, epoch },
        Position::Live => Since::Live,
        Position::Snapshot => Since::Snapshot,
    }
}
