//! Configuration: raw values from the defaults, a file and the environment become one validated [`Config`], or a list of
//! every problem at once, each with its key.

mod distributed;
mod reader;
mod statsd;
mod time_zones;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::Figment;
use figment::providers::{Env, Format, Toml};

use crate::telemetry::LogFormat;
pub use distributed::{Backend, Cluster, Consistency, Cql, LogBackend, Nats};
use earcon_audio::Mode;
use earcon_model::WorkspaceId;
use earcon_streams::DetectorName;
use reader::Reader;
pub use statsd::Statsd;
pub use time_zones::TimeZones;

/// The shipped defaults; also the documentation of every key.
const DEFAULTS: &str = include_str!("../config/default.toml");

/// Everything that can be configured, validated.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[storage]`
    pub storage: Storage,
    /// `[nats]`; `None` without servers.
    pub nats: Option<Nats>,
    /// `[cql]`; `None` without nodes.
    pub cql: Option<Cql>,
    /// `[cluster]`; `None` unless enabled.
    pub cluster: Option<Cluster>,
    /// `[ingest]`
    pub ingest: Ingest,
    /// `[statsd]`; `None` without an address.
    pub statsd: Option<Statsd>,
    /// `[streams]`
    pub streams: Streams,
    /// `[alerts]`
    pub alerts: Alerts,
    /// `[live]`
    pub live: Live,
    /// `[sound]`
    pub sound: Sound,
    /// `[log]`
    pub log: Log,
}

/// The HTTP server.
#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Largest request body, after decompression.
    pub max_body_bytes: usize,
    /// How long a shutdown may take.
    pub drain: Duration,
}

/// The data directory and what is kept in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Storage {
    /// The directory.
    pub data: PathBuf,
    /// Where logs are.
    pub log: LogBackend,
    /// Where samples, scores and anomalies are.
    pub history: Backend,
    /// Where settings and snapshots are.
    pub meta: Backend,
    /// How often history is made durable.
    pub flush_every: Duration,
    /// Age limit of the log.
    pub log_age: Duration,
    /// Size limit of a workspace's log.
    pub log_bytes: u64,
    /// Age limit of history.
    pub history_age: Duration,
    /// Size limit of a workspace's history.
    pub history_bytes: u64,
}

/// The door.
#[derive(Debug, Clone, PartialEq)]
pub struct Ingest {
    /// Most samples of a workspace in flight.
    pub max_in_flight_samples: usize,
    /// Most samples of one request.
    pub max_batch_samples: usize,
    /// Largest uploaded file.
    pub max_upload_bytes: u64,
    /// Where the samples of agents go that name no workspace.
    pub workspace: WorkspaceId,
    /// Series as senders name them that are remembered of one workspace.
    pub known_series: usize,
}

/// Scoring.
#[derive(Debug, Clone, PartialEq)]
pub struct Streams {
    /// Most workspaces.
    pub max_workspaces: usize,
    /// Most KPIs of a workspace.
    pub max_kpis: usize,
    /// Most series of a KPI.
    pub max_series: usize,
    /// How often changed state is saved.
    pub snapshot_every: Duration,
    /// Least silence that counts as stalled.
    pub stalled_after: Duration,
    /// Silence that counts as stalled, in sampling intervals.
    pub stalled_after_intervals: f64,
    /// 1 as designed; 2 alerts twice as readily, 0.5 half.
    pub sensitivity: f64,
    /// What scores the samples.
    pub detector: DetectorName,
    /// Whose days and weeks count.
    pub time_zones: TimeZones,
}

/// Incidents, and how many of them are alerted.
#[derive(Debug, Clone, PartialEq)]
pub struct Alerts {
    /// Most incidents of a workspace alerted in any 24 hours; 0: no limit.
    pub max_per_day: u32,
    /// How long an incident gathers members before it is spoken of.
    pub settle: Duration,
    /// How long after its last member's end an incident is over.
    pub linger: Duration,
}

/// Followers.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Group commits kept for slow followers.
    pub buffer_commits: usize,
    /// Most events replayed on a resume.
    pub replay_events: u64,
}

