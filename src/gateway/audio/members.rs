//! Listeners of a mix, as the task of their shard writes to them.
//!
//! Late sound is useless: while a socket takes nothing, what is due for it is dropped, and it goes
//! on with live sound. A page and the frames of a write are never cut.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, oneshot};
use tokio::time::Instant;

use crate::actors::mix::Listening;
use crate::gateway::connection_group::Feed;
use crate::gateway::http::outlet::{Outlet, Piece, Sent};
use crate::telemetry::{Metric, count};
use earcon_audio::{ListenerStream, Page};

/// Sound that a listener over Ogg gets at once: a second, in samples.
const BURST: u64 = 48_000;
/// Most deliveries in one write.
const MOST: usize = 16;

/// What is due for the listeners of one task.
struct Due<T> {
    receiver: broadcast::Receiver<T>,
    due: Vec<T>,
}

impl<T: Clone> Due<T> {
    fn new(receiver: broadcast::Receiver<T>) -> Self {
        Self { receiver, due: Vec::new() }
    }

    /// Waits for the next delivery, and takes those behind it; false at the end.
    async fn next(&mut self) -> bool {
        self.due.clear();
        loop {
            match self.receiver.recv().await {
                Ok(first) => {
                    self.due.push(first);
                    self.gather();
                    return true;
                }
                Err(RecvError::Lagged(missed)) => self.skip(missed),
                Err(RecvError::Closed) => return false,
            }
        }
    }

    fn gather(&mut self) {
        while self.due.len() < MOST {
            match self.receiver.try_recv() {
                Ok(next) => self.due.push(next),
                Err(TryRecvError::Lagged(missed)) => self.skip(missed),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            }
        }
    }

    /// Skips to live sound.
    fn skip(&mut self, missed: u64) {
        count(Metric::ListenerDropped, missed + self.receiver.len() as u64);
        self.receiver = self.receiver.resubscribe();
    }
}

/// A listener for packets over a WebSocket.
pub(super) struct FrameMember {
    outlet: Arc<Outlet>,
    /// The first frame.
    config: Bytes,
    patience: Duration,
    /// Since when the socket takes nothing.
    stuck: Option<Instant>,
    /// Keeps the mix running.
    listening: Listening,
    /// Resolves when the listener is removed.
    _removed: oneshot::Sender<()>,
}

impl FrameMember {
    /// A listener that is removed when it took nothing for `patience`. The receiver fails when it
    /// is removed.
    pub(super) fn new(
        outlet: Arc<Outlet>,
        listening: Listening,
        config: Bytes,
        patience: Duration,
    ) -> (Self, oneshot::Receiver<()>) {
        let (removed, ended) = oneshot::channel();
        (Self { outlet, config, patience, stuck: None, listening, _removed: removed }, ended)
    }

    /// The connection to the mix.
    pub(super) fn listening(&self) -> &Listening {
        &self.listening
    }
}

/// Frames for WebSockets, several in a piece.
pub(super) struct Frames {
    due: Due<Bytes>,
    /// The frame of the voices that sound now.
    voices: Arc<Mutex<Bytes>>,
}

impl Frames {
    /// Frames from now on.
    pub(super) fn new(receiver: broadcast::Receiver<Bytes>, voices: Arc<Mutex<Bytes>>) -> Self {
        Self { due: Due::new(receiver), voices }
    }
}

impl Feed for Frames {
    type Member = FrameMember;

    async fn next(&mut self) -> bool {
        self.due.next().await
    }

    fn joined(&mut self, member: &mut FrameMember) -> bool {
        let voices = self.voices.lock().unwrap_or_else(PoisonError::into_inner).clone();
        member.outlet.send(&[Piece::Shared(&member.config), Piece::Shared(&voices)]).is_ok()
    }

    fn deliver(&mut self, member: &mut FrameMember) -> bool {
        match member.outlet.try_flush() {
            Err(_) => false,
            Ok(Sent::All) => {
                member.stuck = None;
                let mut pieces = [Piece::Own(&[]); MOST];
                pieces.iter_mut().zip(&self.due.due).for_each(|(piece, frames)| *piece = Piece::Shared(frames));
                member.outlet.send(pieces.get(..self.due.due.len()).unwrap_or_default()).is_ok()
            }
            Ok(Sent::Waiting) => {
                count(Metric::ListenerDropped, self.due.due.len() as u64);
                member.stuck.get_or_insert_with(Instant::now).elapsed() < member.patience
            }
        }
    }
}

