//! From the configuration to the settings of actors and gateway.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::error::StartError;
use crate::actors::context::{RetentionSettings, Settings};
use crate::actors::supervision::RestartPolicy;
use crate::config::{Config, Connections, Statsd};
use crate::gateway::{Hosts, Limits, Room, StatsdSettings, Times};
use crate::incidents::IncidentSettings;
use crate::sources::admissible::SampleTimes;
use earcon_audio::MixSettings;
use earcon_identity::session::SessionPolicy;
use earcon_streams::{StreamOptions, StreamSettings, UtcOffsets};

/// How many times as long an incident of one weak anomaly gathers members.
const WEAK_SETTLES: i64 = 15;
/// Files and other sockets that are open in addition to connections.
const OTHER_FILES: usize = 256;

pub(super) fn actor_settings(config: &Config, restart: RestartPolicy) -> Result<Settings, String> {
    let zones = &config.streams.time_zones;
    let by_workspace = zones.of.iter().map(|(workspace, zone)| Ok((workspace.clone(), stream_settings(config, zone)?)));
    Ok(Settings {
        streams: stream_settings(config, &zones.usual)?,
        streams_by_workspace: by_workspace.collect::<Result<_, String>>()?,
        max_workspaces: config.workspaces.most,
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
            settle_weak_ms: WEAK_SETTLES * config.alerts.settle.as_millis() as i64,
            linger_ms: config.alerts.linger.as_millis() as i64,
        },
        restart,
        mix: MixSettings { mode: config.sound.mode, voices: config.sound.voices, ..MixSettings::default() },
        mix_linger: config.sound.linger,
    })
}

/// How long sessions live.
pub(super) fn session_policy(accounts: &crate::config::Accounts) -> SessionPolicy {
    SessionPolicy {
        idle_ms: accounts.idle.as_millis() as i64,
        absolute_ms: accounts.session.as_millis() as i64,
        ..SessionPolicy::default()
    }
}

fn stream_settings(config: &Config, zone: &TimeZone) -> Result<Arc<StreamSettings>, String> {
    let options = StreamOptions {
        max_series: config.streams.max_series,
        grace_min_ms: config.streams.stalled_after.as_millis() as i64,
        grace_factor: config.streams.stalled_after_intervals,
        max_ahead_ms: config.ingest.max_ahead.as_millis() as i64,
        sensitivity: config.streams.sensitivity,
        utc_offsets: utc_offsets(zone),
        max_age_ms: config.storage.history_age.as_millis() as i64,
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

/// Limits of the gateway at an address, which is always one of the server's names.
pub(super) fn limits(config: &Config, address: SocketAddr, scoring: Arc<StreamSettings>) -> Result<Limits, StartError> {
    let names: Vec<String> = config.server.hosts.iter().cloned().chain([host_text(address)]).collect();
    let hosts = Hosts::new(&names, &config.server.origins);
    let unknown = |text| StartError::Settings(format!("server.hosts or server.origins: {text:?} is no name of a host"));
    Ok(Limits {
        max_body_bytes: config.server.max_body_bytes,
        max_upload_bytes: config.ingest.max_upload_bytes,
        max_batch_samples: config.ingest.max_batch_samples,
        replay_events: config.live.replay_events,
        workspace: config.ingest.workspace.clone(),
        sample_times: SampleTimes::new(scoring),
        times: times(config),
        room: room(&config.connections),
        hosts: hosts.map_err(unknown)?,
    })
}

fn times(config: &Config) -> Times {
    let Connections { head, body, body_bytes_per_second, idle, write, ping, close, .. } = config.connections;
    // The other half is left for saving the state.
    Times { head, body, body_bytes_per_second, idle, write, ping, close, finish: config.server.drain / 2 }
}

fn room(connections: &Connections) -> Room {
    let Connections { most, most_per_address, request_bytes, answer_bytes, .. } = *connections;
    let allowed = open_files();
    if most > allowed {
        tracing::warn!(allowed, wanted = most, "the limit of open files allows fewer connections than connections.max");
    }
    Room { connections: most.min(allowed), connections_per_address: most_per_address, request_bytes, answer_bytes }
}

/// An address as it is written in an URL.
fn host_text(address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Connections that the limit of open files leaves room for, beside files and other sockets.
fn open_files() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let most = limit.current.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    most.saturating_sub(OTHER_FILES).max(OTHER_FILES)
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
