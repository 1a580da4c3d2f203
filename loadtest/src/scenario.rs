//! Scenario files: kind, size and duration of a load. All values are bounded.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::server::Target;

/// The built-in scenarios, by name.
const BUILT_IN: &[(&str, &str)] = &[
    ("audio", include_str!("../scenarios/audio.toml")),
    ("audio-5000", include_str!("../scenarios/audio-5000.toml")),
    ("audio-ogg", include_str!("../scenarios/audio-ogg.toml")),
    ("churn", include_str!("../scenarios/churn.toml")),
    ("idle", include_str!("../scenarios/idle.toml")),
    ("ingest-influx", include_str!("../scenarios/ingest-influx.toml")),
    ("ingest-json", include_str!("../scenarios/ingest-json.toml")),
    ("ingest-prometheus", include_str!("../scenarios/ingest-prometheus.toml")),
    ("latency", include_str!("../scenarios/latency.toml")),
    ("soak", include_str!("../scenarios/soak.toml")),
    ("websocket", include_str!("../scenarios/websocket.toml")),
];

/// A scenario with its name.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) load: Load,
}

/// The load of a scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Load {
    Websocket(Websocket),
    Audio(Audio),
    Ingest(Ingest),
    Latency(Latency),
    Churn(Churn),
    Soak(Soak),
}

/// Fan-out: each message to each connection, and memory of idle connections.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Websocket {
    pub(crate) connections: usize,
    pub(crate) messages_per_second: f64,
    pub(crate) seconds: f64,
    /// Size of a whole message, for targets that forward data unchanged. `compare` uses the size of
    /// Earcon's events.
    pub(crate) message_bytes: usize,
    pub(crate) client_threads: usize,
}

/// The format of the audio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// Opus packets over a WebSocket.
    Packets,
    /// Ogg Opus over HTTP.
    Ogg,
}

/// Many listeners of one mix.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Audio {
    pub(crate) format: Format,
    pub(crate) listeners: usize,
    /// Time before the measurement, seconds.
    pub(crate) warm_up_seconds: f64,
    pub(crate) seconds: f64,
    /// Size of one packet, for targets without a synthesiser. `compare` uses the size of Earcon's
    /// packets.
    pub(crate) packet_bytes: usize,
    pub(crate) client_threads: usize,
}

/// The protocol of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Protocol {
    /// Earcon's own.
    Json,
    /// InfluxDB line protocol.
    Influx,
    /// Prometheus remote write 1.0.
    Prometheus,
}

/// Samples as fast as the target accepts, or at a fixed rate.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ingest {
    pub(crate) protocol: Protocol,
    pub(crate) kpis: usize,
    pub(crate) series_per_kpi: usize,
    /// Number of measured samples of each series.
    pub(crate) samples_per_series: usize,
    pub(crate) warm_up_samples_per_series: usize,
    pub(crate) batch: usize,
    pub(crate) connections: usize,
    /// Batches per second. 0: each connection sends right after its answer.
    #[serde(default)]
    pub(crate) batches_per_second: f64,
    /// Time to wait for deferred work (flushes, merges). Its CPU time counts.
    pub(crate) settle_seconds: f64,
}

/// From post to WebSocket and from post to the packet in which the cue begins, under load.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Latency {
    /// Samples per second in the background.
    pub(crate) background_samples_per_second: f64,
    pub(crate) batch: usize,
    pub(crate) series: usize,
    /// Probes: single samples whose events are timed.
    pub(crate) probes_per_second: f64,
    pub(crate) seconds: f64,
    /// Workspaces that play a mix each, because a mix plays few cues per minute.
    pub(crate) mixes: usize,
    pub(crate) cues_per_mix: usize,
}

/// Connections that subscribe and leave.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Churn {
    pub(crate) workers: usize,
    pub(crate) seconds: f64,
}

