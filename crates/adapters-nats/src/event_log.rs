//! The event log on NATS JetStream. Each workspace has a stream; each append is one message, or a
//! few.
//!
//! # One writer
//! Every append names the sequence that it expects to be the stream's last, so the server refuses
//! every writer but the last one. Opening a log writes a message without events, a *fence*. From
//! then on the server refuses all other writers, even before the new writer appends. The fence
//! holds the epochs of the log, see `epochs`.
//!
//! # Durability of an acknowledgement
//! A majority of the stream's replicas have handed the append to their operating systems. They sync
//! it to disk within nats-server's `sync_interval`, by default two minutes. With `sync_interval:
//! always`, an acknowledged append is on the disks.
//!
//! # Unknown results
//! An append without an answer is repeated for half a minute with the same message id, so the
//! server keeps only one. Then it fails with `Unavailable`. This process shows nothing of it and
//! accepts no more appends until the log is opened again, which finds out.
//!
//! # Removal
//! A removed log is a deleted stream. The workspace that has its name next has another generation,
//! and so another stream: no writer of the removed log can write to that one.
//!
//! # Reads
//! Any replica serves single messages. Only the leader says how far the log goes.

mod assembly;
mod epochs;
mod follow;
mod frame;
mod index;
mod lock;
mod ownership;
mod pages;
mod search;
mod settings;
mod stream;
mod trim;
mod workspace_log;
mod writer;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{AccountErrorKind, ContextBuilder};
use async_trait::async_trait;

use self::lock::lock;
pub use self::settings::JetStreamLogSettings;
use self::workspace_log::WorkspaceLog;
use super::failure;
use earcon_model::{Event, Seq, WorkspaceKey};
use earcon_ports::{ErrorKind, EventLog, Following, LogHead, Page, PortError, SharedLog};
use earcon_tenancy::WorkspacePass;

const API_TIMEOUT: Duration = Duration::from_secs(5);

/// The logs of all workspaces. Connections and streams are shared; each value of this type is a
/// separate writer.
pub struct JetStreamLog {
    client: Client,
    context: Context,
    settings: Arc<JetStreamLogSettings>,
    logs: Mutex<HashMap<WorkspaceKey, Arc<WorkspaceLog>>>,
}

impl JetStreamLog {
    /// A log over `client`. Checks that JetStream is available.
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
        let workspace = pass.key();
        if let Some(log) = lock(&self.logs).get(workspace) {
            return Ok(log.clone());
        }
        let stream = stream::LogStream::for_workspace(&self.context, workspace).await?;
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
        // Runs on a task of its own: if the caller stops waiting, the writer's state must still
        // match the stream.
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

    async fn remove(&self, pass: &WorkspacePass) -> Result<(), PortError> {
        let log = self.log(pass).await?;
        log.remove().await?;
        lock(&self.logs).remove(pass.key());
        Ok(())
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
        Err(error) => Err(PortError::caused(ErrorKind::Unavailable, "a task of the log ended early", error)),
    }
}

#[cfg(test)]
mod tests;