/// The default mix.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    /// Ambient, or cues only.
    pub mode: Mode,
    /// KPIs in the foreground.
    pub voices: u8,
    /// How long a mix outlives its last listener.
    pub linger: Duration,
}

/// Log lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// Filter directives.
    pub level: String,
    /// How they look.
    pub format: LogFormat,
}

/// One thing wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `section.key`, or the file.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

impl Config {
    /// Reads the defaults, then `file`, then `EARCON_SECTION__KEY` from the environment, then `overrides` (`section.key`).
    ///
    /// # Errors
    /// Every problem found, in order of key.
    pub fn load(file: Option<&Path>, overrides: &[(&str, serde_json::Value)]) -> Result<Self, Vec<Problem>> {
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file {
            // Read here, so that a missing file is an error and not silently nothing.
            let text = std::fs::read_to_string(file).map_err(|error| {
                vec![Problem { key: file.display().to_string(), message: format!("cannot be read: {error}") }]
            })?;
            figment = figment.merge(Toml::string(&text));
        }
        figment = figment.merge(Env::prefixed("EARCON_").filter(|key| key.as_str().contains("__")).split("__"));
        for (key, value) in overrides {
            figment = figment.merge((*key, value));
        }
        Self::from_figment(&figment)
    }

    fn from_figment(figment: &Figment) -> Result<Self, Vec<Problem>> {
        let values: serde_json::Value = figment.extract().map_err(|errors| {
            errors
                .into_iter()
                .map(|error| Problem { key: "file".into(), message: error.to_string() })
                .collect::<Vec<_>>()
        })?;
        let mut read = Reader::new(values);
        let config = Self {
            server: Server {
                listen: read.parsed("server.listen", "an address such as \"127.0.0.1:7070\""),
                max_body_bytes: read.number("server.max_body_bytes", 1_024, 1 << 30) as usize,
                drain: read.seconds("server.drain_seconds", 1, 600),
            },
            storage: Storage {
                data: read.text("storage.data").into(),
                log: read
                    .one_of("storage.log", &[("embedded", LogBackend::Embedded), ("jetstream", LogBackend::JetStream)]),
                history: read.one_of("storage.history", &distributed::BACKENDS),
                meta: read.one_of("storage.meta", &distributed::BACKENDS),
                flush_every: read.seconds("storage.flush_seconds", 1, 600),
                log_age: read.seconds_of("storage.log_hours", 3_600, 1, 24 * 365),
                log_bytes: read.number("storage.log_megabytes", 16, 1 << 24) << 20,
                history_age: read.seconds_of("storage.history_days", 86_400, 1, 36_500),
                history_bytes: read.number("storage.history_megabytes", 16, 1 << 26) << 20,
            },
            nats: distributed::nats(&mut read),
            cql: distributed::cql(&mut read),
            cluster: distributed::cluster(&mut read),
            ingest: Ingest {
                max_in_flight_samples: read.number("ingest.max_in_flight_samples", 1_000, 100_000_000) as usize,
                max_batch_samples: read.number("ingest.max_batch_samples", 1, 1_000_000) as usize,
                max_upload_bytes: read.number("ingest.max_upload_megabytes", 1, 1 << 20) << 20,
                workspace: read.parsed("ingest.workspace", "the name of a workspace"),
                known_series: read.number("ingest.known_series", 1_000, 100_000_000) as usize,
            },
            statsd: statsd::statsd(&mut read),
            streams: Streams {
                max_workspaces: read.number("streams.max_workspaces", 1, 100_000) as usize,
                max_kpis: read.number("streams.max_kpis", 1, 1_000_000) as usize,
                max_series: read.number("streams.max_series", 1, 1_000_000) as usize,
                snapshot_every: read.seconds("streams.snapshot_seconds", 1, 3_600),
                stalled_after: read.seconds("streams.stalled_after_seconds", 1, 86_400),
                stalled_after_intervals: read.fraction("streams.stalled_after_intervals", 2.0, 1_000.0),
                sensitivity: read.fraction("streams.sensitivity", 0.25, 4.0),
                detector: read.one_of("streams.detector", &DetectorName::ALL.map(|one| (one.as_str(), one))),
                time_zones: time_zones::time_zones(&mut read),
            },
            alerts: Alerts {
                max_per_day: read.number("alerts.max_per_day", 0, 10_000) as u32,
                settle: read.seconds("alerts.settle_seconds", 0, 600),
                linger: read.seconds("alerts.linger_seconds", 1, 86_400),
            },
            live: Live {
                buffer_commits: read.number("live.buffer_commits", 16, 1 << 20) as usize,
                replay_events: read.number("live.replay_events", 0, 100_000_000),
            },
            sound: Sound {
                mode: read.one_of("sound.mode", &[("ambient", Mode::Ambient), ("cues", Mode::Cues)]),
                voices: read.number("sound.voices", 0, 8) as u8,
                linger: read.seconds("sound.linger_seconds", 0, 86_400),
            },
            log: Log {
                level: read.text("log.level"),
                format: read.one_of(
                    "log.format",
                    &[("auto", LogFormat::Auto), ("human", LogFormat::Human), ("json", LogFormat::Json)],
                ),
            },
        };
        let mut problems = read.finish();
        config.check_together(&mut problems);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    fn check_together(&self, problems: &mut Vec<Problem>) {
        distributed::check(self, problems);
        if let Some(settings) = &self.statsd {
            statsd::check(settings, problems);
        }
        if !self.server.listen.ip().is_loopback() && !problems.iter().any(|problem| problem.key == "server.listen") {
            problems.push(Problem {
                key: "server.listen".into(),
                message: format!(
                    "{} can be reached from other machines, and this version has no authentication yet; \
                     use a loopback address such as 127.0.0.1 and a proxy or tunnel of your own",
                    self.server.listen
                ),
            });
        }
        if self.ingest.max_batch_samples > self.ingest.max_in_flight_samples {
            problems.push(Problem {
                key: "ingest.max_batch_samples".into(),
                message: "must not be larger than ingest.max_in_flight_samples".into(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str) -> Result<Config, Vec<Problem>> {
        Config::from_figment(&Figment::from(Toml::string(DEFAULTS)).merge(Toml::string(toml)))
    }

    #[test]
    fn the_shipped_files_are_valid() {
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/config")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                Config::load(Some(&path), &[]).unwrap_or_else(|problems| panic!("{}: {problems:?}", path.display()));
            }
        }
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let problems = load(
            "[server]\nlisten = \"nowhere\"\nport = 1\n[sound]\nvoices = 99\nmode = \"loud\"\n[streams]\nsensitivity = \"x\"",
        )
        .unwrap_err();
        let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["server.listen", "server.port", "sound.mode", "sound.voices", "streams.sensitivity"]);
        let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(text.contains("\"ambient\" or \"cues\""), "{text}");
    }

    #[test]
    fn other_machines_are_refused_without_authentication() {
        let problems = load("[server]\nlisten = \"0.0.0.0:7070\"").unwrap_err();
        assert!(problems[0].message.contains("no authentication"), "{}", problems[0]);
    }

    #[test]
    fn statsd_listens_on_this_machine_or_not_at_all() {
        assert_eq!(load("").unwrap().statsd, None);
        let statsd = load("[statsd]\nlisten = \"127.0.0.1:8125\"").unwrap().statsd.unwrap();
        assert_eq!((statsd.listen.port(), statsd.workspace.as_str()), (8125, "local"));
        for (toml, key) in [
            ("listen = \"0.0.0.0:8125\"", "statsd.listen"),
            ("listen = \"here\"", "statsd.listen"),
            ("workspace = \"No\"", "statsd.workspace"),
            ("flush_seconds = 0", "statsd.flush_seconds"),
        ] {
            let problems = load(&format!("[statsd]\n{toml}")).unwrap_err();
            assert_eq!(problems.iter().map(|problem| problem.key.as_str()).collect::<Vec<_>>(), [key]);
        }
    }

    #[test]
    fn overrides_win() {
        let config = Config::load(None, &[("server.listen", "127.0.0.1:0".into())]).unwrap();
        assert_eq!(config.server.listen.port(), 0);
    }

    #[test]
    fn a_missing_file_is_named() {
        let problems = Config::load(Some(Path::new("/nonexistent/earcon.toml")), &[]).unwrap_err();
        assert_eq!(problems[0].key, "/nonexistent/earcon.toml");
    }
}
