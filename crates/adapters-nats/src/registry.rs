//! The cluster's table in a JetStream key-value bucket. `nats kv` shows it.
//!
//! Reads go to the bucket's leader: a replica may be behind, and a lease must not be checked
//! against an old value. Every write is repeated with one message id until the server answers, so a
//! lost answer never causes a second write.

use std::time::Duration;

use async_nats::header::{HeaderMap, NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_MESSAGE_ID};
use async_nats::jetstream::context::{ContextBuilder, GetStreamErrorKind, KeyValueErrorKind};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{Context, ErrorCode, kv};
use async_nats::{Client, Message};
use async_trait::async_trait;
use futures_util::StreamExt;

use super::failure;
use super::ordered::{Ordered, Start};
use super::publish::{Outgoing, Patience, Refusal, publish};
use super::repeat::repeated;
use earcon_ports::{Change, ErrorKind, PortError, Registry, Revision, Watch};

/// The default bucket of Earcon.
pub const BUCKET: &str = "earcon_cluster";

const MAX_KEY: usize = 200;
const MAX_VALUE: usize = 64 << 10;
/// Limits for one write. It gives up sooner than the log does, because a lease lasts only seconds.
const PATIENCE: Patience = Patience { each: Duration::from_secs(1), all: Duration::from_secs(5) };
const API_TIMEOUT: Duration = Duration::from_secs(5);

const OPERATION: &str = "KV-Operation";
const DELETED: &str = "DEL";

/// A table in a bucket.
#[derive(Debug, Clone)]
pub struct NatsRegistry {
    client: Client,
    context: Context,
    stream: Stream,
    prefix: String,
}

impl NatsRegistry {
    /// Opens `bucket`, and creates it with `replicas` copies if there is none.
    ///
    /// # Errors
    /// `Unavailable` when JetStream cannot be reached, is not enabled or has no room. `Invalid`
    /// when it refuses the settings.
    pub async fn open(client: Client, bucket: &str, replicas: usize) -> Result<Self, PortError> {
        let context = ContextBuilder::new().timeout(API_TIMEOUT).build(client.clone());
        let doing = format!("cannot open the bucket {bucket}");
        let store = match context.get_key_value(bucket).await {
            Ok(store) => store,
            Err(error) if error.kind() == KeyValueErrorKind::GetBucket => {
                make(&context, bucket, replicas, &doing).await?
            }
            Err(error) => return Err(PortError::caused(ErrorKind::Invalid, doing, error)),
        };
        Ok(Self { client, context, stream: store.stream, prefix: store.prefix })
    }

