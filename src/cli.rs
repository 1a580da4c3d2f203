//! The command line: parses arguments and runs the command.

mod administrator;
mod cluster;
mod context;
mod contexts;
mod delete;
mod doctor;
mod evaluate;
mod files;
mod keys;
mod listen;
mod login;
mod members;
mod migrate;
mod organisations;
mod output;
mod query;
mod secret;
mod serve;
mod server;
mod tail;
mod text;
mod workspaces;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::output::{USAGE, complain, say};
use crate::config::{Config, Problem};

#[derive(Parser)]
#[command(name = "earcon", version, about, long_about = None, arg_required_else_help = true)]
struct Cli {
    /// Configuration file (TOML); config/default.toml lists all keys. EARCON_SECTION__KEY in the
    /// environment overrides it
    #[arg(long, global = true, value_name = "FILE", env = "EARCON_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Run the server with this machine's own metrics as input, once per second
    Demo(ServeArgs),
    /// Send a CSV file or workbook to a running server, at the recorded pace or faster
    Replay(files::ReplayArgs),
    /// Show live events in the terminal; reconnects if the connection breaks
    Tail(tail::TailArgs),
    /// Play the sound stream with mpv or ffplay, or write it to a file
    Listen(listen::ListenArgs),
    /// Show the history of a KPI, or anomalies
    Query(query::QueryArgs),
    /// Delete samples, series, a KPI or a workspace of a running server. Counts first, and asks
    Delete(delete::DeleteArgs),
    /// Send historical data to a running server. It trains on them without alerts. Safe to repeat
    Backfill(files::BackfillArgs),
    /// Measure the quality of the detector
    #[command(subcommand)]
    Evaluate(evaluate::EvaluateCommand),
    /// Create a workspace, or list all
    #[command(subcommand)]
    Workspaces(workspaces::WorkspacesCommand),
    /// Keep the API key to a server, for all other commands
    Login(login::LoginArgs),
    /// Forget the API key to a server
    Logout(login::LogoutArgs),
    /// List the servers of `login`, or take one into use
    #[command(subcommand)]
    Context(context::ContextCommand),
    /// List, make, rotate and revoke API keys
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// List organisations, or create one
    #[command(subcommand)]
    Organisations(organisations::OrganisationsCommand),
    /// List, invite and remove members of an organisation, and change their roles
    #[command(subcommand)]
    Members(members::MembersCommand),
    /// Inspect a cluster
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Check a data directory that no server uses, and list all losses; exits with 69 if it is
    /// damaged
    Doctor(DoctorArgs),
    /// Check the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Migrate the database of cql.nodes to the schema of this version. Safe to repeat, and to run
    /// on several nodes at once
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
struct DoctorArgs {
    /// Data directory [default: data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep everything that is whole, record which events are missing, and begin a new epoch.
    /// Damaged files are kept in `damaged` (of the database) and `log/WORKSPACE/damaged`
    #[arg(long)]
    repair: bool,
}

#[derive(Subcommand)]
enum ClusterCommand {
    /// Show owners, lag and health; exits with 1 if a node is silent or a workspace has no owner
    Status {
        #[command(flatten)]
        connection: server::Connection,
    },
}

#[derive(Subcommand)]
enum ConfigCommand {
    /// Report all problems of the configuration at once
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
        Command::Doctor(DoctorArgs { data, repair }) => {
            let args = ServeArgs { data, ..ServeArgs::default() };
            with_config(cli.config, &args, false, |config| doctor::run(&config.storage.data, repair))
        }
        Command::Config(ConfigCommand::Check) => with_config(cli.config, &ServeArgs::default(), false, |_| {
            say("the configuration is valid");
            ExitCode::SUCCESS
        }),
        Command::Tail(args) => tail::run(&args),
        Command::Listen(args) => listen::run(&args),
        Command::Query(args) => query::run(&args),
        Command::Delete(args) => delete::run(&args),
        Command::Replay(args) => files::replay(cli.config.as_deref(), args),
        Command::Backfill(args) => files::backfill(cli.config.as_deref(), args),
        Command::Evaluate(command) => evaluate::evaluate(command),
        Command::Workspaces(command) => workspaces::run(&command),
        Command::Login(args) => login::login(args),
        Command::Logout(args) => login::logout(&args),
        Command::Context(command) => context::run(&command),
        Command::Keys(command) => keys::run(&command),
        Command::Organisations(command) => organisations::run(&command),
        Command::Members(command) => members::run(&command),
        Command::Cluster(ClusterCommand::Status { connection }) => cluster::status(&connection),
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
