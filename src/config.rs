//! Configuration: merges the defaults, a file and the environment into one validated [`Config`].
//! Otherwise it reports all problems at once, each with its key.

mod accounts;
mod connections;
mod distributed;
mod limits;
mod outbound;
mod problem;
mod reader;
mod sections;
mod statsd;
mod time_zones;
mod tls;
mod workspaces;

use std::path::Path;

use figment::Figment;
use figment::providers::{Env, Format, Toml};

pub use accounts::Accounts;
pub use connections::Connections;
pub use distributed::{Cluster, Consistency, Cql, Nats};
pub use limits::{Limits, Memory};
pub use outbound::Outbound;
pub use problem::Problem;
use reader::Reader;
pub use sections::{Alerts, Backend, Ingest, Live, Log, LogBackend, Server, Sound, Storage, Streams};
pub use statsd::Statsd;
pub use time_zones::TimeZones;
pub use tls::Tls;
pub use workspaces::Workspaces;

/// The default values. The file also documents every key.
const DEFAULTS: &str = include_str!("../config/default.toml");

/// The validated configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[tls]`; `None` without a certificate.
    pub tls: Option<Tls>,
    /// `[connections]`
    pub connections: Connections,
    /// `[accounts]`
    pub accounts: Accounts,
    /// `[storage]`
    pub storage: Storage,
    /// `[nats]`; `None` without servers.
    pub nats: Option<Nats>,
    /// `[cql]`; `None` without nodes.
    pub cql: Option<Cql>,
    /// `[cluster]`; `None` unless enabled.
    pub cluster: Option<Cluster>,
    /// `[workspaces]`
    pub workspaces: Workspaces,
    /// `[limits]`
    pub limits: Limits,
    /// `[ingest]`
    pub ingest: Ingest,
    /// `[outbound]`
    pub outbound: Outbound,
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

impl Config {
    /// Reads the defaults, then `file`, then `EARCON_SECTION__KEY` from the environment, then
    /// `overrides` (`section.key`).
    ///
    /// # Errors
    /// All problems, in order of key.
    pub fn load(file: Option<&Path>, overrides: &[(&str, serde_json::Value)]) -> Result<Self, Vec<Problem>> {
        let mut figment = Figment::from(Toml::string(DEFAULTS));
        if let Some(file) = file {
            // Read here, because figment would ignore a missing file.
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
            server: Server::read(&mut read),
            tls: tls::tls(&mut read),
            connections: Connections::read(&mut read),
            accounts: Accounts::read(&mut read),
            storage: Storage::read(&mut read),
            nats: distributed::nats(&mut read),
            cql: distributed::cql(&mut read),
            cluster: distributed::cluster(&mut read),
            workspaces: Workspaces::read(&mut read),
            limits: Limits::read(&mut read),
            ingest: Ingest::read(&mut read),
            outbound: Outbound::read(&mut read),
            statsd: statsd::statsd(&mut read),
            streams: Streams::read(&mut read),
            alerts: Alerts::read(&mut read),
            live: Live::read(&mut read),
            sound: Sound::read(&mut read),
            log: Log::read(&mut read),
        };
        let mut problems = read.finish();
        config.check_together(&mut problems);
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    fn check_together(&self, problems: &mut Vec<Problem>) {
        distributed::check(&self.storage, self.nats.is_some(), self.cql.is_some(), self.cluster.is_some(), problems);
        connections::check(&self.connections, self.server.max_body_bytes, problems);
        if let Some(settings) = &self.statsd {
            statsd::check(settings, problems);
        }
        if !problems.iter().any(|problem| problem.key == "server.listen") {
            accounts::check(&self.accounts, (self.server.listen, self.tls.is_some()), problems);
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
    fn shipped_files_are_valid() {
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/config")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                Config::load(Some(&path), &[]).unwrap_or_else(|problems| panic!("{}: {problems:?}", path.display()));
            }
        }
    }

    #[test]
    fn all_problems_are_reported_at_once() {
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
    fn listen_address_beyond_loopback_is_refused() {
        let refused = |accounts: &str| {
            let toml = format!("[server]\nlisten = \"0.0.0.0:7070\"\n[accounts]\n{accounts}");
            load(&toml).err().map(|problems| problems[0].to_string())
        };
        assert!(refused("").unwrap().contains("accounts.required"));
        assert!(refused("required = true").unwrap().contains("behind_tls_proxy"));
        assert!(refused("behind_tls_proxy = true").unwrap().contains("accounts.required"));
        assert_eq!(refused("required = true\nbehind_tls_proxy = true"), None);
        assert!(load("[accounts]\nsession_hours = 2\nidle_hours = 3").is_err());
    }

    #[test]
    fn statsd_is_off_by_default_and_listens_on_loopback_only() {
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
    fn each_wrong_exception_for_outbound_requests_is_reported() {
        let toml =
            "[outbound]\nallow = \"10.0.0.0/8, 10.1/8, ftp://a.example, idp.example.org:8443\"\nports = \"443, x\"";
        let problems = load(toml).unwrap_err();
        let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["outbound.allow", "outbound.allow", "outbound.ports"]);
        assert!(problems[0].message.contains("10.1/8"), "{}", problems[0]);
        let outbound = load("[outbound]\nallow = \"10.0.0.0/8\"").unwrap().outbound;
        assert_eq!(outbound.egress, earcon_egress::Egress::new(vec![443], vec!["10.0.0.0/8".parse().unwrap()]));
    }

    #[test]
    fn a_certificate_needs_its_key() {
        assert_eq!(load("").unwrap().tls, None);
        for toml in ["certificate = \"a.pem\"", "key = \"b.pem\""] {
            let problems = load(&format!("[tls]\n{toml}")).unwrap_err();
            assert_eq!(problems.iter().map(|problem| problem.key.as_str()).collect::<Vec<_>>(), ["tls.key"]);
        }
        let both = load("[tls]\ncertificate = \"a.pem\"\nkey = \"b.pem\"").unwrap().tls.unwrap();
        assert_eq!((both.certificate, both.key, both.hsts_days), ("a.pem".into(), "b.pem".into(), 365));
    }

    #[test]
    fn a_wrong_name_of_a_workspace_is_reported() {
        let names = |toml| load(toml).map(|config| config.workspaces.names.len());
        assert_eq!((names(""), names("[workspaces]\nnames = \"a, b\"")), (Ok(1), Ok(2)));
        let problems = load("[workspaces]\nnames = \"a, No\"\ncreate = \"all\"").unwrap_err();
        let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["workspaces.create", "workspaces.names"]);
    }

    #[test]
    fn overrides_take_precedence() {
        let config = Config::load(None, &[("server.listen", "127.0.0.1:0".into())]).unwrap();
        assert_eq!(config.server.listen.port(), 0);
    }

    #[test]
    fn missing_file_is_named() {
        let problems = Config::load(Some(Path::new("/nonexistent/earcon.toml")), &[]).unwrap_err();
        assert_eq!(problems[0].key, "/nonexistent/earcon.toml");
    }
}
