//! Following: subscribe, resume, repair gaps, come back.

mod connection;
mod place;

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

/// Updates that wait for whoever follows; beyond it the socket is not read, and the server tells a gap.
const BUFFER: usize = 256;

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Since {
    /// With the next event.
    #[default]
    Live,
    /// With a snapshot, then the next event.
    Snapshot,
    /// After this event.
    Seq {
        /// The last event seen.
        seq: u64,
        /// The life of the log it was seen in; `None`: the present one.
        epoch: Option<Arc<str>>,
    },
}

/// What somebody who follows is told.
#[derive(Debug)]
pub enum Update {
    /// Connected and subscribed; after a broken connection `recovered` says whether all that was missed follows.
    Connected(Subscribed),
    /// The whole state: it replaces what was known.
    Snapshot(Box<Snapshot>),
    /// An event, in `seq` order and each once (under a `rate`, see the protocol).
    Event(Box<Event>),
    /// This client read too slowly. What is missing has been asked for and follows.
    Gap(Gap),
    /// The connection broke, or there was none; the next attempt follows by itself.
    Disconnected {
        /// Why.
        error: Error,
        /// When the next attempt is made, unless there is none.
        retry_in: Duration,
    },
}

/// What to follow and how; [`start`](Follow::start) begins.
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

    /// Where to begin; with the next event unless told.
    #[must_use]
    pub fn since(mut self, since: Since) -> Self {
        self.since = since;
        self
    }

    /// Only these KPIs: names, or `prefix*`.
    #[must_use]
    pub fn kpis<S: Into<String>>(mut self, kpis: impl IntoIterator<Item = S>) -> Self {
        self.kpis = kpis.into_iter().map(Into::into).collect();
        self
    }

    /// Only events of these types, such as `anomaly.opened`.
    #[must_use]
    pub fn types<S: Into<String>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        self.types = types.into_iter().map(Into::into).collect();
        self
    }

    /// Asks for events in the compact form, well under half of the bytes of JSON; what is delivered is the same.
    #[must_use]
    pub fn compact(mut self) -> Self {
        self.compact = true;
        self
    }

    /// At most so many `samples` events a second and KPI, 0.01 to 100: those between are put together, so that the newest
    /// sample of each series arrives. Other events come as ever.
    #[must_use]
    pub fn rate(mut self, rate: f64) -> Self {
        self.rate = Some(rate);
        self
    }

    /// How long to wait after a connection broke.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// A connection on which nothing, not even a ping, arrives for this long is given up. 60 seconds unless told.
    #[must_use]
    pub fn silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    /// Begins, in a task of its own; needs a Tokio runtime. Dropping the result ends it.
    pub fn start(self) -> Following {
        let (sender, updates) = mpsc::channel(BUFFER);
        tokio::spawn(connection::run(self, sender));
        Following { updates }
    }
}

/// A stream of updates that comes back by itself. It ends only after an error that trying again would not change.
#[derive(Debug)]
pub struct Following {
    updates: mpsc::Receiver<Result<Update, Error>>,
}

impl Following {
    /// The next update; `None` after the error that ended it. Dropping the future loses nothing.
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
