//! The messages of a stream in order and without gaps, from a sequence on.
//!
//! The server pushes them to a consumer that exists only as long as its reader. If the consumer's
//! numbers show a gap, heartbeats stop, or the connection is lost, a new consumer starts after the
//! last delivered message. The ordered consumer of async-nats is similar, but it notices a dead
//! server later, starts from the beginning if it must restart before its first message, and
//! continues silently if the stream was deleted and created again.

use std::time::Duration;

use async_nats::header::NATS_LAST_CONSUMER;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, push};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::{self, Context, ErrorCode};
use async_nats::{Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::time::Instant;

use super::failure;
use earcon_ports::{ErrorKind, PortError};

/// Interval of the server's heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// After this long without any message, the consumer counts as lost.
const SILENCE: Duration = Duration::from_secs(3);
/// Pause between attempts to create a new consumer.
const PAUSE: Duration = Duration::from_millis(200);
/// Time limit of the first attempt to create a consumer. JetStream may give it to a server that is
/// frozen; the next attempt may get another. Each later attempt has [`MORE`] more, up to
/// [`AT_MOST`], in case the servers are only slow.
const AT_FIRST: Duration = Duration::from_secs(2);
const MORE: Duration = Duration::from_secs(1);
const AT_MOST: Duration = Duration::from_secs(5);
/// How long a start goes on trying while there is no answer.
const START_WITHIN: Duration = Duration::from_secs(10);

/// Where a reader starts.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    /// At this sequence, or at the first later one that still exists.
    Sequence(u64),
    /// With the last message of every subject.
    LastPerSubject,
}

/// A message and its position.
#[derive(Debug)]
pub(super) struct Delivered {
    pub(super) message: Message,
    /// Sequence in the stream.
    pub(super) sequence: u64,
    /// Messages waiting after it when it was sent.
    pub(super) pending: u64,
}

/// A reader of a stream.
pub(super) struct Ordered {
    reader: Reader,
    session: Session,
}

struct Reader {
    context: Context,
    stream: String,
    /// Creation time of the stream. Another creation time means another stream.
    created: i128,
    start: Start,
}

struct Session {
    subscriber: Subscriber,
    /// Number of the last message that the consumer sent.
    consumed: u64,
    /// Messages that existed at the start.
    pending: u64,
}

