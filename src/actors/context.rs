//! What each actor of a node is made with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::log_health::LogHealth;
use super::series_budget::SeriesBudget;
use super::snapshot_turns::SnapshotTurns;
use super::supervision::RestartPolicy;
use crate::incidents::IncidentSettings;
use crate::services::clock_health::ClockHealth;
use crate::services::meanings::MeaningService;
use crate::services::mutes::MuteService;
use crate::services::storage_health::StorageHealth;
use earcon_audio::MixSettings;
use earcon_model::{Clock, KpiName, SeriesBatch, WorkspaceId};
use earcon_ports::{EventLog, MetaStore, NodeTransport, PortError, Publisher, SeriesStore, SnapshotStore};
use earcon_streams::StreamSettings;
use earcon_tenancy::{Authorizer, WorkspacePass};

/// The storage behind the actors.
#[derive(Clone)]
pub struct Backends {
    /// The log of events.
    pub event_log: Arc<dyn EventLog>,
    /// History for queries.
    pub series_store: Arc<dyn SeriesStore>,
    /// Records that people change.
    pub meta_store: Arc<dyn MetaStore>,
    /// Scoring state.
    pub snapshot_store: Arc<dyn SnapshotStore>,
    /// Publishes events to subscribers outside; `None` if that is off.
    pub publisher: Option<Arc<dyn Publisher>>,
}

/// What each actor of a node is made with.
#[derive(Clone)]
pub struct Context {
    /// The storage.
    pub backends: Backends,
    /// Wall time. Of a workspace: time of its log, which never goes back.
    pub clock: Arc<dyn Clock>,
    /// Wall time, also when it goes back.
    pub wall: Arc<dyn Clock>,
    /// Whether the wall clock jumped.
    pub clock_health: ClockHealth,
    /// The memory of KPIs and series.
    pub series_budget: SeriesBudget,
    /// Limits and intervals.
    pub settings: Arc<Settings>,
    /// Gives the passes under which this node opens its own workspaces.
    pub authorizer: Authorizer,
    /// Says which workspaces belong on this node; `None` if all do.
    pub placement: Option<Arc<dyn Placement>>,
    /// Carries audio to other nodes; `None` without a cluster.
    pub transport: Option<Arc<dyn NodeTransport>>,
    /// Whether the log answers.
    pub log_health: LogHealth,
    /// The mutes of all workspaces.
    pub mutes: MuteService,
    /// Units and descriptions of the KPIs of all workspaces.
    pub meanings: MeaningService,
    /// Whether the storage of this node takes new samples.
    pub storage: StorageHealth,
    /// Bounds the snapshots that are on their way.
    pub snapshot_turns: SnapshotTurns,
    /// Failures that tests inject.
    pub faults: Faults,
}

/// Says whether a workspace belongs on this node.
#[async_trait]
pub trait Placement: Send + Sync + 'static {
    /// Whether this node owns the workspace now. Passes from now on are for its generation.
    async fn owns(&self, workspace: &WorkspaceId) -> Result<bool, PortError>;

    /// Completes when the workspace of the pass is being deleted.
    async fn deleted(&self, pass: &WorkspacePass);
}

/// Limits and intervals of the actors.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Scoring.
    pub streams: Arc<StreamSettings>,
    /// Scoring in workspaces that have a time zone of their own.
    pub streams_by_workspace: BTreeMap<WorkspaceId, Arc<StreamSettings>>,
    /// Most workspaces on this node.
    pub max_workspaces: usize,
    /// Most KPIs of a workspace.
    pub max_kpis: usize,
    /// Most samples of a workspace that are admitted and not yet committed.
    pub max_in_flight_samples: usize,
    /// Group commits that are kept for slow followers; a follower further behind gets a gap.
    pub live_buffer: usize,
    /// How often a changed stream hands over its state.
    pub snapshot_every: Duration,
    /// How often history is made durable.
    pub flush_every: Duration,
    /// Limits of age and size.
    pub retention: RetentionSettings,
    /// Grouping of anomalies, and how many incidents a day are alerted.
    pub incidents: IncidentSettings,
    /// Restarts of streams.
    pub restart: RestartPolicy,
    /// The default mix until its settings are changed.
    pub mix: MixSettings,
    /// How long a mix keeps running after the last listener left.
    pub mix_linger: Duration,
}

impl Settings {
    /// How samples of a workspace are scored.
    pub fn scoring(&self, workspace: &WorkspaceId) -> Arc<StreamSettings> {
        self.streams_by_workspace.get(workspace).unwrap_or(&self.streams).clone()
    }
}

/// Limits of age and size of log and history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionSettings {
    /// How often the limits are enforced.
    pub every: Duration,
    /// Older events are removed from the log; this bounds how far back a follower can resume.
    pub log_age: Duration,
    /// The log of a workspace is cut to about this size.
    pub log_bytes: u64,
    /// Older samples are removed from history.
    pub history_age: Duration,
    /// The history of a workspace is cut to about this size.
    pub history_bytes: u64,
}

/// Called before a batch is scored.
pub type BeforeScoring = Arc<dyn Fn(&KpiName, &[SeriesBatch]) + Send + Sync>;

/// Called before the shadow detector sees a batch, inside the time that is measured for it.
pub type BeforeShadow = Arc<dyn Fn(&KpiName) + Send + Sync>;

/// Places where a test can make the pipeline fail. In production all of them are empty.
#[derive(Clone, Default)]
pub struct Faults {
    /// May panic.
    pub before_scoring: Option<BeforeScoring>,
    /// May panic or take long.
    pub before_shadow: Option<BeforeShadow>,
}
