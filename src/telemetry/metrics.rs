//! All metrics. The names are an enum and the labels are fixed here, never supplied by tenants. The
//! number of time series that Earcon exposes is therefore bounded.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, histogram};

/// A metric Earcon exposes on `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Samples accepted and committed.
    IngestSamples,
    /// Rows refused by a parser, a stream or a limit. Each is counted once.
    IngestRejected,
    /// Samples from agents that cannot be scored, such as texts. They are dropped without an error.
    IngestIgnored,
    /// Samples stored without a score because they were not newer than the newest of their series.
    IngestLate,
    /// Batches refused because too many samples were in flight.
    IngestOverload,
    /// Samples between admission and commit.
    IngestInFlight,
    /// Time from the arrival of a batch to its commit.
    IngestSeconds,
    /// Time to score one batch of one KPI.
    ScoringSeconds,
    /// Time of one group commit, including the fsync.
    LogCommitSeconds,
    /// Events in one group commit.
    LogCommitEvents,
    /// Batches waiting for the next group commit.
    LogQueueDepth,
    /// Events that a cursor consumer lags behind the log.
    ConsumerLag,
    /// A cursor consumer's failed attempts to hand events to its store.
    ConsumerFailures,
    /// Live followers, over WebSocket and server-sent events.
    Subscribers,
    /// Gaps reported to followers that read too slowly.
    SubscriberGaps,
    /// Events delivered to followers.
    EventsDelivered,
    /// Stream actors restarted after a failure.
    StreamRestarts,
    /// KPIs parked because they failed too often.
    StreamsParked,
    /// Stream actors running.
    Streams,
    /// Anomalies opened.
    AnomaliesOpened,
    /// Incidents opened.
    IncidentsOpened,
    /// Incidents alerted.
    IncidentsAlerted,
    /// Listeners of mixes, over WebSocket and Ogg.
    Listeners,
    /// Delay of a 20 ms frame behind its due time.
    RenderLateSeconds,
    /// Frames skipped because rendering fell behind.
    RenderSkipped,
    /// Time to render and encode one 20 ms frame.
    RenderSeconds,
    /// Packets that listeners lost because they read too slowly.
    ListenerDropped,
    /// Workspaces this node owns in its cluster.
    WorkspacesOwned,
    /// Nodes of the cluster that this node sees alive.
    NodesAlive,
    /// Heartbeats that could not be written.
    HeartbeatFailures,
    /// Workspaces claimed, handed over, or lost to another node.
    WorkspaceMoves,
    /// Events handed to the publisher as messages, repetitions included.
    Published,
    /// Messages that cannot be published, for example because they are too large.
    PublishRefused,
    /// Packets of mixes published as messages.
    PublishedPackets,
    /// Messages with samples received over NATS.
    NatsIngest,
    /// Messages with samples over NATS of which at least one row was refused.
    NatsIngestRefused,
    /// StatsD lines accepted.
    StatsdLines,
    /// StatsD lines refused, and samples aggregated from good lines that were refused.
    StatsdRefused,
    /// Running experiments.
    ExperimentsRunning,
    /// Candidates that were rolled back.
    ExperimentRollbacks,
    /// Time the shadow detector takes for one batch of one KPI.
    ShadowSeconds,
    /// Samples read from history to train detectors.
    TrainingSamples,
    /// Free space of the disk under the data directory.
    StorageFreeBytes,
    /// Whether samples are refused because of the storage: 0 or 1.
    StorageRefusing,
    /// Connections over HTTP, WebSockets and listeners among them.
    Connections,
    /// Connections that were refused because there were too many.
    ConnectionsRefused,
    /// Connections that ended, or requests that were refused, because the client was too slow.
    ConnectionsTimedOut,
    /// Requests with a foreign host, origin or site.
    RequestsForeign,
    /// Requests without credentials, or with wrong ones, that needed some.
    CallersRefused,
    /// Bytes of request bodies that are held.
    RequestBytes,
    /// Bytes of answers that wait for their clients.
    AnswerBytes,
    /// Requests that were refused because too many bytes were held.
    RoomRefused,
    /// 1 while the database takes no writes.
    DatabaseRefusing,
    /// Records of the database that are not in table files.
    DatabaseMemtableBytes,
    /// Blocks of the database that were read from disk.
    DatabaseCacheBytes,
    /// Jumps of the wall clock.
    ClockJumps,
    /// Estimated memory of KPIs and series.
    SeriesBytes,
    /// How much of it there may be.
    SeriesLimitBytes,
    /// Samples of new series, and new KPIs, that were refused because there was no memory.
    SeriesRefused,
}

enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Metric; 59] = [
        Metric::IngestSamples,
        Metric::IngestRejected,
        Metric::IngestIgnored,
        Metric::IngestLate,
        Metric::IngestOverload,
        Metric::IngestInFlight,
        Metric::IngestSeconds,
        Metric::ScoringSeconds,
        Metric::LogCommitSeconds,
        Metric::LogCommitEvents,
        Metric::LogQueueDepth,
        Metric::ConsumerLag,
        Metric::ConsumerFailures,
        Metric::Subscribers,
        Metric::SubscriberGaps,
        Metric::EventsDelivered,
        Metric::StreamRestarts,
        Metric::StreamsParked,
        Metric::Streams,
        Metric::AnomaliesOpened,
        Metric::IncidentsOpened,
        Metric::IncidentsAlerted,
        Metric::Listeners,
        Metric::RenderLateSeconds,
        Metric::RenderSkipped,
        Metric::RenderSeconds,
        Metric::ListenerDropped,
        Metric::WorkspacesOwned,
        Metric::NodesAlive,
        Metric::HeartbeatFailures,
        Metric::WorkspaceMoves,
        Metric::Published,
        Metric::PublishRefused,
        Metric::PublishedPackets,
        Metric::NatsIngest,
        Metric::NatsIngestRefused,
        Metric::StatsdLines,
        Metric::StatsdRefused,
        Metric::ExperimentsRunning,
        Metric::ExperimentRollbacks,
        Metric::ShadowSeconds,
        Metric::TrainingSamples,
        Metric::StorageFreeBytes,
        Metric::StorageRefusing,
        Metric::Connections,
        Metric::ConnectionsRefused,
        Metric::ConnectionsTimedOut,
        Metric::RequestsForeign,
        Metric::CallersRefused,
        Metric::RequestBytes,
        Metric::AnswerBytes,
        Metric::RoomRefused,
        Metric::DatabaseRefusing,
        Metric::DatabaseMemtableBytes,
        Metric::DatabaseCacheBytes,
        Metric::ClockJumps,
        Metric::SeriesBytes,
        Metric::SeriesLimitBytes,
        Metric::SeriesRefused,
    ];

    fn describe(self) -> (&'static str, Kind, Unit, &'static str) {
        use Kind::{Counter, Gauge, Histogram};
        use Unit::{Count, Seconds};
        match self {
            Metric::IngestSamples => ("earcon_ingest_samples_total", Counter, Count, "Samples accepted and committed"),
            Metric::IngestRejected => ("earcon_ingest_rejected_total", Counter, Count, "Rows refused"),
            Metric::IngestIgnored => ("earcon_ingest_ignored_total", Counter, Count, "Samples that cannot be scored"),
            Metric::IngestLate => ("earcon_ingest_late_total", Counter, Count, "Late samples, stored without a score"),
            Metric::IngestOverload => ("earcon_ingest_overload_total", Counter, Count, "Batches answered with 429"),
            Metric::IngestInFlight => ("earcon_ingest_in_flight_samples", Gauge, Count, "Samples not yet committed"),
            Metric::IngestSeconds => ("earcon_ingest_seconds", Histogram, Seconds, "From arrival to commit"),
            Metric::ScoringSeconds => ("earcon_scoring_seconds", Histogram, Seconds, "Scoring one batch of one KPI"),
            Metric::LogCommitSeconds => ("earcon_log_commit_seconds", Histogram, Seconds, "One group commit"),
            Metric::LogCommitEvents => ("earcon_log_commit_events", Histogram, Count, "Events in one group commit"),
            Metric::LogQueueDepth => ("earcon_log_queue_depth", Gauge, Count, "Batches waiting for a group commit"),
            Metric::ConsumerLag => ("earcon_consumer_lag_events", Gauge, Count, "Events a consumer is behind the log"),
            Metric::ConsumerFailures => ("earcon_consumer_failures_total", Counter, Count, "Failed store attempts"),
            Metric::Subscribers => ("earcon_subscribers", Gauge, Count, "Live followers"),
            Metric::SubscriberGaps => {
                ("earcon_subscriber_gaps_total", Counter, Count, "Gaps reported to slow followers")
            }
            Metric::EventsDelivered => ("earcon_events_delivered_total", Counter, Count, "Events sent to followers"),
            Metric::StreamRestarts => ("earcon_stream_restarts_total", Counter, Count, "Stream actors restarted"),
            Metric::StreamsParked => ("earcon_streams_parked", Gauge, Count, "KPIs parked after too many failures"),
            Metric::Streams => ("earcon_streams", Gauge, Count, "Stream actors running"),
            Metric::AnomaliesOpened => ("earcon_anomalies_opened_total", Counter, Count, "Anomalies opened"),
            Metric::IncidentsOpened => ("earcon_incidents_opened_total", Counter, Count, "Incidents opened"),
            Metric::IncidentsAlerted => ("earcon_incidents_alerted_total", Counter, Count, "Incidents alerted"),
            Metric::Listeners => ("earcon_listeners", Gauge, Count, "Listeners of mixes"),
            Metric::RenderLateSeconds => ("earcon_render_late_seconds", Histogram, Seconds, "How late a frame was"),
            Metric::RenderSkipped => ("earcon_render_skipped_total", Counter, Count, "Frames skipped"),
            Metric::RenderSeconds => ("earcon_render_seconds", Histogram, Seconds, "Rendering and encoding a frame"),
            Metric::ListenerDropped => ("earcon_listener_dropped_total", Counter, Count, "Packets slow listeners lost"),
            Metric::WorkspacesOwned => ("earcon_cluster_workspaces_owned", Gauge, Count, "Workspaces this node owns"),
            Metric::NodesAlive => ("earcon_cluster_nodes_alive", Gauge, Count, "Nodes that this node sees alive"),
            Metric::HeartbeatFailures => {
                ("earcon_cluster_heartbeat_failures_total", Counter, Count, "Heartbeats that could not be written")
            }
            Metric::WorkspaceMoves => {
                ("earcon_cluster_workspace_moves_total", Counter, Count, "Workspaces claimed, handed over or lost")
            }
            Metric::Published => ("earcon_published_total", Counter, Count, "Messages with events published"),
            Metric::PublishRefused => ("earcon_publish_refused_total", Counter, Count, "Messages that cannot be sent"),
            Metric::PublishedPackets => ("earcon_published_packets_total", Counter, Count, "Opus packets published"),
            Metric::NatsIngest => ("earcon_nats_ingest_total", Counter, Count, "Messages with samples over NATS"),
            Metric::NatsIngestRefused => {
                ("earcon_nats_ingest_refused_total", Counter, Count, "Messages over NATS with refused rows")
            }
            Metric::StatsdLines => ("earcon_statsd_lines_total", Counter, Count, "StatsD lines accepted"),
            Metric::StatsdRefused => ("earcon_statsd_refused_total", Counter, Count, "StatsD lines refused"),
            Metric::ExperimentsRunning => ("earcon_experiments_running", Gauge, Count, "Detectors under test"),
            Metric::ExperimentRollbacks => {
                ("earcon_experiment_rollbacks_total", Counter, Count, "Candidates rolled back")
            }
            Metric::ShadowSeconds => ("earcon_shadow_seconds", Histogram, Seconds, "Scoring one batch with a shadow"),
            Metric::TrainingSamples => {
                ("earcon_training_samples_total", Counter, Count, "Samples read to train detectors")
            }
            Metric::StorageFreeBytes => {
                ("earcon_storage_free_bytes", Gauge, Unit::Bytes, "Free space under the data directory")
            }
            Metric::DatabaseMemtableBytes => (
                "earcon_database_memtable_bytes",
                Gauge,
                Unit::Bytes,
                "Records of the embedded database that are not in table files",
            ),
            Metric::DatabaseCacheBytes => {
                ("earcon_database_cache_bytes", Gauge, Unit::Bytes, "Blocks of the embedded database in memory")
            }
            Metric::DatabaseRefusing => {
                ("earcon_database_refusing", Gauge, Count, "1 while settings and history cannot be written, else 0")
            }
            Metric::StorageRefusing => {
                ("earcon_storage_refusing", Gauge, Count, "1 while the storage takes no samples, else 0")
            }
            Metric::Connections => ("earcon_connections", Gauge, Count, "Connections over HTTP"),
            Metric::ConnectionsRefused => {
                ("earcon_connections_refused_total", Counter, Count, "Connections refused: too many")
            }
            Metric::ConnectionsTimedOut => {
                ("earcon_connections_timed_out_total", Counter, Count, "Clients that were too slow")
            }
            Metric::RequestsForeign => {
                ("earcon_requests_foreign_total", Counter, Count, "Requests with a foreign host, origin or site")
            }
            Metric::RequestBytes => ("earcon_request_bytes", Gauge, Unit::Bytes, "Request bodies that are held"),
            Metric::AnswerBytes => ("earcon_answer_bytes", Gauge, Unit::Bytes, "Answers that wait for clients"),
            Metric::ClockJumps => ("earcon_clock_jumps_total", Counter, Count, "Jumps of the wall clock"),
            Metric::SeriesBytes => {
                ("earcon_series_memory_bytes", Gauge, Unit::Bytes, "Estimated memory of KPIs and series")
            }
            Metric::SeriesLimitBytes => {
                ("earcon_series_memory_limit_bytes", Gauge, Unit::Bytes, "Limit of the memory of KPIs and series")
            }
            Metric::SeriesRefused => {
                ("earcon_series_refused_total", Counter, Count, "Samples of new series and KPIs beyond a limit")
            }
            Metric::CallersRefused => {
                ("earcon_callers_refused_total", Counter, Count, "Requests refused: credentials missing or wrong")
            }
            Metric::RoomRefused => {
                ("earcon_room_refused_total", Counter, Count, "Requests refused: too many bytes held")
            }
        }
    }

    /// The name on `/metrics`.
    pub fn name(self) -> &'static str {
        self.describe().0
    }
}

