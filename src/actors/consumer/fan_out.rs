//! Every event to subscribers outside, as a CloudEvent.
//!
//! The cursor is in the meta store. Events after it are published again after a crash or a lost
//! connection, with the same identifiers: an event keeps the epoch that wrote it. A workspace that
//! is fanned out for the first time begins at the end of its log, so that no old events are
//! published.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::handler::Handler;
use crate::actors::hub::EventBatch;
use crate::live::{split, wire};
use crate::services::records::{Family, Records};
use crate::telemetry::{Metric, count};
use earcon_model::{Event, EventType, Seq};
use earcon_ports::{Connection, Epochs, ErrorKind, MetaStore, PortError, Publication, Publisher, Revision};
use earcon_tenancy::WorkspacePass;

/// The name of the one record of a workspace.
const CURSOR: &str = "cursor";

/// Left for the headers of a message below the largest message, in bytes.
const HEADERS: usize = 1_024;

/// Publishes the events of one workspace.
pub struct FanOut {
    publisher: Arc<dyn Publisher>,
    cursors: Records<Cursor>,
    epochs: Arc<Epochs>,
    /// The newest event when the workspace was opened.
    opened_at: Seq,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// Whether the stored cursor was once of this history.
    begun: bool,
    revision: Revision,
    saved: Seq,
    published: Seq,
    /// The connection that the next flush waits on; `None` if nothing was published since the last.
    since: Option<Connection>,
}

/// The cursor as it is stored.
#[derive(Serialize, Deserialize)]
struct Cursor {
    /// The epoch that wrote the event.
    epoch: String,
    /// The last event published.
    seq: Seq,
}

impl FanOut {
    /// Publishes events of a log with these epochs. Events up to `opened_at` are published only if
    /// a cursor of the same history is stored.
    pub fn new(
        publisher: Arc<dyn Publisher>,
        meta_store: Arc<dyn MetaStore>,
        epochs: Arc<Epochs>,
        opened_at: Seq,
    ) -> Self {
        let cursors = Records::new(meta_store, Family::PublishCursor);
        Self { publisher, cursors, epochs, opened_at, progress: Mutex::default() }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the cursor is of this history. If not, the log went back.
    fn has(&self, cursor: &Cursor) -> bool {
        let oldest = self.epochs.starts().next().map_or(1, |start| start.first);
        match self.epochs.end_of(&cursor.epoch) {
            Some(_) => self.epochs.contains(&cursor.epoch, cursor.seq),
            // Trimming forgets the oldest epochs. All that is left comes after this cursor.
            None => oldest > 1 && cursor.seq < oldest,
        }
    }

    async fn save(&self, pass: &WorkspacePass, seq: Seq) -> Result<(), PortError> {
        let expected = self.progress().revision;
        let cursor = Cursor { epoch: self.epochs.epoch_of(seq).to_owned(), seq };
        // A conflict means that another node publishes this workspace. The cursor is read again
        // before the next try.
        let revision = self.cursors.put(pass, CURSOR, expected, &cursor).await?;
        let mut progress = self.progress();
        progress.revision = revision;
        progress.saved = seq;
        Ok(())
    }

    async fn publish(&self, pass: &WorkspacePass, events: Vec<(&Event, Bytes)>) -> Result<(), PortError> {
        let Some(last) = events.last().map(|(event, _)| event.seq) else { return Ok(()) };
        let connection = self.publisher.connection();
        self.progress().since.get_or_insert(connection);
        let messages: Vec<_> = events.into_iter().flat_map(|(event, json)| self.messages(pass, event, json)).collect();
        let published = messages.len() as u64;
        match self.publisher.publish(pass, messages).await {
            Ok(()) => count(Metric::Published, published),
            Err(error) if error.kind == ErrorKind::Invalid => {
                count(Metric::PublishRefused, 1);
                tracing::warn!(workspace = %pass.workspace(), %error, "a message was not published");
            }
            Err(error) => return Err(error),
        }
        self.progress().published = last;
        Ok(())
    }

    /// The event in one message, or in several if one would be larger than the server accepts.
    fn messages(&self, pass: &WorkspacePass, event: &Event, json: Bytes) -> Vec<Publication> {
        let most = self.publisher.max_message_bytes().saturating_sub(HEADERS);
        let mut payloads = Vec::new();
        self.cut(pass, event, json, most, &mut payloads);
        let parts = payloads.len();
        let message = |(part, payload)| Publication {
            topic: topic(event),
            headers: self.headers(pass, event, (parts > 1).then_some((part, parts))),
            payload,
        };
        payloads.into_iter().enumerate().map(message).collect()
    }

    fn cut(&self, pass: &WorkspacePass, event: &Event, json: Bytes, most: usize, payloads: &mut Vec<Bytes>) {
        if json.len() <= most {
            payloads.push(json);
        } else if let Some((first, second)) = split::halves(event) {
            for half in [first, second] {
                let json = self.encode(pass, &half);
                self.cut(pass, &half, json, most, payloads);
            }
        } else {
            count(Metric::PublishRefused, 1);
            let (workspace, bytes) = (pass.workspace(), json.len());
            tracing::warn!(%workspace, subject = %event.subject, seq = event.seq, bytes, most, "an event is too large to publish");
        }
    }

    fn encode(&self, pass: &WorkspacePass, event: &Event) -> Bytes {
        wire::event_json(event, pass.workspace(), self.epochs.epoch_of(event.seq)).into()
    }

    fn headers(
        &self,
        pass: &WorkspacePass,
        event: &Event,
        part: Option<(usize, usize)>,
    ) -> Vec<(&'static str, String)> {
        let epoch = self.epochs.epoch_of(event.seq);
        let mut id = format!("{epoch}:{}", event.seq);
        if let Some((part, _)) = part {
            id.push_str(&format!(":{part}"));
        }
        let mut headers = vec![
            ("ce-specversion", "1.0".to_owned()),
            ("ce-id", id.clone()),
            ("ce-source", format!("/workspaces/{}", pass.workspace())),
            ("ce-type", format!("earcon.{}", event.event_type().as_str())),
            ("ce-subject", event.subject.to_string()),
            ("content-type", "application/json".to_owned()),
            ("Nats-Msg-Id", id),
            ("Earcon-Epoch", epoch.to_owned()),
            ("Earcon-Seq", event.seq.to_string()),
        ];
        if let Ok(time) = jiff::Timestamp::from_millisecond(event.time_ms) {
            headers.push(("ce-time", time.to_string()));
        }
        if let Some((part, parts)) = part {
            headers.push(("Earcon-Part", format!("{}/{parts}", part + 1)));
        }
        headers
    }
}

/// `samples.<kpi>` or `events.<type>`. Dots of KPI names and types separate levels, so that a
/// family can be subscribed to.
fn topic(event: &Event) -> Vec<String> {
    let (root, name) = match (event.event_type(), event.kpi()) {
        (EventType::Samples, Some(kpi)) => ("samples", kpi.as_str()),
        (other, _) => ("events", other.as_str()),
    };
    std::iter::once(root).chain(name.split('.')).map(str::to_owned).collect()
}

impl Handler for FanOut {
    fn name(&self) -> &'static str {
        "fan-out"
    }

