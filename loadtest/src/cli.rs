//! The command line.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::{Args, Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

use crate::load;
use crate::report::{Report, table};
use crate::scenario::{Load, Scenario};
use crate::server::{Programs, Target};
use crate::usage;

#[derive(Parser)]
#[command(name = "loadtest", version, about = "Measures Earcon side by side with comparable servers")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Loads one target and reports.
    Run {
        /// Name of a built-in scenario, or a .toml file.
        scenario: String,
        /// The server to measure.
        #[arg(long, default_value = "earcon")]
        target: Target,
        #[command(flatten)]
        options: Options,
    },
    /// Loads all targets of a scenario, one after the other, and prints the ratios to Earcon.
    Compare {
        /// Name of a built-in scenario, or a .toml file.
        scenario: String,
        /// Only these targets, in this order.
        #[arg(long, value_delimiter = ',')]
        targets: Vec<Target>,
        /// Number of rounds; the median of each figure is reported.
        #[arg(long, default_value_t = 1)]
        rounds: usize,
        #[command(flatten)]
        options: Options,
    },
    /// Attacks Earcon, and fails if it uses too much or keeps others waiting.
    Hostile(crate::hostile::Arguments),
    /// Lists the built-in scenarios.
    Scenarios,
    /// The raw server; `run` and `compare` start it.
    #[command(hide = true)]
    RawServer {
        #[arg(long)]
        data: PathBuf,
        #[arg(long)]
        packet_bytes: usize,
    },
}

#[derive(Args)]
struct Options {
    /// Path of the earcon binary.
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// Directory of centrifugo and victoria-metrics [default: ~/.cache/earcon/peers].
    #[arg(long, value_name = "DIRECTORY")]
    peers: Option<PathBuf>,
    /// Override a key of the scenario.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command of the command line.
pub(crate) fn run() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::RawServer { data, packet_bytes } => crate::raw::serve(&data, packet_bytes),
        Command::Hostile(arguments) => say(&crate::hostile::run(&arguments)?),
        Command::Scenarios => say(&(Scenario::names().join("\n") + "\n")),
        Command::Run { scenario, target, options } => measure(&scenario, &[target], 1, &options),
        Command::Compare { scenario, targets, rounds, options } => {
            ensure!((1..=100).contains(&rounds), "--rounds must be 1 to 100");
            measure(&scenario, &targets, rounds, &options)
        }
    }
}

fn measure(scenario: &str, targets: &[Target], rounds: usize, options: &Options) -> anyhow::Result<()> {
    let mut scenario = Scenario::load(scenario, &options.changes)?;
    let possible = scenario.load.targets();
    let targets = if targets.is_empty() { possible } else { targets };
    for target in targets {
        ensure!(possible.contains(target), "{} cannot be measured with {}", target.name(), scenario.name);
    }
    // The servers inherit the limit.
    rlimit::increase_nofile_limit(u64::MAX).context("raising the limit of open files")?;
    let programs = options.programs()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
    let mut reports: Vec<Vec<Report>> = vec![Vec::new(); targets.len()];
    for round in 0..rounds {
        for (target, reports) in targets.iter().zip(&mut reports) {
            eprintln!("{} on {}, round {} of {rounds}", scenario.name, target.name(), round + 1);
            let load_average = usage::load_average();
            let report = runtime.block_on(unless_interrupted(load::run(&scenario, *target, &programs)));
            let mut report = report.with_context(|| format!("{} on {}", scenario.name, target.name()))?;
            if let Some(load_average) = load_average.filter(|load| round == 0 && *load > usage::cores() as f64 / 2.0) {
                report.note(format!(
                    "the machine may have had other work: load average {load_average:.1} on {} cores",
                    usage::cores()
                ));
            }
            if *target == Target::Earcon {
                use_sizes_of(&mut scenario.load, &report);
            }
            reports.push(report);
        }
    }
    let reports: Vec<Report> = reports.into_iter().filter_map(Report::median).collect();
    match options.json {
        true => say(&(serde_json::to_string_pretty(&reports).context("writing the report")? + "\n")),
        false => say(&table(&reports)),
    }
}

/// Returns on SIGINT or SIGTERM, so that the server it has started is stopped too.
pub(crate) async fn unless_interrupted<T>(run: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let listen = |kind| signal(kind).context("listening for signals");
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        outcome = run => outcome,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    }
}

/// Sets the sizes of the other targets' messages to those of Earcon.
fn use_sizes_of(load: &mut Load, earcon: &Report) {
    match load {
        Load::Websocket(load) => {
            // Without the head of the frame.
            if let Some(bytes) = earcon.value("message") {
                load.message_bytes = (bytes as usize).saturating_sub(4).clamp(150, 60_000);
            }
        }
        Load::Audio(load) => {
            if let Some(kbits) = earcon.value("bitrate per listener") {
                // Head of the frame and number: 12 bytes a packet; head of the page and of the
                // chunk: about 20 bytes a packet.
                let around = if load.format == crate::scenario::Format::Packets { 12.0 } else { 20.0 };
                load.packet_bytes = (kbits * 1_000.0 / 8.0 / 50.0 - around).clamp(10.0, 1_275.0) as usize;
            }
        }
        Load::Ingest(_) | Load::Latency(_) | Load::Churn(_) | Load::Soak(_) => {}
    }
}

impl Options {
    fn programs(&self) -> anyhow::Result<Programs> {
        let sibling = || {
            let program = std::env::current_exe().ok()?;
            Some(program.with_file_name("earcon"))
        };
        let Some(earcon) = self.server.clone().or_else(sibling) else { bail!("give the path of earcon with --server") };
        let cache = || {
            let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
            cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        };
        let peers = self.peers.clone().or_else(|| cache().map(|cache| cache.join("earcon/peers")));
        Ok(Programs { earcon, peers: peers.context("give the directory of the peers with --peers")? })
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).context("writing the report")
}
