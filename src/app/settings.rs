//! From the configuration to what actors and the gateway are made with.

use std::sync::Arc;
use std::time::Duration;

use crate::actors::Settings;
use crate::actors::retention::RetentionSettings;
use crate::actors::supervision::RestartPolicy;
use crate::audio::MixSettings;
use crate::config::{Config, Statsd};
use crate::gateway::Limits;
use crate::gateway::statsd::StatsdSettings;
use crate::streams::{StreamOptions, StreamSettings};

pub(super) fn actor_settings(config: &Config, restart: RestartPolicy) -> Result<Settings, String> {
    let streams = StreamOptions {
        max_series: config.streams.max_series,
        grace_min_ms: config.streams.stalled_after.as_millis() as i64,
        grace_factor: config.streams.stalled_after_intervals,
        sensitivity: config.streams.sensitivity,
        ..StreamOptions::default()
    };
    let streams = StreamSettings::try_from(streams).map_err(|problems| {
        problems.iter().map(|problem| format!("streams: {problem}")).collect::<Vec<_>>().join("; ")
    })?;
    Ok(Settings {
        streams: Arc::new(streams),
        max_workspaces: config.streams.max_workspaces,
        max_kpis: config.streams.max_kpis,
        max_in_flight_samples: config.ingest.max_in_flight_samples,
        live_buffer: config.live.buffer_commits,
        snapshot_every: config.streams.snapshot_every,
        flush_every: config.storage.flush_every,
        retention: RetentionSettings {
            every: Duration::from_secs(60),
            log_age: config.storage.log_age,
            log_bytes: config.storage.log_bytes,
            history_age: config.storage.history_age,
            history_bytes: config.storage.history_bytes,
        },
        restart,
        mix: MixSettings { mode: config.sound.mode, voices: config.sound.voices, ..MixSettings::default() },
        mix_linger: config.sound.linger,
    })
}

pub(super) fn limits(config: &Config) -> Limits {
    Limits {
        max_body_bytes: config.server.max_body_bytes,
        max_upload_bytes: config.ingest.max_upload_bytes,
        max_batch_samples: config.ingest.max_batch_samples,
        replay_events: config.live.replay_events,
        workspace: config.ingest.workspace.clone(),
    }
}

pub(super) fn statsd_settings(statsd: &Statsd) -> StatsdSettings {
    let Statsd { listen, workspace, flush_every, max_series } = statsd.clone();
    StatsdSettings { listen, workspace, flush_every, max_series }
}
