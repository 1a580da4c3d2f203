//! What nodes say to one another, as bytes. A version in front, so that nodes of different versions notice instead of
//! misunderstanding each other.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::actors::ingest::{IngestError, Receipt};
use crate::actors::mix::{MixChange, MixView};
use earcon_audio::{Cue, Voice};
use earcon_model::{Acknowledgement, Anomaly, Arrival, Feedback, FeedbackOutcome, KpiBatch, KpiName, Seq};

const VERSION: u8 = 3;

/// A question to the owner of a workspace.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Take these samples in.
    Ingest(Vec<KpiBatch>, Arrival),
    /// Somebody has seen this anomaly.
    Acknowledge {
        /// The anomaly.
        anomaly: Box<Anomaly>,
        /// Who.
        by: String,
        /// What they said.
        note: Option<String>,
    },
    /// Start a parked KPI again.
    Resume(KpiName),
    /// How does the mix stand?
    DescribeMix,
    /// Change the mix, if its revision is this.
    ChangeMix(MixChange, Option<u64>),
    /// Somebody listens here; call the sound out for a while.
    Listen,
    /// How does the workspace stand?
    Status,
    /// The records of its experiments and jobs have changed.
    Experiments,
    /// Somebody said what this anomaly was.
    Judge {
        /// The anomaly.
        anomaly: Box<Anomaly>,
        /// What it was.
        outcome: FeedbackOutcome,
        /// Who.
        by: String,
        /// What they said.
        note: Option<String>,
    },
}

/// The owner's answer.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// What became of the samples, and the log's epoch.
    Ingested(Receipt, String),
    /// Nothing of the samples was taken.
    Refused(IngestError),
    /// What was recorded.
    Acknowledged(Acknowledgement),
    /// Whether the KPI was parked.
    Resumed(bool),
    /// The mix.
    Mix(Box<MixView>),
    /// The mix was changed by somebody else first.
    MixConflict(String),
    /// Samples at 48 kHz to skip, and the voices that sound.
    Listening(u16, Vec<Voice>),
    /// How the workspace stands.
    Status(WorkspaceStatus),
    /// It is restarting or closing; nothing was done.
    Unavailable,
    /// The question was not understood.
    NotUnderstood,
    /// It was heard.
    AudioMessage,
    /// What was recorded of a verdict.
    Judged(Feedback),
}

/// How a workspace stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkspaceStatus {
    /// The newest event.
    pub seq: Seq,
    /// How many KPIs it has.
    pub kpis: u64,
    /// How many of them are parked.
    pub parked: u64,
    /// How many events history is behind.
    pub history_lag: u64,
}

/// Sound, called out to all nodes with listeners.
#[derive(Debug, Serialize, Deserialize)]
pub enum AudioMessage {
    /// 20 ms of Opus with its number.
    Packet(u64, Bytes),
    /// The set of sounding voices has changed.
    Voices(Vec<Voice>),
    /// A cue begins with the next packet.
    Cue(Cue),
}

/// Bytes for a message.
///
/// # Errors
/// Never for the types here; the encoder's error is passed on as text.
pub fn encode<T: Serialize>(message: &T) -> Result<Bytes, String> {
    postcard::to_extend(message, vec![VERSION]).map(Bytes::from).map_err(|error| error.to_string())
}

/// A message from bytes; `None` when it is of another version or damaged.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => postcard::from_bytes(rest).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use earcon_audio::{MixSettings, Mode};
    use earcon_model::{Labels, Reading, Sample, SeriesBatch};

    #[test]
    fn messages_come_back_as_they_were() {
        let kpi = KpiName::new("a.b").unwrap();
        let rows = vec![(7, Sample { timestamp_ms: -5, value: 0.1 })];
        let labels = Labels::parse("k:v").unwrap();
        let series =
            SeriesBatch { reading: Reading::Counter, ended_at_ms: Some(3), ..SeriesBatch::gauge(labels, rows) };
        let batch = KpiBatch { kpi: kpi.clone(), series: vec![series] };
        let bytes = encode(&Request::Ingest(vec![batch.clone()], Arrival::Backfill)).unwrap();
        assert!(matches!(decode(&bytes), Some(Request::Ingest(batches, Arrival::Backfill)) if batches == [batch]));
        let view = MixView {
            settings: MixSettings { mode: Mode::Cues, ..MixSettings::default() },
            revision: 3,
            listeners: 1,
            running: true,
            sounding: Arc::default(),
        };
        let bytes = encode(&Answer::Mix(Box::new(view.clone()))).unwrap();
        assert!(
            matches!(decode(&bytes), Some(Answer::Mix(back)) if back.settings == view.settings && back.revision == 3)
        );
    }

    #[test]
    fn other_versions_and_damage_are_noticed() {
        let mut bytes = encode(&Request::Status).unwrap().to_vec();
        bytes[0] = VERSION + 1;
        assert!(decode::<Request>(&bytes).is_none());
        assert!(decode::<Request>(&[]).is_none());
        assert!(decode::<Request>(&[VERSION, 200]).is_none());
    }
}