impl Ordered {
    /// Starts reading. Returns failures of this call; later failures of the server are retried.
    pub(super) async fn begin(context: Context, stream: String, start: Start) -> Result<Self, PortError> {
        let created = created(&context, &stream).await?;
        let reader = Reader { context, stream, created, start };
        let give_up = Instant::now() + START_WITHIN;
        let mut limit = AT_FIRST;
        loop {
            match within(limit, &reader.stream, reader.connect()).await {
                Ok(session) => return Ok(Self { reader, session }),
                Err(error) if error.kind == ErrorKind::Unavailable && Instant::now() < give_up => {
                    tokio::time::sleep(PAUSE).await;
                    limit = (limit + MORE).min(AT_MOST);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Messages that existed at the start.
    pub(super) fn pending(&self) -> u64 {
        self.session.pending
    }

    /// The next message. An error is final.
    pub(super) async fn next(&mut self) -> Result<Delivered, PortError> {
        loop {
            match tokio::time::timeout(SILENCE, self.session.subscriber.next()).await {
                Ok(Some(message)) => {
                    if let Some(delivered) = self.session.accept(&self.reader.context, message).await {
                        match delivered {
                            Ok(delivered) => {
                                self.reader.start = Start::Sequence(delivered.sequence + 1);
                                return Ok(delivered);
                            }
                            Err(Lost) => self.session = self.reader.reconnect().await?,
                        }
                    }
                }
                Ok(None) | Err(_) => self.session = self.reader.reconnect().await?,
            }
        }
    }

    /// All messages as a stream, which ends after an error.
    pub(super) fn into_stream(self) -> BoxStream<'static, Result<Delivered, PortError>> {
        futures_util::stream::unfold(Some(self), |ordered| async move {
            let mut ordered = ordered?;
            match ordered.next().await {
                Ok(delivered) => Some((Ok(delivered), Some(ordered))),
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }
}

/// The consumer must be created again.
struct Lost;

impl Session {
    /// A message of the stream, or `None` for a flow-control message.
    async fn accept(&mut self, context: &Context, message: Message) -> Option<Result<Delivered, Lost>> {
        match message.status {
            Some(StatusCode::IDLE_HEARTBEAT) => {
                let headers = message.headers.as_ref();
                let stalled = headers.and_then(|headers| headers.get("Nats-Consumer-Stalled"));
                for reply in [message.reply.as_ref().map(|reply| reply.as_str()), stalled.map(|value| value.as_str())] {
                    let Some(reply) = reply else { continue };
                    // A lost answer stalls the consumer. The next heartbeat requests it again.
                    if context.client().publish(reply.to_owned(), Bytes::new()).await.is_err() {
                        return Some(Err(Lost));
                    }
                }
                let sent = headers.and_then(|headers| headers.get(NATS_LAST_CONSUMER)).map(|sent| sent.as_str());
                sent.is_some_and(|sent| sent.parse() != Ok(self.consumed)).then_some(Err(Lost))
            }
            Some(_) => Some(Err(Lost)),
            None => {
                let message = jetstream::Message { message, context: context.clone() };
                let place =
                    message.info().ok().map(|info| (info.consumer_sequence, info.stream_sequence, info.pending));
                match place {
                    Some((consumed, sequence, pending)) if consumed == self.consumed + 1 => {
                        self.consumed = consumed;
                        Some(Ok(Delivered { message: message.message, sequence, pending }))
                    }
                    _ => Some(Err(Lost)),
                }
            }
        }
    }
}

impl Reader {
    /// Retries until there is a consumer again.
    async fn reconnect(&self) -> Result<Session, PortError> {
        tracing::debug!(stream = self.stream, "following again");
        let mut limit = AT_FIRST;
        loop {
            let attempt = match within(limit, &self.stream, created(&self.context, &self.stream)).await {
                Ok(created) if created != self.created => {
                    let text = format!("the stream {} was deleted and created again", self.stream);
                    return Err(PortError::new(ErrorKind::Invalid, text));
                }
                Ok(_) => within(limit, &self.stream, self.connect()).await,
                Err(error) => Err(error),
            };
            limit = (limit + MORE).min(AT_MOST);
            match attempt {
                Ok(session) => return Ok(session),
                Err(error) if error.kind == ErrorKind::Unavailable => {
                    tracing::debug!(stream = self.stream, %error, "cannot follow yet");
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn connect(&self) -> Result<Session, PortError> {
        let client = self.context.client();
        let inbox = client.new_inbox();
        let doing = format!("cannot follow {}", self.stream);
        let subscriber = client.subscribe(inbox.clone()).await.map_err(|error| failure::unanswered(&doing, error))?;
        let deliver_policy = match self.start {
            Start::Sequence(start_sequence) => DeliverPolicy::ByStartSequence { start_sequence: start_sequence.max(1) },
            Start::LastPerSubject => DeliverPolicy::LastPerSubject,
        };
        let config = push::Config {
            deliver_subject: inbox,
            deliver_policy,
            filter_subject: ">".to_owned(),
            ack_policy: AckPolicy::None,
            max_deliver: 1,
            flow_control: true,
            idle_heartbeat: HEARTBEAT,
            num_replicas: 1,
            memory_storage: true,
            inactive_threshold: Duration::from_secs(10),
            ..Default::default()
        };
        let made = self.context.create_consumer_on_stream(config, self.stream.as_str()).await;
        let consumer = made.map_err(|error| match error.kind() {
            jetstream::stream::ConsumerErrorKind::JetStream(error) => failure::refused(&doing, error),
            _ => failure::unanswered(&doing, error),
        })?;
        Ok(Session { subscriber, consumed: 0, pending: consumer.cached_info().num_pending })
    }
}

/// The result of `attempt`, or `Unavailable` after `limit`.
async fn within<T>(
    limit: Duration,
    stream: &str,
    attempt: impl Future<Output = Result<T, PortError>>,
) -> Result<T, PortError> {
    let late =
        || PortError::new(ErrorKind::Unavailable, format!("{stream}: no answer from JetStream within {limit:?}"));
    tokio::time::timeout(limit, attempt).await.unwrap_or_else(|_| Err(late()))
}

/// Creation time of the stream, nanoseconds.
async fn created(context: &Context, stream: &str) -> Result<i128, PortError> {
    let doing = format!("cannot find {stream}");
    let found = context.get_stream(stream).await.map_err(|error| match error.kind() {
        // Right after a restart the server may not have loaded its streams yet, so this is retried.
        GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
            PortError::caused(ErrorKind::Unavailable, format!("{doing}: it does not exist"), error)
        }
        GetStreamErrorKind::JetStream(error) => failure::refused(&doing, error),
        _ => failure::unanswered(&doing, error),
    })?;
    Ok(found.cached_info().created.unix_timestamp_nanos())
}