    async fn cursor(&self, pass: &WorkspacePass) -> Result<Seq, PortError> {
        let (stored, revision) = self.cursors.load(pass, CURSOR).await?;
        let known = stored.as_ref().filter(|cursor| self.has(cursor)).map(|cursor| cursor.seq);
        let begun = self.progress().begun;
        if begun && known.is_none() && stored.is_some_and(|cursor| self.epochs.end_of(&cursor.epoch).is_none()) {
            // Written since this writer began, by a later one.
            return Err(PortError::new(ErrorKind::Conflict, "another node publishes this workspace"));
        }
        let seq = known.unwrap_or(self.opened_at);
        *self.progress() = Progress { revision, saved: seq, published: seq, since: None, begun };
        if known.is_none() {
            // A restart continues behind this event, and not at the end of the log then.
            self.save(pass, seq).await?;
        }
        self.progress().begun = true;
        Ok(seq)
    }

    async fn handle(&self, pass: &WorkspacePass, events: Vec<Arc<Event>>) -> Result<(), PortError> {
        self.publish(pass, events.iter().map(|event| (&**event, self.encode(pass, event))).collect()).await
    }

    async fn handle_live(&self, pass: &WorkspacePass, batch: &EventBatch, handled: Seq) -> Result<(), PortError> {
        let new = batch.encoded().filter(|(event, _)| event.seq > handled);
        self.publish(pass, new.map(|(event, message)| (&**event, message().payload())).collect()).await
    }

    async fn flush(&self, pass: &WorkspacePass) -> Result<Seq, PortError> {
        let (since, published, saved) = {
            let progress = self.progress();
            (progress.since, progress.published, progress.saved)
        };
        if let Some(since) = since {
            self.publisher.flush(since).await?;
            self.progress().since = None;
        }
        if published > saved {
            self.save(pass, published).await?;
        }
        Ok(published)
    }
}

#[cfg(test)]
mod tests;
