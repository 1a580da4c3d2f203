//! What a message says: its rows, and whether they are history.

use async_nats::Message;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tokio::sync::OwnedSemaphorePermit;

use crate::gateway::http::media_type::MediaType;
use crate::gateway::http::problem::Problem;
use crate::gateway::ingest::parse::parse_native;
use crate::gateway::ingest::state::IngestState;
use earcon_intake::{ParsedBatch, without_bom};
use earcon_model::Arrival;
use earcon_tenancy::WorkspacePass;

/// A message with its share of the bound on pending messages.
pub(super) struct Pending {
    /// The message.
    pub(super) message: Message,
    _permit: OwnedSemaphorePermit,
}

impl Pending {
    /// Holds the share until it is dropped.
    pub(super) fn new(message: Message, permit: OwnedSemaphorePermit) -> Self {
        Self { message, _permit: permit }
    }
}

/// Parses the payload.
///
/// # Errors
/// Those of [`parse_native`].
pub(super) async fn parse(
    state: &IngestState,
    pass: &WorkspacePass,
    message: &Message,
) -> Result<ParsedBatch, Problem> {
    let content_type = match header(message, "content-type") {
        Some(named) => MediaType::parse(named).essence().to_owned(),
        None => guess(&message.payload).to_owned(),
    };
    parse_native(state, pass, &content_type, &message.payload).await
}

/// How the samples arrive. `Earcon-Backfill: true` corresponds to `?backfill=true` over HTTP.
pub(super) fn arrival(message: &Message) -> Arrival {
    match header(message, "earcon-backfill") {
        Some(text) if text.trim().eq_ignore_ascii_case("true") => Arrival::Backfill,
        _ => Arrival::Live,
    }
}

/// NATS keeps the case of header names, and senders write them in several ways.
fn header<'a>(message: &'a Message, wanted: &str) -> Option<&'a str> {
    let mut named = message.headers.as_ref()?.iter().filter(|(name, _)| name.to_string().eq_ignore_ascii_case(wanted));
    named.find_map(|(_, values)| values.first().map(|value| value.as_str()))
}

/// The content type of a body without one: NDJSON when the first line is a row, else a document.
fn guess(body: &Bytes) -> &'static str {
    #[derive(Deserialize)]
    struct Row {
        #[serde(rename = "kpi")]
        _kpi: IgnoredAny,
    }
    let first = without_bom(body).trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    if serde_json::from_slice::<Row>(first).is_ok() { "application/x-ndjson" } else { "application/json" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_decides_the_type_of_a_body_without_one() {
        let row = r#"{"kpi": "a", "value": 1}"#;
        assert_eq!(guess(&format!("\n{row}\n{row}\n").into()), "application/x-ndjson");
        assert_eq!(guess(&Bytes::from(row)), "application/x-ndjson");
        assert_eq!(guess(&format!("{{\"samples\": [{row}]}}").into()), "application/json");
        assert_eq!(guess(&format!("{{\n\"samples\": [{row},\n{row}]}}").into()), "application/json");
        assert_eq!(guess(&format!("\u{feff}{row}\n{row}\n").into()), "application/x-ndjson");
        assert_eq!(guess(&Bytes::from("nonsense")), "application/json");
        assert_eq!(guess(&Bytes::new()), "application/json");
    }
}
