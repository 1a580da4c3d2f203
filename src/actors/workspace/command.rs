//! Everything a workspace can be asked to do, on whatever node it runs.
//!
//! A command is a type with the type of its reply. On the owner it is executed by its
//! [handler](super::handlers::CommandHandler). From another node it travels as it is, and its reply
//! comes back as it is. A new command takes three places: its type here, its handler, and the route
//! that sends it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::actors::admission::{IngestError, Receipt};
use crate::actors::mix::{MixChange, MixView};
use earcon_audio::Voice;
use earcon_model::{Acknowledgement, Anomaly, Arrival, Deletion, Feedback, FeedbackOutcome, KpiBatch, KpiName, Seq};
use earcon_ports::{ErrorKind, PortError, Revision};

/// Something a workspace can be asked to do.
pub trait Command: Into<AnyCommand> + Send {
    /// The answer.
    type Reply: Serialize + DeserializeOwned + Send;
}

/// Why a command has no reply. The variants say whether it may have been executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum OwnerError {
    /// The workspace is being opened again or closed. Nothing was done.
    #[error("the workspace is restarting; try again in a second")]
    Unavailable,
    /// The workspace was without an owner for too long, or kept restarting. Nothing was done.
    #[error("the workspace is moving between nodes; try again in a second")]
    NoOwner,
    /// The command may have been executed.
    #[error("the node that owns the workspace did not answer; it may have done what was asked")]
    Unknown,
    /// The owner runs another version of the program. Nothing was done.
    #[error("the node that owns the workspace runs another version and did not understand")]
    NotUnderstood,
}

/// Lists each command with its reply.
macro_rules! commands {
    ($($command:ident -> $reply:ty,)+) => {
        /// Any command, as nodes send it to each other.
        #[derive(Debug, Serialize, Deserialize)]
        pub enum AnyCommand {
            $(#[doc = concat!("See [`", stringify!($command), "`].")] $command($command),)+
        }
        $(
            impl Command for $command {
                type Reply = $reply;
            }
            impl From<$command> for AnyCommand {
                fn from(command: $command) -> Self {
                    AnyCommand::$command(command)
                }
            }
        )+
    };
}

commands! {
    Ingest -> Result<Ingested, IngestError>,
    Acknowledge -> Acknowledgement,
    RecordFeedback -> Feedback,
    ResumeKpi -> bool,
    Delete -> Option<Deleted>,
    DescribeMix -> MixView,
    ChangeMix -> Result<MixView, MixNotChanged>,
    ExtendAudioLease -> AudioFormat,
    WakeExperiments -> (),
    DescribeStatus -> WorkspaceStatus,
}

/// Takes samples in and answers after their commit.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ingest {
    /// The samples.
    pub batches: Vec<KpiBatch>,
    /// Live, or history.
    pub arrival: Arrival,
}

/// What became of ingested samples.
#[derive(Debug, Serialize, Deserialize)]
pub struct Ingested {
    /// The receipt.
    pub receipt: Receipt,
    /// The epoch that wrote them.
    pub epoch: String,
}

/// Records that a person has seen an anomaly. Answers with the record, after the commit.
#[derive(Debug, Serialize, Deserialize)]
pub struct Acknowledge {
    /// The anomaly.
    pub anomaly: Box<Anomaly>,
    /// The principal.
    pub by: String,
    /// A remark.
    pub note: Option<String>,
}

/// Records a person's feedback on an anomaly. Answers with the record, after the commit.
#[derive(Debug, Serialize, Deserialize)]
pub struct RecordFeedback {
    /// The anomaly.
    pub anomaly: Box<Anomaly>,
    /// Whether the anomaly was real.
    pub outcome: FeedbackOutcome,
    /// The principal.
    pub by: String,
    /// A remark.
    pub note: Option<String>,
}

/// Starts a parked KPI again. Answers whether it was parked.
#[derive(Debug, Serialize, Deserialize)]
pub struct ResumeKpi {
    /// The KPI.
    pub kpi: KpiName,
}

/// Deletes some or all of a KPI. Answers after the commit, `None` if there is no such KPI.
#[derive(Debug, Serialize, Deserialize)]
pub struct Delete {
    /// The KPI.
    pub kpi: KpiName,
    /// What goes.
    pub deletion: Deletion,
}

/// A deletion that the log holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// Its event.
    pub seq: Seq,
    /// The epoch that wrote the event.
    pub epoch: String,
    /// How many series it concerned.
    pub series: u64,
    /// Whether history has carried it out. If not, that goes on by itself.
    pub done: bool,
}

/// Reads settings and state of the default mix.
#[derive(Debug, Serialize, Deserialize)]
pub struct DescribeMix;

/// Changes the default mix for all listeners, durably.
#[derive(Debug, Serialize, Deserialize)]
pub struct ChangeMix {
    /// The change.
    pub change: MixChange,
    /// If given, the change is made only if this is still the revision.
    pub expected: Option<Revision>,
}

/// Why a change of the mix was not saved.
#[derive(Debug, Serialize, Deserialize)]
pub enum MixNotChanged {
    /// It has another revision than expected.
    Conflict(String),
    /// The store has no room.
    Full(String),
    /// The store failed.
    Store(String),
}

impl From<PortError> for MixNotChanged {
    fn from(error: PortError) -> Self {
        match error.kind {
            ErrorKind::Conflict => MixNotChanged::Conflict(error.to_string()),
            ErrorKind::StorageFull => MixNotChanged::Full(error.to_string()),
            ErrorKind::Unavailable | ErrorKind::Corrupt | ErrorKind::Invalid => MixNotChanged::Store(error.to_string()),
        }
    }
}

impl From<MixNotChanged> for PortError {
    fn from(error: MixNotChanged) -> Self {
        match error {
            MixNotChanged::Conflict(text) => PortError::new(ErrorKind::Conflict, text),
            MixNotChanged::Full(text) => PortError::new(ErrorKind::StorageFull, text),
            MixNotChanged::Store(text) => PortError::new(ErrorKind::Unavailable, text),
        }
    }
}

/// Has the owner publish the audio of its mix to other nodes for a while longer.
#[derive(Debug, Serialize, Deserialize)]
pub struct ExtendAudioLease;

/// What a listener must know before the first packet.
#[derive(Debug, Serialize, Deserialize)]
pub struct AudioFormat {
    /// Samples at 48 kHz a decoder has to skip at its start.
    pub pre_skip: u16,
    /// The voices that sound now.
    pub voices: Vec<Voice>,
}

/// Has the owner read the records of experiments and training jobs again, because they have
/// changed.
#[derive(Debug, Serialize, Deserialize)]
pub struct WakeExperiments;

/// Reads how far the workspace is.
#[derive(Debug, Serialize, Deserialize)]
pub struct DescribeStatus;

/// How far a workspace is.
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
