//! The command line: parse, build, run, drain.

mod cluster;
mod evaluate;
mod listen;
mod migrate;
mod query;
mod serve;
mod server;
mod tail;
mod text;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Config, Problem};
use crate::sources::replay::{self, ReplayOptions};
use earcon_model::{Arrival, KpiName, WorkspaceId};

/// The command line or the configuration is wrong (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;
/// What is needed is not available: a port, a directory, a server (`EX_UNAVAILABLE`).
const UNAVAILABLE: u8 = 69;

#[derive(Parser)]
#[command(name = "earcon", version, about, long_about = None, arg_required_else_help = true)]
struct Cli {
    /// TOML file; see config/default.toml for every key. EARCON_SECTION__KEY in the environment overrides it.
    #[arg(long, global = true, value_name = "FILE", env = "EARCON_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Run the server and feed it this machine's own metrics, every second
    Demo(ServeArgs),
    /// Send a CSV file to a running server, at the pace it was recorded or faster
    Replay(ReplayArgs),
    /// Show live events in the terminal; comes back by itself when the connection breaks
    Tail(tail::TailArgs),
    /// Play the sound stream through mpv or ffplay, or write it to a file
    Listen(listen::ListenArgs),
    /// Show the history of a KPI, or anomalies
    Query(query::QueryArgs),
    /// Send files of history to a running server: it trains on them, and alerts nobody. Safe to repeat
    Backfill(BackfillArgs),
    /// Measure how good the detector is
    #[command(subcommand)]
    Evaluate(evaluate::EvaluateCommand),
    /// Look at a cluster
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Work with the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Bring the database of cql.nodes to the schema of this version; safe to repeat, and from several nodes at once
    Migrate,
}

#[derive(Args, Default)]
struct ServeArgs {
    /// Address to listen on [default: 127.0.0.1:7070]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Data directory [default: data, and data/demo for the demo]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

#[derive(Args)]
struct ReplayArgs {
    /// `timestamp,value`, or any CSV with a header
    file: PathBuf,
    /// Name of the KPI, or prefix of their names when the file has several columns [default: the file's name]
    #[arg(long, value_name = "NAME", value_parser = |text: &str| KpiName::new(text))]
    kpi: Option<KpiName>,
    /// How many times faster than recorded; 0 is as fast as the server takes it
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    speed: f64,
    /// Where the server is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7070")]
    url: String,
    /// The workspace to send to
    #[arg(long, value_name = "NAME", default_value = "local", value_parser = |text: &str| WorkspaceId::new(text))]
    workspace: WorkspaceId,
}

#[derive(Args)]
struct BackfillArgs {
    /// CSV files as `replay` reads them, the oldest first
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Name of the KPI, or prefix of their names when a file has several columns [default: the file's name]
    #[arg(long, value_name = "NAME", value_parser = |text: &str| KpiName::new(text))]
    kpi: Option<KpiName>,
    /// Where the server is
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7070")]
    url: String,
    /// The workspace to send to
    #[arg(long, value_name = "NAME", default_value = "local", value_parser = |text: &str| WorkspaceId::new(text))]
    workspace: WorkspaceId,
}

#[derive(Subcommand)]
enum ClusterCommand {
    /// Show who owns what, lag and health; exits with 1 when a node is silent or a workspace has no owner
    Status {
        /// Any node of the cluster
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:7070")]
        url: String,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Report every problem of the configuration at once
    Check,
}

/// Runs the program.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _closed = error.print().is_err();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match cli.command {
        Command::Serve(args) => with_config(cli.config, &args, false, |config| serve::run(&config, false)),
        Command::Demo(args) => with_config(cli.config, &args, true, |config| serve::run(&config, true)),
        Command::Migrate => with_config(cli.config, &ServeArgs::default(), false, |config| migrate::run(&config)),
        Command::Config(ConfigCommand::Check) => with_config(cli.config, &ServeArgs::default(), false, |_| {
            say("the configuration is valid");
            ExitCode::SUCCESS
        }),
        Command::Tail(args) => tail::run(&args),
        Command::Listen(args) => listen::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Replay(args) => send_files(vec![args], Arrival::Live),
        Command::Backfill(args) => backfill(args),
        Command::Evaluate(command) => evaluate::evaluate(command),
        Command::Cluster(ClusterCommand::Status { url }) => cluster::status(&url),
    }
}

fn with_config(file: Option<PathBuf>, args: &ServeArgs, demo: bool, run: impl FnOnce(Config) -> ExitCode) -> ExitCode {
    let mut overrides = Vec::new();
    if let Some(listen) = args.listen {
        overrides.push(("server.listen", listen.to_string().into()));
    }
    if let Some(data) = &args.data {
        overrides.push(("storage.data", data.display().to_string().into()));
    }
    match Config::load(file.as_deref(), &overrides) {
        Ok(mut config) => {
            if demo && args.data.is_none() {
                config.storage.data = crate::app::demo_data(&config.storage.data);
            }
            run(config)
        }
        Err(problems) => {
            report(&problems);
            ExitCode::from(USAGE)
        }
    }
}

fn report(problems: &[Problem]) {
    complain(&format!("the configuration has {} problem(s):", problems.len()));
    problems.iter().for_each(|problem| complain(&format!("  {problem}")));
}

fn backfill(args: BackfillArgs) -> ExitCode {
    let BackfillArgs { files, kpi, url, workspace } = args;
    let of = |file| ReplayArgs { file, kpi: kpi.clone(), speed: 0.0, url: url.clone(), workspace: workspace.clone() };
    send_files(files.into_iter().map(of).collect(), Arrival::Backfill)
}

/// Sends one file after the other; the first that stands in the way ends it.
fn send_files(all: Vec<ReplayArgs>, arrival: Arrival) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the runtime cannot start: {error}"));
            return ExitCode::from(UNAVAILABLE);
        }
    };
    let several = all.len() > 1;
    for ReplayArgs { file, kpi, speed, url, workspace } in all {
        let name = if several { format!("{}: ", file.display()) } else { String::new() };
        match runtime.block_on(replay::run(ReplayOptions { file, kpi, speed, url, workspace, arrival })) {
            Ok(summary) => {
                say(&format!("{name}{summary}"));
                if summary.interrupted {
                    break;
                }
            }
            Err(error) => {
                complain(&format!("{name}{error}"));
                return ExitCode::from(UNAVAILABLE);
            }
        }
    }
    ExitCode::SUCCESS
}

/// A line for people, on stdout. A closed pipe is their choice.
fn say(line: &str) {
    let _closed = writeln!(std::io::stdout(), "{line}").is_err();
}

/// A line for people, on stderr.
fn complain(line: &str) {
    let _closed = writeln!(std::io::stderr(), "earcon: {line}").is_err();
}