/// Registers units and help texts with the installed recorder.
pub fn describe_all() {
    for metric in Metric::ALL {
        let (name, kind, unit, help) = metric.describe();
        match kind {
            Kind::Counter => {
                describe_counter!(name, unit, help);
                counter!(name).increment(0);
            }
            Kind::Gauge => {
                describe_gauge!(name, unit, help);
                metrics::gauge!(name).increment(0.0);
            }
            Kind::Histogram => describe_histogram!(name, unit, help),
        }
    }
}

/// Adds to a counter.
pub fn count(metric: Metric, by: u64) {
    counter!(metric.name()).increment(by);
}

/// The gauge of a metric.
pub fn gauge(metric: Metric) -> metrics::Gauge {
    metrics::gauge!(metric.name())
}

/// One owner's part of a gauge that is the sum over several owners, such as the streams of one
/// workspace. Dropping it subtracts the part, so that an owner that fails leaves nothing behind.
pub struct GaugePart {
    gauge: metrics::Gauge,
    value: f64,
}

impl GaugePart {
    /// A part of 0.
    pub fn for_metric(metric: Metric) -> Self {
        Self { gauge: gauge(metric), value: 0.0 }
    }

    /// Changes the part, and with it the gauge.
    pub fn set(&mut self, value: usize) {
        let value = value as f64;
        self.gauge.increment(value - self.value);
        self.value = value;
    }
}