/// All loads at once at a moderate rate for a long time, to detect growth of memory.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Soak {
    pub(crate) connections: usize,
    pub(crate) listeners: usize,
    pub(crate) samples_per_second: f64,
    pub(crate) batch: usize,
    pub(crate) series: usize,
    pub(crate) seconds: f64,
    /// Time at the beginning that the slope excludes, seconds.
    pub(crate) warm_up_seconds: f64,
}

impl Scenario {
    /// Reads a built-in scenario by name or a file by path, and overrides single keys
    /// (`key=value`).
    ///
    /// # Errors
    /// If there is no such scenario, or it is incomplete or exceeds a limit.
    pub(crate) fn load(name: &str, changes: &[String]) -> anyhow::Result<Self> {
        let built_in = BUILT_IN.iter().find(|(known, _)| *known == name);
        let (name, text) = match built_in {
            Some((name, text)) => ((*name).to_owned(), (*text).to_owned()),
            None if name.ends_with(".toml") => {
                let text = std::fs::read_to_string(name).with_context(|| format!("reading the scenario {name}"))?;
                let stem = Path::new(name).file_stem().unwrap_or_default();
                (stem.to_string_lossy().into_owned(), text)
            }
            None => {
                bail!("unknown scenario {name:?}; use one of {}, or a .toml file", Self::names().join(", "))
            }
        };
        let mut table: toml::Table = text.parse().with_context(|| format!("the scenario {name} is not TOML"))?;
        for change in changes {
            let (key, value) = change.split_once('=').with_context(|| format!("--set {change}: write key=value"))?;
            let value: toml::Table = format!("value = {value}")
                .parse()
                .or_else(|_| format!("value = {value:?}").parse())
                .with_context(|| format!("--set {change}"))?;
            table.extend(value.into_iter().map(|(_, value)| (key.trim().to_owned(), value)));
        }
        let load: Load = table.try_into().with_context(|| format!("the scenario {name}"))?;
        load.check().with_context(|| format!("the scenario {name}"))?;
        Ok(Self { name, load })
    }

    /// The built-in scenarios.
    pub(crate) fn names() -> Vec<&'static str> {
        BUILT_IN.iter().map(|(name, _)| *name).collect()
    }
}

