//! `earcon listen`: plays the stream of a mix, or writes it to a file.
//!
//! No signal is handled: Ctrl-C ends this process and the player. The file contains whole pages at
//! any time.

mod pages;

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use clap::{Args, ValueEnum};
use earcon_client::{Backoff, Error, Ogg, Workspace};

use self::pages::Pages;
use super::output::{UNAVAILABLE, USAGE, complain};
use super::server::{ServerArgs, block_on, failed};

/// Samples per second in Ogg Opus positions.
const RATE: u64 = 48_000;

#[derive(Args)]
pub(super) struct ListenArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Name of the mix
    #[arg(long, value_name = "NAME", default_value = "default")]
    mix: String,
    /// Write Ogg Opus to this file, `-` for stdout, instead of playing it
    #[arg(long, short, value_name = "FILE", conflicts_with = "player")]
    output: Option<PathBuf>,
    /// Player [default: the first of these that is installed]
    #[arg(long, value_enum)]
    player: Option<Player>,
    /// Stop after this much sound
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Player {
    Mpv,
    Ffplay,
}

impl Player {
    fn command(self) -> Command {
        let (name, arguments): (_, &[&str]) = match self {
            Player::Mpv => ("mpv", &["--no-video", "--really-quiet", "--no-terminal", "--cache=no", "-"]),
            Player::Ffplay => {
                ("ffplay", &["-hide_banner", "-loglevel", "error", "-nodisp", "-autoexit", "-i", "pipe:0"])
            }
        };
        let mut command = Command::new(name);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null());
        command
    }
}

pub(super) fn run(args: &ListenArgs) -> ExitCode {
    if args.output.as_deref() == Some(Path::new("-")) && io::stdout().is_terminal() {
        complain("stdout is a terminal: redirect it, or name a file with --output");
        return ExitCode::from(USAGE);
    }
    let workspace = match args.server.workspace() {
        Ok(workspace) => workspace,
        Err(code) => return code,
    };
    block_on(listen(workspace, args))
}

async fn listen(workspace: Workspace, args: &ListenArgs) -> ExitCode {
    // Connects before it starts a player, so that a failure opens none.
    let ogg = match workspace.ogg(&args.mix).await {
        Ok(ogg) => ogg,
        Err(error) => return failed(&error),
    };
    let mut sink = match Sink::open(args) {
        Ok(sink) => sink,
        Err(code) => return code,
    };
    match play(&workspace, &args.mix, ogg, &mut sink, args.seconds.map(|seconds| seconds * RATE)).await {
        Ok(()) => sink.finish(),
        // The player was closed, or the reader has ended.
        Err(Stop::Sink(error)) if error.kind() == ErrorKind::BrokenPipe => sink.finish(),
        Err(Stop::Sink(error)) => {
            complain(&format!("cannot write the sound: {error}"));
            ExitCode::FAILURE
        }
        Err(Stop::Server(error)) => failed(&error),
    }
}

/// Why the sound ends early.
enum Stop {
    /// It cannot be written.
    Sink(io::Error),
    /// The server gives no more of it.
    Server(Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Sink(error)
    }
}

/// Copies whole pages up to `limit` samples of sound. Reconnects if the stream ends.
async fn play(workspace: &Workspace, mix: &str, ogg: Ogg, sink: &mut Sink, limit: Option<u64>) -> Result<(), Stop> {
    let mut ogg = Some(ogg);
    let mut backoff = Backoff::default();
    let mut heard = 0;
    loop {
        if let Some(stream) = &mut ogg {
            match copy(stream, sink, limit.map(|limit| limit.saturating_sub(heard))).await? {
                Copied::Enough => return Ok(()),
                Copied::Ended { samples, why } => {
                    complain(&format!("{why}; reconnecting"));
                    heard += samples;
                    if samples > 0 {
                        backoff.succeeded();
                    }
                }
            }
        }
        tokio::time::sleep(backoff.failed()).await;
        // A second stream after the first is a chained Ogg stream. Players continue with it.
        ogg = match workspace.ogg(mix).await {
            Ok(ogg) => {
                complain("reconnected");
                Some(ogg)
            }
            Err(error) if error.is_denied() => return Err(Stop::Server(error)),
            Err(_) => None,
        };
    }
}

enum Copied {
    Enough,
    Ended { samples: u64, why: String },
}

async fn copy(ogg: &mut Ogg, sink: &mut Sink, limit: Option<u64>) -> Result<Copied, Stop> {
    let mut pages = Pages::default();
    loop {
        let piece = match ogg.next().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return Ok(Copied::Ended { samples: pages.samples(), why: "the stream ended".to_owned() }),
            Err(error @ Error::Unreachable { .. }) => {
                return Ok(Copied::Ended { samples: pages.samples(), why: error.to_string() });
            }
            Err(error) => return Err(Stop::Server(error)),
        };
        pages.push(&piece);
        while let Some(page) = pages.next()? {
            sink.write(&page)?;
            if limit.is_some_and(|limit| pages.samples() >= limit) {
                return Ok(Copied::Enough);
            }
        }
    }
}

/// The destination of the sound.
enum Sink {
    File(File),
    Stdout,
    Player(Child),
}

impl Sink {
    fn open(args: &ListenArgs) -> Result<Self, ExitCode> {
        match &args.output {
            Some(path) if path == Path::new("-") => Ok(Sink::Stdout),
            Some(path) => File::create(path).map(Sink::File).map_err(|error| {
                complain(&format!("cannot write {}: {error}", path.display()));
                ExitCode::from(UNAVAILABLE)
            }),
            None => start(args.player).map(Sink::Player),
        }
    }

    fn write(&mut self, page: &[u8]) -> io::Result<()> {
        match self {
            Sink::File(file) => file.write_all(page),
            Sink::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(page)?;
                out.flush()
            }
            Sink::Player(child) => match &mut child.stdin {
                Some(stdin) => stdin.write_all(page),
                None => Err(ErrorKind::BrokenPipe.into()),
            },
        }
    }

    /// Waits until the player has finished. Returns its exit code.
    fn finish(self) -> ExitCode {
        let Sink::Player(mut child) = self else { return ExitCode::SUCCESS };
        drop(child.stdin.take());
        match child.wait() {
            Ok(status) if status.success() => ExitCode::SUCCESS,
            Ok(status) => {
                complain(&format!("the player ended with {status}"));
                ExitCode::FAILURE
            }
            Err(error) => {
                complain(&format!("cannot wait for the player: {error}"));
                ExitCode::FAILURE
            }
        }
    }
}

/// Starts the requested player, or the first that is installed.
fn start(player: Option<Player>) -> Result<Child, ExitCode> {
    let candidates = player.map_or(vec![Player::Mpv, Player::Ffplay], |player| vec![player]);
    for player in candidates {
        let mut command = player.command();
        match command.spawn() {
            Ok(child) => return Ok(child),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                complain(&format!("cannot start {}: {error}", command.get_program().display()));
                return Err(ExitCode::from(UNAVAILABLE));
            }
        }
    }
    let missing = match player {
        Some(Player::Mpv) => "mpv is not installed (Debian: apt install mpv)",
        Some(Player::Ffplay) => "ffplay is not installed (Debian: apt install ffmpeg)",
        None => "no player is installed: install mpv or ffplay (Debian: apt install mpv, or apt install ffmpeg)",
    };
    complain(&format!("{missing}; or write the sound to a file with --output FILE.ogg"));
    Err(ExitCode::from(UNAVAILABLE))
}