    /// The last message under `key`, from the leader: a value or a delete marker.
    async fn last(&self, key: &str) -> Result<Option<StreamMessage>, PortError> {
        let doing = format!("cannot read {key}");
        let subject = self.subject(key);
        let answer = repeated(
            &doing,
            || self.stream.get_last_raw_message_by_subject(&subject),
            |error| matches!(error.kind(), LastRawMessageErrorKind::Other),
        );
        match answer.await? {
            Ok(message) => Ok(Some(message)),
            Err(error) => match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => Ok(None),
                LastRawMessageErrorKind::JetStream(error) => Err(failure::refused(&doing, error)),
                _ => Err(failure::unanswered(&doing, error)),
            },
        }
    }

    /// Writes under `key`, if its last message is the `expected` one. Otherwise returns `Ok(None)`.
    async fn write(
        &self,
        key: &str,
        expected: Option<Revision>,
        marker: Option<&'static str>,
        value: Vec<u8>,
    ) -> Result<Option<Revision>, PortError> {
        let mut headers = HeaderMap::new();
        if let Some(expected) = expected {
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
        }
        if let Some(marker) = marker {
            headers.insert(OPERATION, marker);
        }
        let id = uuid::Uuid::new_v4().simple().to_string();
        let message = Outgoing { subject: self.subject(key), id, headers, payload: value.into() };
        match publish(&self.client, &message, PATIENCE).await {
            Ok(revision) => Ok(Some(revision)),
            Err(Refusal::WrongLast) => {
                let last = self.last(key).await?;
                let ours =
                    last.filter(|last| last.headers.get(NATS_MESSAGE_ID).is_some_and(|id| id.as_str() == message.id));
                Ok(ours.map(|last| last.sequence))
            }
            Err(Refusal::Full(error)) => Err(failure::refused("the bucket is full", error)),
            Err(Refusal::Denied(error) | Refusal::Unknown(error)) => Err(error),
        }
    }

    fn subject(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

async fn make(context: &Context, bucket: &str, replicas: usize, doing: &str) -> Result<kv::Store, PortError> {
    let config = kv::Config {
        bucket: bucket.to_owned(),
        description: "Who is in the Earcon cluster and who owns which workspace".to_owned(),
        history: 1,
        // The server counts the headers too.
        max_value_size: MAX_VALUE as i32 + 4_096,
        num_replicas: replicas,
        ..Default::default()
    };
    let Err(error) = context.create_key_value(config).await else {
        return context.get_key_value(bucket).await.map_err(|error| failure::unanswered(doing, error));
    };
    // Another node may have created it at the same time, with other settings.
    match context.get_stream(format!("KV_{bucket}")).await {
        Ok(_) => context.get_key_value(bucket).await.map_err(|error| failure::unanswered(doing, error)),
        Err(found) => match found.kind() {
            GetStreamErrorKind::JetStream(found) if found.error_code() != ErrorCode::STREAM_NOT_FOUND => {
                Err(failure::refused(doing, found))
            }
            _ => Err(failure::unanswered(doing, error)),
        },
    }
}

fn check(key: &str) -> Result<(), PortError> {
    let legal = key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-=".contains(&b));
    // Dots separate the tokens of a subject, and no token may be empty.
    if legal && key.len() <= MAX_KEY && key.split('.').all(|token| !token.is_empty()) {
        return Ok(());
    }
    Err(PortError::new(ErrorKind::Invalid, format!("{key:?} is no key of the registry")))
}

fn check_value(key: &str, value: &[u8]) -> Result<(), PortError> {
    check(key)?;
    if value.len() <= MAX_VALUE {
        return Ok(());
    }
    Err(PortError::new(ErrorKind::Invalid, format!("the value of {key} is larger than {MAX_VALUE} bytes")))
}

fn is_delete_marker(headers: &HeaderMap) -> bool {
    headers.get(OPERATION).is_some_and(|operation| operation.as_str() != "PUT")
}

#[async_trait]
impl Registry for NatsRegistry {
    async fn get(&self, key: &str) -> Result<Option<(Revision, Vec<u8>)>, PortError> {
        check(key)?;
        let last = self.last(key).await?.filter(|last| !is_delete_marker(&last.headers));
        Ok(last.map(|last| (last.sequence, last.payload.to_vec())))
    }

    async fn put(&self, key: &str, value: Vec<u8>) -> Result<Revision, PortError> {
        check_value(key, &value)?;
        self.write(key, None, None, value).await?.ok_or_else(|| conflict(key))
    }

    async fn compare_and_set(&self, key: &str, expected: Revision, value: Vec<u8>) -> Result<Revision, PortError> {
        check_value(key, &value)?;
        if let Some(revision) = self.write(key, Some(expected), None, value.clone()).await? {
            return Ok(revision);
        }
        // A delete marker is the last message of its key, although there is no entry.
        let marker = match expected {
            0 => self.last(key).await?.filter(|last| is_delete_marker(&last.headers)),
            _ => None,
        };
        let Some(marker) = marker else { return Err(conflict(key)) };
        self.write(key, Some(marker.sequence), None, value).await?.ok_or_else(|| conflict(key))
    }

    async fn delete(&self, key: &str) -> Result<(), PortError> {
        if self.get(key).await?.is_none() {
            return Ok(());
        }
        self.write(key, None, Some(DELETED), Vec::new()).await.map(|_| ())
    }

    async fn watch(&self) -> Result<Watch, PortError> {
        let stream = self.stream.cached_info().config.name.clone();
        let ordered = Ordered::begin(self.context.clone(), stream, Start::LastPerSubject).await?;
        let empty = ordered.pending() == 0;
        let prefix = self.prefix.clone();
        let changes = ordered.into_stream().scan(empty, move |synced, delivered| {
            let changes = delivered.map(|delivered| {
                let last = !*synced && delivered.pending == 0;
                // Delete markers before `Synced` concern entries that the watch never reported.
                let change = change(&prefix, delivered.sequence, delivered.message)
                    .filter(|change| *synced || matches!(change, Change::Put { .. }));
                *synced |= last;
                [change, last.then_some(Change::Synced)]
            });
            std::future::ready(Some(changes))
        });
        let changes = changes.flat_map(|changes| {
            futures_util::stream::iter(match changes {
                Ok(changes) => changes.into_iter().flatten().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            })
        });
        let before = futures_util::stream::iter(empty.then_some(Ok(Change::Synced)));
        Ok(before.chain(changes).boxed())
    }
}

fn change(prefix: &str, revision: Revision, message: Message) -> Option<Change> {
    let key = message.subject.strip_prefix(prefix)?.to_owned();
    if message.headers.as_ref().is_some_and(is_delete_marker) {
        return Some(Change::Deleted { key });
    }
    Some(Change::Put { key, revision, value: message.payload.to_vec() })
}

fn conflict(key: &str) -> PortError {
    PortError::new(ErrorKind::Conflict, format!("another node has changed {key}"))
}

#[cfg(test)]
mod tests;