impl Drop for GaugePart {
    fn drop(&mut self) {
        self.gauge.decrement(self.value);
    }
}

/// Records a duration in a histogram.
pub fn record(metric: Metric, took: Duration) {
    histogram!(metric.name()).record(took.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauge_is_the_sum_of_living_parts() {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let streams = || {
            let text = handle.render();
            let value = text.lines().find_map(|line| line.strip_prefix("earcon_streams "));
            value.and_then(|value| value.parse::<f64>().ok())
        };
        metrics::with_local_recorder(&recorder, || {
            let (mut one, mut other) = (GaugePart::for_metric(Metric::Streams), GaugePart::for_metric(Metric::Streams));
            one.set(5);
            other.set(2);
            one.set(3);
            assert_eq!(streams(), Some(5.0));
            drop(one);
            assert_eq!(streams(), Some(2.0));
        });
    }

    #[test]
    fn metric_names_are_unique_and_conventional() {
        let mut names: Vec<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Metric::ALL.len());
        for metric in Metric::ALL {
            let (name, kind, unit, help) = metric.describe();
            assert!(name.starts_with("earcon_") && !help.is_empty());
            assert_eq!(matches!(kind, Kind::Counter), name.ends_with("_total"), "{name}");
            assert_eq!(unit == Unit::Seconds, name.ends_with("_seconds"), "{name}");
        }
    }
}
