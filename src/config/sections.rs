//! The sections of the configuration of a single node, and how each is read.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::reader::Reader;
use super::time_zones::{self, TimeZones};
use crate::telemetry::LogFormat;
use earcon_audio::Mode;
use earcon_model::WorkspaceId;
use earcon_streams::DetectorName;

/// The store of the workspaces' logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogBackend {
    /// The data directory.
    Embedded,
    /// NATS JetStream.
    JetStream,
}

/// The store of history, or of settings and snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// The data directory.
    Embedded,
    /// ScyllaDB or Apache Cassandra.
    Cql,
}

const BACKENDS: [(&str, Backend); 2] = [("embedded", Backend::Embedded), ("cql", Backend::Cql)];

/// The HTTP server.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Names of this server in requests, besides the address it listens on.
    pub hosts: Vec<String>,
    /// Origins of other servers' pages that may call this one.
    pub origins: Vec<String>,
    /// Largest request body after decompression, bytes.
    pub max_body_bytes: usize,
    /// Longest time of a shutdown.
    pub drain: Duration,
}

impl Server {
    pub(super) fn read(read: &mut Reader) -> Self {
        Self {
            listen: read.parsed("server.listen", "an address such as \"127.0.0.1:7070\""),
            hosts: read.list("server.hosts"),
            origins: read.list("server.origins"),
            max_body_bytes: read.number("server.max_body_bytes", 1_024, 1 << 30) as usize,
            drain: read.seconds("server.drain_seconds", 1, 600),
        }
    }
}

/// The stores and their limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Storage {
    /// The data directory.
    pub data: PathBuf,
    /// The store of the logs.
    pub log: LogBackend,
    /// The store of samples, scores and anomalies.
    pub history: Backend,
    /// The store of settings and snapshots.
    pub meta: Backend,
    /// Time between flushes of the history.
    pub flush_every: Duration,
    /// Age limit of log entries.
    pub log_age: Duration,
    /// Size limit of a workspace's log, bytes.
    pub log_bytes: u64,
    /// Age limit of history.
    pub history_age: Duration,
    /// Size limit of a workspace's history, bytes.
    pub history_bytes: u64,
    /// Samples are refused while less is free on the disk of the data directory, bytes.
    pub reserve_bytes: u64,
}

impl Storage {
    pub(super) fn read(read: &mut Reader) -> Self {
        Self {
            data: read.text("storage.data").into(),
            log: read
                .one_of("storage.log", &[("embedded", LogBackend::Embedded), ("jetstream", LogBackend::JetStream)]),
            history: read.one_of("storage.history", &BACKENDS),
            meta: read.one_of("storage.meta", &BACKENDS),
            flush_every: read.seconds("storage.flush_seconds", 1, 600),
            log_age: read.seconds_of("storage.log_hours", 3_600, 1, 24 * 365),
            log_bytes: read.number("storage.log_megabytes", 16, 1 << 24) << 20,
            history_age: read.seconds_of("storage.history_days", 86_400, 1, 36_500),
            history_bytes: read.number("storage.history_megabytes", 16, 1 << 26) << 20,
            reserve_bytes: read.number("storage.reserve_megabytes", 8, 1 << 20) << 20,
        }
    }
}

/// Admission of samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingest {
    /// Most samples of a workspace that are not yet committed.
    pub max_in_flight_samples: usize,
    /// Most samples of one request.
    pub max_batch_samples: usize,
    /// Largest uploaded file, bytes.
    pub max_upload_bytes: u64,
    /// Maximum distance of a timestamp ahead of the wall clock.
    pub max_ahead: Duration,
    /// The workspace of agents that do not name one.
    pub workspace: WorkspaceId,
    /// Size of the cache of known series, for each workspace.
    pub known_series: usize,
}