impl Load {
    /// The targets of the load, in the order of `compare`.
    pub(crate) fn targets(&self) -> &'static [Target] {
        match self {
            Load::Websocket(_) => &[Target::Earcon, Target::Centrifugo, Target::Raw],
            Load::Churn(_) => &[Target::Earcon, Target::Centrifugo],
            Load::Audio(Audio { format: Format::Packets, .. }) => &[Target::Earcon, Target::Raw],
            Load::Audio(_) => &[Target::Earcon, Target::Icecast, Target::Raw],
            Load::Ingest(Ingest { protocol: Protocol::Json, .. }) => &[Target::Earcon, Target::Raw],
            Load::Ingest(_) => &[Target::Earcon, Target::VictoriaMetrics, Target::Raw],
            Load::Latency(_) | Load::Soak(_) => &[Target::Earcon],
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        match self {
            Load::Websocket(it) => {
                within("connections", it.connections, 1, 50_000)?;
                within("message_bytes", it.message_bytes, 100, 60_000)?;
                within("client_threads", it.client_threads, 1, 64)?;
                rate("messages_per_second", it.messages_per_second)?;
                seconds(it.seconds)?;
                within("messages", (it.messages_per_second * it.seconds) as usize, 1, 1_000_000)
            }
            Load::Audio(it) => {
                within("listeners", it.listeners, 1, 50_000)?;
                within("packet_bytes", it.packet_bytes, 10, 1_275)?;
                ensure!((0.0..=600.0).contains(&it.warm_up_seconds), "warm_up_seconds must be 0 to 600");
                within("client_threads", it.client_threads, 1, 64)?;
                seconds(it.seconds)
            }
            Load::Ingest(it) => {
                within("kpis", it.kpis, 1, 10_000)?;
                within("series_per_kpi", it.series_per_kpi, 1, 10_000)?;
                within("batch", it.batch, 1, 50_000)?;
                within("connections", it.connections, 1, 1_000)?;
                within("samples_per_series", it.samples_per_series, 1, 1_000_000)?;
                within("warm_up_samples_per_series", it.warm_up_samples_per_series, 0, 10_000)?;
                let all = it.kpis * it.series_per_kpi * (it.samples_per_series + it.warm_up_samples_per_series);
                // All samples are built before the load begins.
                within("samples", all, 1, 20_000_000)?;
                let requests = (it.kpis * it.series_per_kpi).div_ceil(it.batch);
                within("connections (requests that one sample of every series takes)", it.connections, 1, requests)?;
                ensure!(it.batches_per_second >= 0.0, "batches_per_second must not be negative");
                ensure!((0.0..=600.0).contains(&it.settle_seconds), "settle_seconds must be 0 to 600");
                Ok(())
            }
            Load::Latency(it) => {
                rate("background_samples_per_second", it.background_samples_per_second)?;
                rate("probes_per_second", it.probes_per_second)?;
                within("batch", it.batch, 1, 50_000)?;
                within("series", it.series, 1, 10_000)?;
                within("mixes", it.mixes, 0, 90)?;
                within("cues_per_mix", it.cues_per_mix, 1, 6)?;
                seconds(it.seconds)
            }
            Load::Churn(it) => {
                within("workers", it.workers, 1, 5_000)?;
                seconds(it.seconds)
            }
            Load::Soak(it) => {
                within("connections", it.connections, 0, 50_000)?;
                within("listeners", it.listeners, 0, 50_000)?;
                within("batch", it.batch, 1, 50_000)?;
                within("series", it.series, 1, 10_000)?;
                rate("samples_per_second", it.samples_per_second)?;
                ensure!(it.warm_up_seconds < it.seconds, "warm_up_seconds must be less than seconds");
                seconds(it.seconds)
            }
        }
    }
}

fn within(name: &str, value: usize, least: usize, most: usize) -> anyhow::Result<()> {
    ensure!((least..=most).contains(&value), "{name} must be {least} to {most}, not {value}");
    Ok(())
}

fn rate(name: &str, value: f64) -> anyhow::Result<()> {
    ensure!(value > 0.0 && value <= 10_000_000.0, "{name} must be above 0 and at most 10,000,000, not {value}");
    Ok(())
}

fn seconds(value: f64) -> anyhow::Result<()> {
    ensure!(value > 0.0 && value <= 604_800.0, "seconds must be above 0 and at most a week, not {value}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_scenarios_are_valid() {
        for name in Scenario::names() {
            let scenario = Scenario::load(name, &[]).unwrap();
            assert_eq!(scenario.load.targets().first(), Some(&Target::Earcon), "{name}");
        }
    }

    #[test]
    fn single_keys_can_be_overridden() {
        let changed = Scenario::load("audio", &["listeners=7".into(), "format=ogg".into()]).unwrap();
        let Load::Audio(audio) = changed.load else { panic!("{changed:?}") };
        assert_eq!((audio.listeners, audio.format), (7, Format::Ogg));
    }

    #[test]
    fn invalid_scenarios_name_the_problem() {
        for (changes, about) in [
            ("connections=0", "connections"),
            ("conections=5", "conections"),
            ("seconds=1e9", "seconds"),
            ("message_bytes=99999999", "message_bytes"),
            ("connections", "key=value"),
        ] {
            let error = Scenario::load("websocket", &[changes.to_owned()]).unwrap_err();
            assert!(format!("{error:#}").contains(about), "{changes}: {error:#}");
        }
        assert!(Scenario::load("nonsense", &[]).is_err() && Scenario::load("/nonexistent.toml", &[]).is_err());
    }
}
