//! Assembles the wings from the parts that the application hands in.

use std::sync::Arc;

use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::actors::directory::Directory;
use crate::gateway::accounts::state::{AccountsParts, AccountsState};
use crate::gateway::api::state::{ApiParts, ApiState};
use crate::gateway::audio::state::{AudioParts, AudioState};
use crate::gateway::audio::transmitter::Transmitters;
use crate::gateway::events::groups::FollowerGroups;
use crate::gateway::events::snapshots::Snapshots;
use crate::gateway::events::state::{EventsParts, EventsState};
use crate::gateway::http::activity::Times;
use crate::gateway::http::certificates::Certificates;
use crate::gateway::http::hosts::Hosts;
use crate::gateway::http::room::{Budget, Room};
use crate::gateway::http::serve::serve;
use crate::gateway::http::state::{SharedParts, SharedState, WingState};
use crate::gateway::ingest::imports::Imports;
use crate::gateway::ingest::state::{IngestParts, IngestState};
use crate::services::anomalies::AnomalyService;
use crate::services::clock_health::ClockHealth;
use crate::services::detectors::DetectorService;
use crate::services::incidents::IncidentRecords;
use crate::services::meanings::MeaningService;
use crate::services::mutes::MuteService;
use crate::services::rules::RuleService;
use crate::services::storage_health::StorageHealth;
use crate::sources::admissible::SampleTimes;
use crate::telemetry::Metric;
use earcon_accounts::Accounts;
use earcon_model::{Clock, WorkspaceId};
use earcon_ports::{EventLog, SeriesStore};
use earcon_tenancy::{Authorizer, Creators};

/// Limits of the gateway.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Largest request body, after decompression.
    pub max_body_bytes: usize,
    /// Largest uploaded file.
    pub max_upload_bytes: u64,
    /// Most samples of one request.
    pub max_batch_samples: usize,
    /// Most events replayed on a resume.
    pub replay_events: u64,
    /// Gets the samples of agents that name no workspace.
    pub workspace: WorkspaceId,
    /// Limits of the times of samples, for previews of files.
    pub sample_times: SampleTimes,
    /// How long clients may take.
    pub times: Times,
    /// What all clients together may hold.
    pub room: Room,
    /// The names of this server.
    pub hosts: Hosts,
}

/// The parts of a gateway.
pub struct Parts {
    /// The workspaces.
    pub directory: Directory,
    /// For replays to followers; read only.
    pub event_log: Arc<dyn EventLog>,
    /// Samples and anomalies; read only.
    pub series_store: Arc<dyn SeriesStore>,
    /// Recorded incidents.
    pub incidents: IncidentRecords,
    /// One anomaly, its explanation and its chart.
    pub anomalies: AnomalyService,
    /// Rules and known series of each workspace.
    pub rules: RuleService,
    /// Detector entries, experiments and jobs.
    pub detectors: DetectorService,
    /// Wall time, for samples without a timestamp and for default ranges.
    pub clock: Arc<dyn Clock>,
    /// Whether the wall clock jumped.
    pub clock_health: ClockHealth,
    /// Mutes.
    pub mutes: MuteService,
    /// Units and descriptions of KPIs.
    pub meanings: MeaningService,
    /// Whether the storage takes samples.
    pub storage: StorageHealth,
    /// Users, keys, sessions and the audit log.
    pub accounts: Accounts,
    /// Identifies callers, and decides about their rights.
    pub access: Authorizer,
    /// Decides who may create workspaces.
    pub creators: Creators,
    /// Sizes.
    pub limits: Limits,
    /// Renders `/metrics`.
    pub metrics: PrometheusHandle,
    /// Turns true when the server shuts down: endless answers end.
    pub shutdown: watch::Receiver<bool>,
}

/// The states of all wings. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    pub(crate) shared: SharedState,
    pub(crate) api: ApiState,
    pub(crate) ingest: IngestState,
    pub(crate) events: EventsState,
    pub(crate) audio: AudioState,
    pub(crate) accounts: AccountsState,
    pub(crate) hosts: Arc<Hosts>,
    times: Times,
    room: Room,
}

impl Gateway {
    /// A gateway of these parts.
    pub fn new(parts: Parts) -> Self {
        let Parts { limits, .. } = parts;
        let shared = SharedState::new(SharedParts {
            access: parts.access,
            accounts: parts.accounts,
            creators: parts.creators,
            directory: parts.directory,
            clock: parts.clock,
            meanings: parts.meanings,
            max_body_bytes: limits.max_body_bytes,
            requests: Budget::new(limits.room.request_bytes, Metric::RequestBytes),
            answers: Budget::new(limits.room.answer_bytes, Metric::AnswerBytes),
            large: Semaphore::new(std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))),
            shutdown: parts.shutdown,
        });
        let api = ApiParts {
            shared: shared.clone(),
            series_store: parts.series_store,
            anomalies: parts.anomalies,
            incidents: parts.incidents,
            detectors: parts.detectors,
            rules: parts.rules.clone(),
            mutes: parts.mutes,
            storage: parts.storage,
            clock_health: parts.clock_health,
            metrics: parts.metrics,
        };
        let ingest = IngestParts {
            shared: shared.clone(),
            rules: parts.rules,
            imports: Imports::of_at_most(limits.max_upload_bytes),
            max_upload_bytes: limits.max_upload_bytes,
            max_batch_samples: limits.max_batch_samples,
            default_workspace: limits.workspace,
            times: limits.sample_times,
        };
        let events = EventsParts {
            shared: shared.clone(),
            event_log: parts.event_log,
            groups: FollowerGroups::default(),
            snapshots: Snapshots::default(),
            replay_events: limits.replay_events,
        };
        let accounts = AccountsParts { shared: shared.clone() };
        let audio = AudioParts { shared: shared.clone(), transmitters: Transmitters::default() };
        Self {
            shared,
            api: WingState::new(api),
            ingest: WingState::new(ingest),
            events: WingState::new(events),
            audio: WingState::new(audio),
            accounts: WingState::new(accounts),
            hosts: Arc::new(limits.hosts),
            times: limits.times,
            room: limits.room,
        }
    }

    /// Serves these routes over HTTP until the shutdown, with TLS if there is a certificate.
    pub async fn serve(self, listener: TcpListener, tls: Option<Certificates>, routes: Router) {
        let shutdown = self.shared.shutdown.clone();
        serve(listener, tls, routes, self.room, self.times, shutdown).await;
    }
}
