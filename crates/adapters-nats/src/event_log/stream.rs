//! One workspace's stream: its configuration, and reads of single messages.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{
    Config, DiscardPolicy, Info, PurgeErrorKind, RawMessageError, RawMessageErrorKind, RetentionPolicy, StorageType,
    Stream,
};
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use tokio::time::timeout;

use super::frame::{MessageId, Position};
use super::settings::JetStreamLogSettings;
use crate::failure;
use crate::repeat::repeated;
use earcon_model::WorkspaceKey;
use earcon_ports::{ErrorKind, PortError};

/// The key in the stream's metadata that names the format of the log.
const FORMAT_KEY: &str = "earcon_log_format";
/// The one format that this program writes and reads.
const FORMAT: &str = "1";
/// The server drops repetitions of a message for this long. Longer than any message is repeated.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// Extra room above the log's own limit, if the account requires a limit on the stream, so that
/// fences always fit.
const FENCE_ROOM: u64 = 4 << 20;
/// Time limit for a replica to answer a read. After it, the leader is asked: the replica may be
/// frozen, and the servers go on sending requests to it until they notice.
const REPLICA_WITHIN: Duration = Duration::from_secs(1);

/// A message of the stream.
#[derive(Debug, Clone)]
pub(super) struct StoredMessage {
    pub(super) sequence: u64,
    /// `None` for a halt.
    pub(super) position: Option<Position>,
    pub(super) id: MessageId,
    pub(super) payload: Bytes,
}

impl StoredMessage {
    fn read(message: StreamMessage) -> Result<Self, PortError> {
        Self::new(message.sequence, &message.headers, message.payload)
    }

    /// A message delivered by a consumer.
    pub(super) fn delivered(sequence: u64, message: Message) -> Result<Self, PortError> {
        Self::new(sequence, message.headers.as_ref().unwrap_or(&HeaderMap::new()), message.payload)
    }

    fn new(sequence: u64, headers: &HeaderMap, payload: Bytes) -> Result<Self, PortError> {
        Ok(Self { sequence, position: Position::read(headers)?, id: MessageId::read(headers), payload })
    }
}

/// The stream of a workspace, which may not exist yet.
#[derive(Debug, Clone)]
pub(super) struct LogStream {
    context: Context,
    stream: Stream<()>,
    pub(super) name: String,
    pub(super) subject: String,
}

impl LogStream {
    /// The stream of a workspace. A workspace's key consists of `a-z0-9-_~`, so it is a legal part
    /// of a stream name and of a subject, and two workspaces never share a stream.
    pub(super) async fn for_workspace(context: &Context, workspace: &WorkspaceKey) -> Result<Self, PortError> {
        let name = format!("earcon_log_{}", workspace.with_organisation('='));
        let stream = context
            .get_stream_no_info(&name)
            .await
            .map_err(|error| PortError::caused(ErrorKind::Invalid, format!("{name} is no name of a stream"), error))?;
        Ok(Self {
            context: context.clone(),
            stream,
            name,
            subject: format!("earcon.log.{}", workspace.with_organisation('.')),
        })
    }

