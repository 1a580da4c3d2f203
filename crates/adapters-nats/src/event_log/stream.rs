//! One workspace's stream: its settings, and reading single messages of it.

use std::time::Duration;

use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{
    Config, DirectGetErrorKind, DiscardPolicy, Info, LastRawMessageErrorKind, PurgeErrorKind, RawMessageErrorKind,
    RetentionPolicy, StorageType, Stream,
};
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{HeaderMap, Message};
use bytes::Bytes;

use super::JetStreamLogSettings;
use super::frame::{MessageId, Place};
use crate::failure;
use earcon_model::WorkspaceId;
use earcon_ports::PortError;

/// The server drops a repeated message for this long. Longer than anybody repeats one.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// Room beyond the log's own limit where the account insists on a limit of the stream, so that fences always fit.
const FENCE_ROOM: u64 = 4 << 20;

/// A message of the stream.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) sequence: u64,
    /// `None` for a halt.
    pub(super) place: Option<Place>,
    pub(super) id: MessageId,
    pub(super) payload: Bytes,
}

impl Stored {
    fn read(message: StreamMessage) -> Result<Self, PortError> {
        Self::new(message.sequence, &message.headers, message.payload)
    }

    /// A message that a consumer has brought.
    pub(super) fn delivered(sequence: u64, message: Message) -> Result<Self, PortError> {
        Self::new(sequence, message.headers.as_ref().unwrap_or(&HeaderMap::new()), message.payload)
    }

    fn new(sequence: u64, headers: &HeaderMap, payload: Bytes) -> Result<Self, PortError> {
        Ok(Self { sequence, place: Place::read(headers)?, id: MessageId::read(headers), payload })
    }
}

/// A workspace's stream. That it has one is not said.
#[derive(Debug, Clone)]
pub(super) struct LogStream {
    context: Context,
    stream: Stream<()>,
    pub(super) name: String,
    pub(super) subject: String,
}

impl LogStream {
    /// A workspace identifier is of `a-z0-9-_`, so it is a legal name and one token of a subject as it is, and two
    /// workspaces never share a stream.
    pub(super) async fn of(context: &Context, workspace: &WorkspaceId) -> Result<Self, PortError> {
        let name = format!("earcon_log_{workspace}");
        let stream = context.get_stream_no_info(&name).await.map_err(|error| {
            PortError::caused(earcon_ports::ErrorKind::Invalid, format!("{name} is no name of a stream"), error)
        })?;
        Ok(Self { context: context.clone(), stream, name, subject: format!("earcon.log.{workspace}") })
    }

    /// What the stream's leader says of it; `None` when there is no stream.
    pub(super) async fn info(&self) -> Result<Option<Info>, PortError> {
        let doing = format!("cannot find {}", self.name);
        match self.context.get_stream(&self.name).await {
            Ok(stream) => Ok(Some(stream.cached_info().clone())),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
                GetStreamErrorKind::JetStream(error) => Err(failure::refused(&doing, error)),
                _ => Err(failure::unanswered(&doing, error)),
            },
        }
    }

    /// Makes the stream if there is none, and gives it today's settings if it has others.
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
            // A stream that is full refuses; only Earcon's retention makes it forget.
            discard: DiscardPolicy::New,
            duplicate_window: DUPLICATE_WINDOW,
            allow_direct: true,
            deny_delete: true,
            ..Default::default()
        };
        let doing = format!("cannot make {}", self.name);
        // The writer keeps the limit. One of the stream would be storage that the server sets aside, used or not; so it
        // gets one only in accounts that insist.
        for max_bytes in [None, i64::try_from(settings.limit_bytes + FENCE_ROOM).ok()] {
            config.max_bytes = max_bytes.unwrap_or(-1);
            let Err(error) = self.context.create_stream(&config).await else { break };
            match error.kind() {
                CreateStreamErrorKind::JetStream(error) => match error.error_code() {
                    // Another node was faster, with other settings.
                    ErrorCode::STREAM_NAME_EXIST => break,
                    ErrorCode::STREAM_MAX_BYTES_REQUIRED if max_bytes.is_none() => {}
                    _ => return Err(failure::refused(&doing, error)),
                },
                _ => return Err(failure::unanswered(&doing, error)),
            }
        }
        self.info().await?.ok_or_else(|| failure::unanswered(&doing, "it is gone again"))
    }

    /// The message at `sequence`, from whichever replica answers; the leader has the last word on what is not there.
    pub(super) async fn get(&self, sequence: u64) -> Result<Option<Stored>, PortError> {
        match self.stream.direct_get(sequence).await {
            Ok(message) => Stored::read(message).map(Some),
            Err(error) if error.kind() == DirectGetErrorKind::TimedOut => {
                Err(failure::unanswered(&format!("cannot read {}", self.name), error))
            }
            Err(_) => self.get_from_leader(sequence).await,
        }
    }

    /// The message at `sequence`, from the leader; `None` when it was purged or is not there yet.
    pub(super) async fn get_from_leader(&self, sequence: u64) -> Result<Option<Stored>, PortError> {
        let message = self.stream.get_raw_message(sequence).await;
        self.understand(message.map_err(|error| (error.kind(), error)))
    }

    /// The last message, from the leader; `None` when there is none, or no stream.
    pub(super) async fn last(&self) -> Result<Option<Stored>, PortError> {
        let message = self.stream.get_last_raw_message_by_subject(&self.subject).await;
        self.understand(message.map_err(|error| (error.kind(), error)))
    }

    fn understand<E>(
        &self,
        message: Result<StreamMessage, (RawMessageErrorKind, E)>,
    ) -> Result<Option<Stored>, PortError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let doing = || format!("cannot read {}", self.name);
        match message {
            Ok(message) => Stored::read(message).map(Some),
            Err((LastRawMessageErrorKind::NoMessageFound, _)) => Ok(None),
            Err((LastRawMessageErrorKind::JetStream(error), _))
                if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
            {
                Ok(None)
            }
            Err((LastRawMessageErrorKind::JetStream(error), _)) => Err(failure::refused(&doing(), error)),
            Err((_, error)) => Err(failure::unanswered(&doing(), error)),
        }
    }

    /// Forgets every message before `sequence`.
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

    pub(super) fn context(&self) -> &jetstream::Context {
        &self.context
    }
}
