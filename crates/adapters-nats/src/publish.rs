//! Publishes one message into a stream. Repeats it until the outcome is known.

use std::time::Duration;

use async_nats::client::Request;
use async_nats::header::{HeaderMap, NATS_MESSAGE_ID};
use async_nats::jetstream::{Error, ErrorCode};
use async_nats::{Client, RequestErrorKind};
use bytes::Bytes;
use serde::Deserialize;
use tokio::time::Instant;

use super::failure;
use earcon_ports::PortError;

/// The pause before the first repetition; it doubles up to [`PAUSE_CAP`].
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_CAP: Duration = Duration::from_millis(500);

/// Time limits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Wait for one acknowledgement before the message is sent again.
    pub(super) each: Duration,
    /// Wait for all attempts together.
    pub(super) all: Duration,
}

/// One message. Each repetition has the same `id`, so that the server keeps only one copy.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) subject: String,
    pub(super) id: String,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
}

/// Why a stream has not stored a message.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The expected sequence is not the stream's. After a repetition, an earlier copy of the
    /// message may be the cause. The caller has to check.
    WrongLast,
    /// The stream, the account or the server is full. The stream does not have the message.
    Full(Error),
    /// The server refuses the message and has not stored it.
    Denied(PortError),
    /// It is unknown whether the stream has the message.
    Unknown(PortError),
}

#[derive(Deserialize)]
struct Answer {
    error: Option<Error>,
    #[serde(default)]
    seq: u64,
}

/// Sends until there is a clear answer, at most for `patience.all`. Returns the message's sequence
/// in the stream.
pub(super) async fn publish(client: &Client, message: &Outgoing, patience: Patience) -> Result<u64, Refusal> {
    let deadline = Instant::now() + patience.all;
    let mut headers = message.headers.clone();
    headers.insert(NATS_MESSAGE_ID, message.id.as_str());
    let mut pause = PAUSE;
    loop {
        let request =
            Request::new().headers(headers.clone()).payload(message.payload.clone()).timeout(Some(patience.each));
        let failure = match client.send_request(message.subject.clone(), request).await {
            Ok(response) => match understand(&response.payload) {
                Ok(Ok(sequence)) => return Ok(sequence),
                Ok(Err(error)) => match classify(error) {
                    Ok(refusal) => return Err(refusal),
                    Err(error) => failure::refused("JetStream cannot store a message now", error),
                },
                Err(error) => failure::unanswered("a message was not acknowledged", error),
            },
            Err(error) if error.kind() == RequestErrorKind::MaxPayloadExceeded => {
                let text = "a message is larger than max_payload of nats-server";
                return Err(Refusal::Denied(PortError::caused(earcon_ports::ErrorKind::Invalid, text, error)));
            }
            Err(error) => failure::unanswered("a message was not acknowledged", error),
        };
        if Instant::now() + pause >= deadline {
            return Err(Refusal::Unknown(failure));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_CAP);
    }
}

fn understand(payload: &[u8]) -> Result<Result<u64, Error>, serde_json::Error> {
    let answer: Answer = serde_json::from_slice(payload)?;
    Ok(match answer.error {
        Some(error) => Err(error),
        None => Ok(answer.seq),
    })
}

/// The refusal that an error answer means; `Err` if a repetition may help.
fn classify(error: Error) -> Result<Refusal, Error> {
    match error.error_code() {
        ErrorCode::STREAM_WRONG_LAST_SEQUENCE | ErrorCode::STREAM_WRONG_LAST_SEQUENCE_CONSTANT => {
            Ok(Refusal::WrongLast)
        }
        // "maximum bytes exceeded" has the code of all storage failures. The others may be
        // temporary, or may have stored the message.
        ErrorCode::STREAM_STORE_FAILED if error.to_string().contains("maximum") => Ok(Refusal::Full(error)),
        code if failure::is_out_of_room(code) => Ok(Refusal::Full(error)),
        // An earlier copy is being replicated right now.
        ErrorCode::STREAM_DUPLICATE_MESSAGE_CONFLICT | ErrorCode::STREAM_TOO_MANY_REQUESTS => Err(error),
        _ if error.code() >= 500 => Err(error),
        _ => Ok(Refusal::Denied(failure::refused("JetStream does not take a message", error))),
    }
}