    /// The leader's information about the stream. `None` if there is no stream.
    ///
    /// # Errors
    /// `Invalid` when the stream has another log format.
    pub(super) async fn info(&self) -> Result<Option<Info>, PortError> {
        let doing = format!("cannot find {}", self.name);
        let found = repeated(
            &doing,
            || self.context.get_stream(&self.name),
            |error| matches!(error.kind(), GetStreamErrorKind::Request),
        );
        match found.await? {
            Ok(stream) => {
                let info = stream.cached_info().clone();
                self.check_format(&info)?;
                Ok(Some(info))
            }
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
                GetStreamErrorKind::JetStream(error) => Err(failure::refused(&doing, error)),
                _ => Err(failure::unanswered(&doing, error)),
            },
        }
    }

    /// Refuses a stream whose metadata names another format, or none.
    fn check_format(&self, info: &Info) -> Result<(), PortError> {
        let found = info.config.metadata.get(FORMAT_KEY).map(String::as_str);
        if found == Some(FORMAT) {
            return Ok(());
        }
        let text = format!(
            "the stream {} has log format {}, and this version reads only format {FORMAT}; use the version that wrote it, \
             or delete the stream to begin a new log",
            self.name,
            found.unwrap_or("none")
        );
        Err(PortError::new(ErrorKind::Invalid, text))
    }

    /// Creates the stream if there is none, and updates its number of replicas.
    pub(super) async fn prepare(&self, settings: &JetStreamLogSettings) -> Result<Info, PortError> {
        let Some(info) = self.info().await? else { return self.make(settings).await };
        if info.config.num_replicas != settings.replicas {
            let config = Config { num_replicas: settings.replicas, ..info.config.clone() };
            if let Err(error) = self.context.update_stream(config).await {
                tracing::warn!(stream = self.name, replicas = settings.replicas, %error, "cannot change the copies");
            }
        }
        Ok(info)
    }

    async fn make(&self, settings: &JetStreamLogSettings) -> Result<Info, PortError> {
        let mut config = Config {
            name: self.name.clone(),
            subjects: vec![self.subject.clone()],
            description: Some("The log of an Earcon workspace; written by Earcon alone".to_owned()),
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            num_replicas: settings.replicas,
            // A full stream refuses messages. Only Earcon's retention deletes old ones.
            discard: DiscardPolicy::New,
            duplicate_window: DUPLICATE_WINDOW,
            allow_direct: true,
            deny_delete: true,
            metadata: HashMap::from([(FORMAT_KEY.to_owned(), FORMAT.to_owned())]),
            ..Default::default()
        };
        let doing = format!("cannot make {}", self.name);
        // The writer enforces the limit. The server would reserve storage for a limit of the
        // stream, so the stream has one only if the account requires it.
        for max_bytes in [None, i64::try_from(settings.limit_bytes + FENCE_ROOM).ok()] {
            config.max_bytes = max_bytes.unwrap_or(-1);
            let Err(error) = self.context.create_stream(&config).await else { break };
            match error.kind() {
                CreateStreamErrorKind::JetStream(error) => match error.error_code() {
                    // Another node created the stream first, with other settings.
                    ErrorCode::STREAM_NAME_EXIST => break,
                    ErrorCode::STREAM_MAX_BYTES_REQUIRED if max_bytes.is_none() => {}
                    _ => return Err(failure::refused(&doing, error)),
                },
                _ => return Err(failure::unanswered(&doing, error)),
            }
        }
        self.info().await?.ok_or_else(|| failure::unanswered(&doing, "it is gone again"))
    }

    /// The message at `sequence`, from any replica. If that replica does not have it or does not
    /// answer, the leader decides.
    pub(super) async fn get(&self, sequence: u64) -> Result<Option<StoredMessage>, PortError> {
        match timeout(REPLICA_WITHIN, self.stream.direct_get(sequence)).await {
            Ok(Ok(message)) => StoredMessage::read(message).map(Some),
            Ok(Err(_)) | Err(_) => self.get_from_leader(sequence).await,
        }
    }

    /// The message at `sequence`, from the leader. `None` if it was deleted or is not stored yet.
    pub(super) async fn get_from_leader(&self, sequence: u64) -> Result<Option<StoredMessage>, PortError> {
        self.ask_leader(|| self.stream.get_raw_message(sequence)).await
    }

    /// The last message, from the leader. `None` if there is none, or no stream.
    pub(super) async fn last(&self) -> Result<Option<StoredMessage>, PortError> {
        self.ask_leader(|| self.stream.get_last_raw_message_by_subject(&self.subject)).await
    }

    async fn ask_leader<F>(&self, ask: impl Fn() -> F) -> Result<Option<StoredMessage>, PortError>
    where
        F: Future<Output = Result<StreamMessage, RawMessageError>>,
    {
        let doing = format!("cannot read {}", self.name);
        let answer = repeated(&doing, ask, |error| matches!(error.kind(), RawMessageErrorKind::Other));
        match answer.await? {
            Ok(message) => StoredMessage::read(message).map(Some),
            Err(error) => match error.kind() {
                RawMessageErrorKind::NoMessageFound => Ok(None),
                RawMessageErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
                RawMessageErrorKind::JetStream(error) => Err(failure::refused(&doing, error)),
                _ => Err(failure::unanswered(&doing, error)),
            },
        }
    }

    /// Deletes every message before `sequence`.
    pub(super) async fn purge_before(&self, sequence: u64) -> Result<(), PortError> {
        let doing = format!("cannot trim {}", self.name);
        match self.stream.purge().sequence(sequence).await {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.kind() {
                PurgeErrorKind::JetStream(error) => failure::refused(&doing, error),
                _ => failure::unanswered(&doing, error),
            }),
        }
    }

    /// Deletes the stream, if there is one.
    pub(super) async fn delete(&self) -> Result<(), PortError> {
        let doing = format!("cannot delete {}", self.name);
        let deleted = repeated(
            &doing,
            || self.context.delete_stream(&self.name),
            |error| matches!(error.kind(), GetStreamErrorKind::Request),
        );
        match deleted.await? {
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(()),
                GetStreamErrorKind::JetStream(error) => Err(failure::refused(&doing, error)),
                _ => Err(failure::unanswered(&doing, error)),
            },
        }
    }

    pub(super) fn context(&self) -> &jetstream::Context {
        &self.context
    }
}
