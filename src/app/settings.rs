//! From the configuration to the settings of actors and gateway.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::actors::context::{RetentionSettings, Settings};
use crate::actors::supervision::RestartPolicy;
use crate::config::{Config, Statsd};
use crate::gateway::{Limits, StatsdSettings};
use crate::incidents::IncidentSettings;
use earcon_audio::MixSettings;
use earcon_streams::{StreamOptions, StreamSettings, UtcOffsets};

pub(super) fn actor_settings(config: &Config, restart: RestartPolicy) -> Result<Settings, String> {
    let zones = &config.streams.time_zones;
    let by_workspace = zones.of.iter().map(|(workspace, zone)| Ok((workspace.clone(), stream_settings(config, zone)?)));
    Ok(Settings {
        streams: stream_settings(config, &zones.usual)?,
        streams_by_workspace: by_workspace.collect::<Result<_, String>>()?,
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
        incidents: IncidentSettings {
            max_per_day: config.alerts.max_per_day,
            settle_ms: config.alerts.settle.as_millis() as i64,
            linger_ms: config.alerts.linger.as_millis() as i64,
        },
        restart,
        mix: MixSettings { mode: config.sound.mode, voices: config.sound.voices, ..MixSettings::default() },
        mix_linger: config.sound.linger,
    })
}

fn stream_settings(config: &Config, zone: &TimeZone) -> Result<Arc<StreamSettings>, String> {
    let options = StreamOptions {
        max_series: config.streams.max_series,
        grace_min_ms: config.streams.stalled_after.as_millis() as i64,
        grace_factor: config.streams.stalled_after_intervals,
        sensitivity: config.streams.sensitivity,
        utc_offsets: utc_offsets(zone),
        ..StreamOptions::for_detector(config.streams.detector)
    };
    StreamSettings::try_from(options)
        .map(Arc::new)
        .map_err(|problems| problems.iter().map(|problem| format!("streams: {problem}")).collect::<Vec<_>>().join("; "))
}

/// The UTC offsets of a time zone from 1970, the earliest time of a sample, to 2100.
pub(crate) fn utc_offsets(zone: &TimeZone) -> UtcOffsets {
    let (begin, end) = (Timestamp::UNIX_EPOCH, Timestamp::constant(4_102_444_800, 0));
    let offset_ms = |offset: jiff::tz::Offset| i64::from(offset.seconds()) * 1_000;
    let changes = zone.following(begin).take_while(|change| change.timestamp() < end);
    let changes = changes.map(|change| (change.timestamp().as_millisecond(), offset_ms(change.offset())));
    UtcOffsets::new(std::iter::once((0, offset_ms(zone.to_offset(begin)))).chain(changes).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offsets_of_a_zone_follow_its_summers() {
        let offsets = utc_offsets(&TimeZone::get("Europe/Berlin").unwrap());
        let hours = |text: &str| {
            let at = text.parse::<Timestamp>().unwrap().as_millisecond();
            (offsets.local_ms(at) - at) / 3_600_000
        };
        assert_eq!(hours("1970-01-01T00:00:00Z"), 1);
        assert_eq!(["2026-03-29T00:59:59Z", "2026-03-29T01:00:00Z", "2026-12-24T18:00:00Z"].map(hours), [1, 2, 1]);
        assert_eq!([hours("2099-07-01T00:00:00Z"), hours("2099-01-01T00:00:00Z")], [2, 1]);
        assert_eq!(utc_offsets(&TimeZone::UTC).local_ms(12_345), 12_345);
    }
}
