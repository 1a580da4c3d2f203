//! Follows the event log: subscribes, resumes after a break, repairs gaps, reconnects.

mod connection;
mod cursor;

pub(crate) use connection::connect;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::Stream;
use tokio::sync::mpsc;

use crate::backoff::Backoff;
use crate::client::Workspace;
use crate::error::Error;
use crate::event::Event;
use crate::message::{Gap, Snapshot, Subscribed};

/// Number of updates buffered for the consumer. If the buffer is full, the socket is not read,
/// and the server reports a gap.
const BUFFER: usize = 256;

/// The start position of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Since {
    /// Starts with the next event.
    #[default]
    Live,
    /// Starts with a snapshot, then the next event.
    Snapshot,
    /// Starts after the event `seq`.
    Seq {
        /// The sequence number of the last event received.
        seq: u64,
        /// The epoch of that event. `None` takes the log for the one that the event was read from:
        /// after a restore from a copy it may be another.
        epoch: Option<Arc<str>>,
    },
}

/// An item of the stream [`Following`].
#[derive(Debug)]
pub enum Update {
    /// The client is connected and subscribed. After a reconnect, `recovered` says whether all
    /// missed events follow.
    Connected(Subscribed),
    /// The complete state. It replaces all state received so far.
    Snapshot(Box<Snapshot>),
    /// An event. Events arrive in `seq` order, each exactly once. For the order with a `rate`,
    /// see `docs/protocol.md`.
    Event(Box<Event>),
    /// The client read too slowly, and events are missing. They were requested and follow.
    Gap(Gap),
    /// The connection broke or could not be opened. The client retries automatically.
    Disconnected {
        /// The cause.
        error: Error,
        /// The time until the next attempt.
        retry_in: Duration,
    },
}

/// The options of a subscription. [`start`](Follow::start) opens it.
#[derive(Debug, Clone)]
pub struct Follow {
    workspace: Workspace,
    since: Since,
    kpis: Vec<String>,
    types: Vec<String>,
    compact: bool,
    rate: Option<f64>,
    backoff: Backoff,
    silence: Duration,
}

impl Follow {
    pub(crate) fn new(workspace: Workspace) -> Self {
        let (since, kpis, types) = (Since::Live, Vec::new(), Vec::new());
        // The server sends a ping every 25 seconds.
        let (backoff, silence) = (Backoff::default(), Duration::from_secs(60));
        Self { workspace, since, kpis, types, compact: false, rate: None, backoff, silence }
    }

    /// Sets the start position. The default is [`Since::Live`].
    #[must_use]
    pub fn since(mut self, since: Since) -> Self {
        self.since = since;
        self
    }

    /// Receives events of these KPIs only. An item is a name or `prefix*`.
    #[must_use]
    pub fn kpis<S: Into<String>>(mut self, kpis: impl IntoIterator<Item = S>) -> Self {
        self.kpis = kpis.into_iter().map(Into::into).collect();
        self
    }

    /// Receives events of these types only, such as `anomaly.opened`.
    #[must_use]
    pub fn types<S: Into<String>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        self.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Requests the compact encoding, which needs less than half of the bytes of JSON.
    /// The delivered events are the same.
    #[must_use]
    pub fn compact(mut self) -> Self {
        self.compact = true;
        self
    }

    /// Limits `samples` events to `rate` per second and KPI, 0.01 to 100. The server merges events
    /// and delivers the newest sample of each series. Events of other types are not limited.
    #[must_use]
    pub fn rate(mut self, rate: f64) -> Self {
        self.rate = Some(rate);
        self
    }

    /// Sets the pauses between attempts after the connection broke.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Sets the idle timeout: the connection is replaced if no frame, not even a ping, arrives for
    /// this long. The default is 60 seconds.
    #[must_use]
    pub fn silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// Starts the subscription in a new Tokio task. Dropping the result ends the task.
    ///
    /// # Panics
    /// If it is called outside of a Tokio runtime.
    pub fn start(self) -> Following {
        let (sender, updates) = mpsc::channel(BUFFER);
        tokio::spawn(connection::run(self, sender));
        Following { updates }
    }
}

/// A stream of updates that reconnects automatically. It ends only after an error that a retry
/// would not change.
#[derive(Debug)]
pub struct Following {
    updates: mpsc::Receiver<Result<Update, Error>>,
}

impl Following {
    /// Returns the next update, or `None` after the error that ended the stream.
    /// This method is cancel safe.
    pub async fn next(&mut self) -> Option<Result<Update, Error>> {
        self.updates.recv().await
    }
}

impl Stream for Following {
    type Item = Result<Update, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.updates.poll_recv(context)
    }
}
