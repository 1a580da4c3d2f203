//! The messages of the server on an event subscription.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::anomaly::Anomaly;
use crate::event::{Event, EventData};
use crate::incident::Incident;
use crate::series::Kpi;

/// The reason why a message could not be decoded.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A text message does not match the protocol.
    #[error("cannot decode a message of the server: {0}")]
    Json(serde_json::Error),
    /// A binary message does not match the protocol.
    #[error("cannot decode a binary message of the server: {0}")]
    MessagePack(rmp_serde::decode::Error),
}

/// A message of the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// The answer to a subscription.
    Subscribed(Subscribed),
    /// The complete state.
    Snapshot(Box<Snapshot>),
    /// An event.
    Event(Box<Event>),
    /// A range of events that were not sent.
    Gap(Gap),
    /// The binary events after this message are of this epoch.
    Epoch(Arc<str>),
    /// The server could not read a message of the client.
    Error {
        /// The kind of the error.
        title: String,
        /// The explanation.
        detail: String,
    },
    /// The answer to a ping.
    Pong,
    /// A message of a type that this version of the client does not know.
    Other(String),
}

/// The answer to a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribed {
    /// The newest event.
    pub seq: u64,
    /// The epoch that wrote it.
    pub epoch: Arc<str>,
    /// After a resume: whether all missed events follow. `None` if there was nothing to resume.
    pub recovered: Option<bool>,
}

/// The state after event `seq`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The newest event that the snapshot includes.
    pub seq: u64,
    /// The epoch that wrote it.
    pub epoch: Arc<str>,
    /// All KPIs that match the filter.
    pub kpis: Vec<Kpi>,
    /// The open anomalies.
    pub anomalies: Vec<Anomaly>,
    /// The open incidents.
    pub incidents: Vec<Incident>,
}

/// A range of events that were not sent, because the client read too slowly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first missing event.
    pub from: u64,
    /// The last missing event, inclusive.
    pub to: u64,
    /// The epoch of the position to resume from.
    pub epoch: Arc<str>,
    /// With a `rate`: the position to resume from, if it is not `from - 1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<u64>,
}

impl Message {
    /// Decodes a text message.
    ///
    /// # Errors
    /// If the text is not JSON or does not match the protocol.
    pub fn from_json(text: &str) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(borrow)]
            r#type: Cow<'a, str>,
        }
        #[derive(Deserialize)]
        struct ErrorBody {
            title: String,
            detail: String,
        }
        #[derive(Deserialize)]
        struct EpochBody {
            epoch: Arc<str>,
        }
        fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, DecodeError> {
            serde_json::from_str(text).map_err(DecodeError::Json)
        }
        Ok(match parse::<Kind>(text)?.r#type.as_ref() {
            "subscribed" => Message::Subscribed(parse(text)?),
            "snapshot" => Message::Snapshot(parse(text)?),
            "gap" => Message::Gap(parse(text)?),
            "epoch" => Message::Epoch(parse::<EpochBody>(text)?.epoch),
            "pong" => Message::Pong,
            "error" => {
                let ErrorBody { title, detail } = parse(text)?;
                Message::Error { title, detail }
            }
            other => match Event::from_json(text) {
                Ok(event) => Message::Event(Box::new(event)),
                Err(_) if !EventData::is_known(other) => Message::Other(other.to_owned()),
                Err(error) => return Err(error),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_survives_a_round_trip_through_json() {
        let text = r#"{"seq":7,"epoch":"e1","time":2000,"type":"samples","workspace":"local","subject":"kpi/checkout.revenue","kpi":"checkout.revenue","data":{"series":[{"labels":{"region":"eu"},"samples":[[1000,12.5,0.1,1.5,null,2.25]],"late":[[5,1.0]],"state":"warming","warming":{"seen":1,"needed":30},"features":null}]}}"#;
        let Message::Event(event) = Message::from_json(text).unwrap() else { panic!("not an event") };
        let EventData::Samples { series } = &event.data else { panic!("{event:?}") };
        assert_eq!((series[0].samples[0].score, series[0].samples[0].lower), (Some(0.1), None));
        assert_eq!(serde_json::to_string(&event).unwrap(), text);
    }

    #[test]
    fn unknown_event_and_message_types_are_accepted() {
        let text = r#"{"seq":7,"epoch":"e1","time":2000,"type":"kpi.renamed","workspace":"local","subject":"kpi/a","kpi":"a","data":{"to":"b"},"more":1}"#;
        let Message::Event(event) = Message::from_json(text).unwrap() else { panic!("not an event") };
        assert_eq!(event.kpi.as_deref(), Some("a"));
        assert_eq!(event.data.name(), "kpi.renamed");
        assert!(matches!(event.data, EventData::Other { .. }));
        let message = Message::from_json(r#"{"type":"weather","rain":1}"#).unwrap();
        assert_eq!(message, Message::Other("weather".into()));
    }

    #[test]
    fn invalid_messages_are_errors() {
        for text in ["", "7", "{}", r#"{"type":"samples"}"#, r#"{"type":"gap","from":1}"#] {
            assert!(Message::from_json(text).is_err(), "{text}");
        }
    }
}