impl Ingest {
    pub(super) fn read(read: &mut Reader) -> Self {
        Self {
            max_in_flight_samples: read.number("ingest.max_in_flight_samples", 1_000, 100_000_000) as usize,
            max_batch_samples: read.number("ingest.max_batch_samples", 1, 1_000_000) as usize,
            max_upload_bytes: read.number("ingest.max_upload_megabytes", 1, 1 << 20) << 20,
            max_ahead: read.seconds("ingest.max_ahead_seconds", 1, 86_400),
            workspace: read.parsed("ingest.workspace", "the name of a workspace"),
            known_series: read.number("ingest.known_series", 1_000, 100_000_000) as usize,
        }
    }
}

/// Scoring.
#[derive(Debug, Clone, PartialEq)]
pub struct Streams {
    /// Most KPIs of a workspace.
    pub max_kpis: usize,
    /// Most series of a KPI.
    pub max_series: usize,
    /// Time between snapshots of changed state.
    pub snapshot_every: Duration,
    /// Shortest silence that counts as a stall.
    pub stalled_after: Duration,
    /// Silence that counts as a stall, in sampling intervals.
    pub stalled_after_intervals: f64,
    /// The design value is 1. Higher values open more anomalies.
    pub sensitivity: f64,
    /// The detector that scores samples.
    pub detector: DetectorName,
    /// The time zones for daily and weekly patterns.
    pub time_zones: TimeZones,
}

impl Streams {
    pub(super) fn read(read: &mut Reader) -> Self {
        Self {
            max_kpis: read.number("streams.max_kpis", 1, 1_000_000) as usize,
            max_series: read.number("streams.max_series", 1, 1_000_000) as usize,
            snapshot_every: read.seconds("streams.snapshot_seconds", 1, 3_600),
            stalled_after: read.seconds("streams.stalled_after_seconds", 1, 86_400),
            stalled_after_intervals: read.fraction("streams.stalled_after_intervals", 2.0, 1_000.0),
            sensitivity: read.fraction("streams.sensitivity", 0.25, 4.0),
            detector: read.one_of("streams.detector", &DetectorName::ALL.map(|one| (one.as_str(), one))),
            time_zones: time_zones::time_zones(read),
        }
    }
}

/// Incidents and the alert budget.
#[derive(Debug, Clone, PartialEq)]
pub struct Alerts {
    /// Most incidents of a workspace alerted in any 24 hours. 0: no limit.
    pub max_per_day: u32,
    /// How long an incident gathers members before it is first reported.
    pub settle: Duration,
    /// How long after the end of its last member an incident closes.
    pub linger: Duration,
}

impl Alerts {
    pub(super) fn read(read: &mut Reader) -> Self {
        Self {
            max_per_day: read.number("alerts.max_per_day", 0, 10_000) as u32,
            settle: read.seconds("alerts.settle_seconds", 0, 600),
            linger: read.seconds("alerts.linger_seconds", 1, 86_400),
        }
    }
}

/// Followers of events.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Group commits kept for slow followers.
    pub buffer_commits: usize,
    /// Most events replayed to a follower that resumes.
    pub replay_events: u64,
}

impl Live {
    pub(super) fn read(read: &mut Reader) -> Self {
        Self {
            buffer_commits: read.number("live.buffer_commits", 16, 1 << 20) as usize,
            replay_events: read.number("live.replay_events", 0, 100_000_000),
        }
    }
}

/// The default mix.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    /// Ambient, or cues only.
    pub mode: Mode,
    /// KPIs in the foreground.
    pub voices: u8,
    /// How long a mix is rendered after its last listener has left.
    pub linger: Duration,
}

impl Sound {
    pub(super) fn read(read: &mut Reader) -> Self {
        Self {
            mode: read.one_of("sound.mode", &[("ambient", Mode::Ambient), ("cues", Mode::Cues)]),
            voices: read.number("sound.voices", 0, 8) as u8,
            linger: read.seconds("sound.linger_seconds", 0, 86_400),
        }
    }
}

/// Logging.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// Filter directives.
    pub level: String,
    /// Their format.
    pub format: LogFormat,
}

impl Log {
    pub(super) fn read(read: &mut Reader) -> Self {
        Self {
            level: read.text("log.level"),
            format: read.one_of(
                "log.format",
                &[("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json)],
            ),
        }
    }
}
