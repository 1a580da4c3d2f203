//! The messages of the server to a follower.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::anomaly::Anomaly;
use crate::event::{Event, EventData};
use crate::incident::Incident;
use crate::series::Kpi;

/// Why a message could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// A text message is not what the protocol says.
    #[error("a message of the server is not understood: {0}")]
    Json(serde_json::Error),
    /// A binary message is not what the protocol says.
    #[error("a binary message of the server is not understood: {0}")]
    MessagePack(rmp_serde::decode::Error),
}

/// A message of the server.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// The answer to a subscription.
    Subscribed(Subscribed),
    /// The whole state.
    Snapshot(Box<Snapshot>),
    /// An event.
    Event(Box<Event>),
    /// Events that were not sent.
    Gap(Gap),
    /// A message of the client was not understood.
    Error {
        /// In general.
        title: String,
        /// In particular.
        detail: String,
    },
    /// The answer to a ping.
    Pong,
    /// Of a type this version of the client does not know.
    Other(String),
}

/// The answer to a subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribed {
    /// The newest event.
    pub seq: u64,
    /// The epoch of the log.
    pub epoch: Arc<str>,
    /// After a resume: whether all missed events follow. `None` if there was nothing to recover.
    pub recovered: Option<bool>,
}

/// The state after event `seq`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The newest event it includes.
    pub seq: u64,
    /// The epoch of the log.
    pub epoch: Arc<str>,
    /// All KPIs the filter admits.
    pub kpis: Vec<Kpi>,
    /// Those that are open.
    pub anomalies: Vec<Anomaly>,
    /// Those that are open.
    pub incidents: Vec<Incident>,
}

/// Events `from` to `to` inclusive were not sent, because the client read too slowly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The first event missing.
    pub from: u64,
    /// The last event missing.
    pub to: u64,
    /// Under a `rate`: where to resume, when that is not `from - 1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<u64>,
}

impl Message {
    /// Reads a text message.
    ///
    /// # Errors
    /// It is not JSON, or not a message of the protocol.
    pub fn from_json(text: &str) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        struct Kind<'a> {
            #[serde(borrow)]
            r#type: Cow<'a, str>,
        }
        #[derive(Deserialize)]
        struct Complaint {
            title: String,
            detail: String,
        }
        fn of<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, DecodeError> {
            serde_json::from_str(text).map_err(DecodeError::Json)
        }
        Ok(match of::<Kind>(text)?.r#type.as_ref() {
            "subscribed" => Message::Subscribed(of(text)?),
            "snapshot" => Message::Snapshot(of(text)?),
            "gap" => Message::Gap(of(text)?),
            "pong" => Message::Pong,
            "error" => {
                let Complaint { title, detail } = of(text)?;
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
    fn events_are_typed_and_written_as_they_came() {
        let text = r#"{"seq":7,"epoch":"e1","time":2000,"type":"samples","workspace":"local","subject":"kpi/checkout.revenue","kpi":"checkout.revenue","data":{"series":[{"labels":{"region":"eu"},"samples":[[1000,12.5,0.1,1.5,null,2.25]],"late":[[5,1.0]],"state":"warming","warming":{"seen":1,"needed":30},"features":null}]}}"#;
        let Message::Event(event) = Message::from_json(text).unwrap() else { panic!("not an event") };
        let EventData::Samples { series } = &event.data else { panic!("{event:?}") };
        assert_eq!((series[0].samples[0].score, series[0].samples[0].lower), (Some(0.1), None));
        assert_eq!(serde_json::to_string(&event).unwrap(), text);
    }

    #[test]
    fn what_is_new_does_not_break_what_is_old() {
        let text = r#"{"seq":7,"epoch":"e1","time":2000,"type":"kpi.renamed","workspace":"local","subject":"kpi/a","kpi":"a","data":{"to":"b"},"more":1}"#;
        let Message::Event(event) = Message::from_json(text).unwrap() else { panic!("not an event") };
        assert_eq!(event.kpi.as_deref(), Some("a"));
        assert_eq!(event.data.name(), "kpi.renamed");
        assert!(matches!(event.data, EventData::Other { .. }));
        let message = Message::from_json(r#"{"type":"weather","rain":1}"#).unwrap();
        assert_eq!(message, Message::Other("weather".into()));
    }

    #[test]
    fn nonsense_is_an_error() {
        for text in ["", "7", "{}", r#"{"type":"samples"}"#, r#"{"type":"gap","from":1}"#] {
            assert!(Message::from_json(text).is_err(), "{text}");
        }
    }
}
