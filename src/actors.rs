//! Who owns what state. One file an actor; each begins with what it owns, what a crash loses and what it restarts from.
//!
//! ```text
//! node root
//!  └─ workspace supervisor ── publishes routes, restarts streams
//!      ├─ KPI stream × K    scores
//!      ├─ log writer        assigns seq, commits groups, then acknowledges
//!      ├─ hub               live broadcast and the state after the newest event
//!      ├─ snapshotter       scoring state to the snapshot store
//!      ├─ cursor consumers  history to the series store, events to the publisher
//!      ├─ incidents         groups anomalies, decides whom to alert
//!      ├─ retention         forgets what is too old
//!      ├─ experiments       what is tried out, jobs that train detectors
//!      └─ mix               owns a render thread while somebody listens
//! ```
//! Streams are restarted one by one. When one of the others fails, the workspace supervisor fails with it and the node
//! opens the workspace again from the log, because the sequence and the live view must never disagree with it.

pub mod cluster;
pub mod consumer;
pub mod directory;
pub mod experiments;
pub mod hub;
pub mod incidents;
pub mod ingest;
pub mod log_writer;
pub mod mix;
pub mod node;
pub mod recovery;
pub mod remote;
pub mod retention;
pub mod snapshotter;
pub mod stream;
pub mod supervision;
pub mod workspace;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::services::mutes::MuteService;
use earcon_model::{Clock, KpiName, SeriesBatch, WorkspaceId};
use earcon_ports::{EventLog, MetaStore, Publisher, SeriesStore, SnapshotStore};
use earcon_streams::StreamSettings;

/// The storage behind the actors.
#[derive(Clone)]
pub struct Backends {
    /// What happened.
    pub event_log: Arc<dyn EventLog>,
    /// History for queries.
    pub series_store: Arc<dyn SeriesStore>,
    /// Settings people change.
    pub meta_store: Arc<dyn MetaStore>,
    /// Scoring state.
    pub snapshot_store: Arc<dyn SnapshotStore>,
    /// Who is told outside; `None` when nobody is.
    pub publisher: Option<Arc<dyn Publisher>>,
}

/// What every actor of a node is made with.
#[derive(Clone)]
pub struct Context {
    /// The storage.
    pub backends: Backends,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Limits and intervals.
    pub settings: Arc<Settings>,
    /// Whether a workspace belongs on this node; `None` when all do.
    pub tenancy: Option<Arc<dyn node::Tenancy>>,
    /// Which series alert nobody for a while.
    pub muting: MuteService,
    /// For tests that make actors fail.
    pub faults: Faults,
}

/// Limits and intervals of the actors.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Scoring.
    pub streams: Arc<StreamSettings>,
    /// … of workspaces with another time zone.
    pub streams_of: BTreeMap<WorkspaceId, Arc<StreamSettings>>,
    /// Most workspaces on this node.
    pub max_workspaces: usize,
    /// Most KPIs of a workspace.
    pub max_kpis: usize,
    /// Most samples of a workspace between the door and their commit.
    pub max_in_flight_samples: usize,
    /// How many group commits a live follower may be behind before it gets a gap.
    pub live_buffer: usize,
    /// How often a stream that has changed hands over its state.
    pub snapshot_every: Duration,
    /// How often history is made durable.
    pub flush_every: Duration,
    /// What is forgotten.
    pub retention: retention::RetentionSettings,
    /// Grouping of anomalies, and how many incidents a day are alerted.
    pub desk: crate::incidents::IncidentSettings,
    /// Restarts of streams.
    pub restart: supervision::RestartPolicy,
    /// How the default mix sounds until somebody changes it.
    pub mix: earcon_audio::MixSettings,
    /// How long a mix keeps running after the last listener left.
    pub mix_linger: Duration,
}

impl Settings {
    /// How samples of a workspace are scored.
    pub fn scoring(&self, workspace: &WorkspaceId) -> Arc<StreamSettings> {
        self.streams_of.get(workspace).unwrap_or(&self.streams).clone()
    }
}

/// Called before a batch is scored.
pub type BeforeScoring = Arc<dyn Fn(&KpiName, &[SeriesBatch]) + Send + Sync>;

/// Called before a shadow is shown a batch, in the time that is measured as its own.
pub type BeforeShadow = Arc<dyn Fn(&KpiName) + Send + Sync>;

/// Places where a test can make the pipeline fail. In production all of them are empty.
#[derive(Clone, Default)]
pub struct Faults {
    /// May panic.
    pub before_scoring: Option<BeforeScoring>,
    /// May panic or dawdle.
    pub before_shadow: Option<BeforeShadow>,
}
