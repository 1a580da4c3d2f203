//! The event log on NATS JetStream: a stream for each workspace, a message (or a few) for each append.
//!
//! # One writer
//! Every append says which sequence it expects to be the stream's last, so the server itself refuses whoever did not write
//! last. To open is to write a message without events, a *fence*: from then on everybody else is refused, even before the new
//! writer has anything to say.
//!
//! # What an acknowledgement promises
//! A majority of the stream's replicas have the append in their operating system's hands. They sync it to disk within
//! nats-server's `sync_interval`, two minutes unless set; only with `sync_interval: always` is it on the disks.
//!
//! # When nobody knows
//! An append that is not answered is sent again with the same message id, so that the server keeps one of them, for half a
//! minute. Then it fails with `Unavailable`, and this process shows nothing of it and takes no more appends until the log is
//! opened again; that finds out.
//!
//! # Who reads what
//! Single messages come from any replica, but how far the log goes only its leader says.

mod assembly;
mod follow;
mod frame;
mod index;
mod pages;
mod search;
mod stream;
mod workspace_log;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{AccountErrorKind, ContextBuilder};
use async_trait::async_trait;

use self::workspace_log::WorkspaceLog;
use super::failure;
use earcon_model::{Event, Seq, WorkspaceId};
use earcon_ports::{ErrorKind, EventLog, Following, LogHead, Page, PortError, SharedLog};
use earcon_tenancy::WorkspacePass;

const API_TIMEOUT: Duration = Duration::from_secs(5);

/// How the streams are made and how large they may grow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JetStreamLogSettings {
    /// Copies of each stream.
    pub replicas: usize,
    /// A workspace's log that is this large takes no more appends until it is trimmed. Well above what retention keeps.
    pub limit_bytes: u64,
    /// How long an append that is not answered is repeated before it fails; long enough for a server to restart or a leader to
    /// be elected. Shorter than the two minutes for which the server knows repetitions.
    pub retry_for: Duration,
}

impl JetStreamLogSettings {
    /// What is usual: appends are repeated for half a minute.
    pub fn new(replicas: usize, limit_bytes: u64) -> Self {
        Self { replicas, limit_bytes, retry_for: Duration::from_secs(30) }
    }
}

/// The logs of all workspaces. Connections and streams are shared; each value of this type is a writer of its own.
pub struct JetStreamLog {
    client: Client,
    context: Context,
    settings: Arc<JetStreamLogSettings>,
    logs: Mutex<HashMap<WorkspaceId, Arc<WorkspaceLog>>>,
}

impl JetStreamLog {
    /// A log over `client`, after a look whether JetStream is there.
    ///
    /// # Errors
    /// `Unavailable` when JetStream is not enabled, or does not answer this user.
    pub async fn connect(client: Client, settings: JetStreamLogSettings) -> Result<Self, PortError> {
        let context = ContextBuilder::new().timeout(API_TIMEOUT).build(client.clone());
        let doing = "the log cannot use JetStream";
        context.query_account().await.map_err(|error| match error.kind() {
            AccountErrorKind::JetStream(error) => failure::refused(doing, error),
            _ => failure::unanswered(doing, error),
        })?;
        Ok(Self { client, context, settings: Arc::new(settings), logs: Mutex::default() })
    }

    async fn log(&self, pass: &WorkspacePass) -> Result<Arc<WorkspaceLog>, PortError> {
        let workspace = pass.workspace();
        if let Some(log) = lock(&self.logs).get(workspace) {
            return Ok(log.clone());
        }
        let stream = stream::LogStream::of(&self.context, workspace).await?;
        let log = Arc::new(WorkspaceLog::new(self.client.clone(), stream, self.settings.clone()));
        Ok(lock(&self.logs).entry(workspace.clone()).or_insert(log).clone())
    }
}

#[async_trait]
impl EventLog for JetStreamLog {
    async fn open(&self, pass: &WorkspacePass) -> Result<LogHead, PortError> {
        let log = self.log(pass).await?;
        finish(tokio::spawn(async move { log.open().await })).await
    }

    async fn head(&self, pass: &WorkspacePass) -> Result<Option<LogHead>, PortError> {
        self.log(pass).await?.head().await
    }

    async fn append(&self, pass: &WorkspacePass, events: Vec<Arc<Event>>) -> Result<(), PortError> {
        let log = self.log(pass).await?;
        // On a task of its own: a caller that stops waiting must not leave behind a writer that knows half of what it did.
        finish(tokio::spawn(async move { log.append(&events).await })).await
    }

    async fn read(&self, pass: &WorkspacePass, from: Seq, max_events: usize) -> Result<Page, PortError> {
        self.log(pass).await?.read(from, max_events).await
    }

    async fn trim(&self, pass: &WorkspacePass, before: Seq) -> Result<Seq, PortError> {
        let log = self.log(pass).await?;
        finish(tokio::spawn(async move { log.trim(before).await })).await
    }

    async fn seq_at(&self, pass: &WorkspacePass, time_ms: i64) -> Result<Seq, PortError> {
        self.log(pass).await?.seq_at(time_ms).await
    }

    async fn size_bytes(&self, pass: &WorkspacePass) -> Result<u64, PortError> {
        self.log(pass).await?.size_bytes().await
    }
}

#[async_trait]
impl SharedLog for JetStreamLog {
    async fn follow(&self, pass: &WorkspacePass, from: Seq) -> Result<Following, PortError> {
        self.log(pass).await?.follow(from).await
    }
}

async fn finish<T>(task: tokio::task::JoinHandle<Result<T, PortError>>) -> Result<T, PortError> {
    match task.await {
        Ok(result) => result,
        Err(error) => Err(PortError::caused(ErrorKind::Unavailable, "work on the log was broken off", error)),
    }
}

/// What these locks guard is replaced as a whole, so a panic of a holder leaves it sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