/// A listener for Ogg over HTTP.
pub(super) struct PageMember {
    outlet: Arc<Outlet>,
    /// The head of the HTTP answer.
    head: Bytes,
    /// Begins with the first page, because the listener's positions begin where it joined.
    stream: Option<ListenerStream>,
    /// The end of the last page that was sent.
    sent_to: u64,
    patience: Duration,
    /// Since when the socket takes nothing.
    stuck: Option<Instant>,
    /// Whether the listener may still hear the mix, if that can change.
    permitted: Option<Box<dyn Fn() -> bool + Send>>,
    /// Keeps the mix running.
    listening: Listening,
}

impl PageMember {
    /// A listener whose answer begins with `head`. It is removed when it took nothing for
    /// `patience`.
    pub(super) fn new(outlet: Arc<Outlet>, listening: Listening, head: Bytes, patience: Duration) -> Self {
        Self { outlet, head, stream: None, sent_to: 0, patience, stuck: None, permitted: None, listening }
    }

    /// Removes the listener as soon as this is false. It is asked for each delivery.
    pub(super) fn while_true(self, permitted: impl Fn() -> bool + Send + 'static) -> Self {
        Self { permitted: Some(Box::new(permitted)), ..self }
    }

    /// The connection to the mix.
    pub(super) fn listening(&self) -> &Listening {
        &self.listening
    }

    fn send(&mut self, page: &Page) -> bool {
        self.sent_to = page.ends_at();
        let sent = match &mut self.stream {
            Some(stream) => {
                let header = stream.header(page);
                self.outlet.send(&[Piece::Own(&header), Piece::Shared(page.content())])
            }
            None => {
                let (mut stream, headers) = ListenerStream::begin(serial(), self.listening.pre_skip, page.begins_at());
                let header = stream.header(page);
                self.stream = Some(stream);
                self.outlet.send(&[Piece::Shared(&headers), Piece::Own(&header), Piece::Shared(page.content())])
            }
        };
        sent.is_ok()
    }
}

/// Ogg requires a serial number for each logical stream.
fn serial() -> u32 {
    uuid::Uuid::new_v4().as_fields().0
}

/// The newest pages, about a second of them. A listener that joins gets them at once, so that its
/// player has something to play from while it waits for more.
#[derive(Clone, Default)]
pub(super) struct RecentPages(Arc<Mutex<VecDeque<Arc<Page>>>>);

impl RecentPages {
    /// Adds the newest page.
    pub(super) fn push(&self, page: Arc<Page>) {
        let mut pages = self.lock();
        let newest = page.ends_at();
        pages.push_back(page);
        while pages.front().is_some_and(|oldest| newest.saturating_sub(oldest.begins_at()) > BURST) {
            pages.pop_front();
        }
    }

    fn all(&self) -> Vec<Arc<Page>> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Page>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Pages of Ogg.
pub(super) struct Pages {
    due: Due<Arc<Page>>,
    recent: RecentPages,
}

impl Pages {
    /// Pages from now on, and the newest ones for listeners that join.
    pub(super) fn new(receiver: broadcast::Receiver<Arc<Page>>, recent: RecentPages) -> Self {
        Self { due: Due::new(receiver), recent }
    }
}

impl Feed for Pages {
    type Member = PageMember;

    async fn next(&mut self) -> bool {
        self.due.next().await
    }

    fn joined(&mut self, member: &mut PageMember) -> bool {
        let begun = member.outlet.send(&[Piece::Shared(&member.head)]).is_ok();
        begun && self.recent.all().iter().all(|page| member.send(page))
    }

    fn deliver(&mut self, member: &mut PageMember) -> bool {
        if member.permitted.as_ref().is_some_and(|permitted| !permitted()) {
            return false;
        }
        for page in &self.due.due {
            // The burst may have been ahead of this task.
            if page.begins_at() < member.sent_to {
                continue;
            }
            match member.outlet.try_flush() {
                Err(_) => return false,
                Ok(Sent::All) => {
                    member.stuck = None;
                    if !member.send(page) {
                        return false;
                    }
                }
                Ok(Sent::Waiting) => {
                    count(Metric::ListenerDropped, 1);
                    if member.stuck.get_or_insert_with(Instant::now).elapsed() >= member.patience {
                        count(Metric::ConnectionsTimedOut, 1);
                        return false;
                    }
                }
            }
        }
        true
    }
}
