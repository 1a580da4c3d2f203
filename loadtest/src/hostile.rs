//! `loadtest hostile`: clients that want to hold a server open, and what one that behaves notices.
//!
//! First a well-behaved sender runs alone, then next to one that floods, then with all attackers.
//! Then the server must end in time while they are still connected, and must have everything after
//! a restart.

mod attackers;
mod program;
mod sender;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use tokio::time::sleep;

use crate::cli::unless_interrupted;
use crate::usage;
use attackers::Attack;
use program::Program;
use sender::Sender;

/// Waits below this are as good as none: they are the noise of a busy machine.
const NOISE: Duration = Duration::from_millis(20);

#[derive(Args)]
pub(crate) struct Arguments {
    /// Path of the earcon binary [default: next to this one].
    #[arg(long, value_name = "FILE")]
    server: Option<PathBuf>,
    /// How long the attack lasts.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    seconds: u64,
    /// Bound of the server's resident memory.
    #[arg(long, value_name = "MB", default_value_t = 1_024)]
    megabytes: u64,
    /// Bound of the sender's p99 during the attack, as a multiple of its p99 before.
    #[arg(long, value_name = "FACTOR", default_value_t = 2.0)]
    factor: f64,
    /// Bound of the time that SIGTERM takes.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    terminate_seconds: f64,
}

/// The measurements.
struct Outcome {
    usual: Duration,
    flooded: Duration,
    attacked: Duration,
    sent: usize,
    peak_bytes: f64,
    terminated: Duration,
    kept: bool,
}

/// Attacks a server and prints what came of it.
///
/// # Errors
/// When a bound is broken, or nothing could be measured.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<String> {
    rlimit::increase_nofile_limit(u64::MAX).context("raising the limit of open files")?;
    let sibling = || Some(std::env::current_exe().ok()?.with_file_name("earcon"));
    let program = arguments.server.clone().or_else(sibling).context("give the path of earcon with --server")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("a runtime")?;
    let outcome = runtime.block_on(unless_interrupted(attack(&program, Duration::from_secs(arguments.seconds))))?;
    let broken = outcome.broken(arguments);
    let text = outcome.text();
    ensure!(broken.is_empty(), "{text}broken: {}", broken.join("; "));
    Ok(text)
}

async fn attack(path: &std::path::Path, length: Duration) -> anyhow::Result<Outcome> {
    let data = tempfile::Builder::new().prefix("earcon-hostile-").tempdir().context("a temporary directory")?;
    let mut server = Program::start(path, data.path())?;
    let mut sender = Sender::start(server.address).await?;
    let mut peak_bytes = usage::resident_bytes(server.pid())?;

    let part = (length / 4).clamp(Duration::from_secs(5), Duration::from_secs(30));
    sender.run_for(part).await?;
    let usual = sender.take_p99();

    let flood = Attack::flood(server.address)?;
    sender.run_for(part).await?;
    let flooded = sender.take_p99();
    drop(flood);

    let attackers = Attack::all(server.address)?;
    let end = Instant::now() + length;
    while Instant::now() < end {
        sender.run_for(Duration::from_millis(500)).await?;
        peak_bytes = peak_bytes.max(usage::resident_bytes(server.pid())?);
    }
    let (attacked, sent) = (sender.take_p99(), sender.sent());

    let terminated = server.terminate().await?;
    drop(attackers);
    let server = Program::start(path, data.path())?;
    // History is read from its store, which the restart opened.
    sleep(Duration::from_millis(500)).await;
    let kept = sender::has_last(server.address, sender.last_value()).await?;
    Ok(Outcome { usual, flooded, attacked, sent, peak_bytes, terminated, kept })
}

impl Outcome {
    /// The bounds that are broken.
    fn broken(&self, bounds: &Arguments) -> Vec<String> {
        let megabytes = self.peak_bytes / 1e6;
        let most = self.usual.max(NOISE).mul_f64(bounds.factor);
        let mut broken = Vec::new();
        if megabytes > bounds.megabytes as f64 {
            broken.push(format!("{megabytes:.0} MB of resident memory, not {} at most", bounds.megabytes));
        }
        for (p99, when) in [(self.flooded, "during a flood"), (self.attacked, "under attack")] {
            if p99 > most {
                broken.push(format!("a p99 of {p99:.1?} {when}, not {most:.1?} at most"));
            }
        }
        if self.terminated.as_secs_f64() > bounds.terminate_seconds {
            broken.push(format!("SIGTERM took {:.1?}, not {} s at most", self.terminated, bounds.terminate_seconds));
        }
        if !self.kept {
            broken.push("the last acknowledged sample is missing after the restart".to_owned());
        }
        broken
    }

    fn text(&self) -> String {
        format!(
            "p99 of a sender, alone      {:.1?}\np99 of it, during a flood   {:.1?}\np99 of it, under attack     {:.1?}\nbatches it sent             {}\n\
             peak resident memory        {:.0} MB\nSIGTERM under attack took   {:.2?}\nafter the restart           {}\n",
            self.usual,
            self.flooded,
            self.attacked,
            self.sent,
            self.peak_bytes / 1e6,
            self.terminated,
            if self.kept { "all is there" } else { "the last sample is missing" },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_is_judged() {
        let bounds = Arguments { server: None, seconds: 5, megabytes: 100, factor: 2.0, terminate_seconds: 2.0 };
        let ms = Duration::from_millis;
        let good = Outcome {
            usual: ms(30),
            flooded: ms(59),
            attacked: ms(59),
            sent: 1,
            peak_bytes: 99e6,
            terminated: ms(1_900),
            kept: true,
        };
        assert!(good.broken(&bounds).is_empty());
        let quick = Outcome { usual: ms(1), flooded: ms(39), attacked: ms(39), ..good };
        assert!(quick.broken(&bounds).is_empty(), "noise of the machine");
        let bad = Outcome {
            usual: ms(30),
            flooded: ms(61),
            attacked: ms(61),
            sent: 1,
            peak_bytes: 101e6,
            terminated: ms(2_100),
            kept: false,
        };
        assert_eq!(bad.broken(&bounds).len(), 5);
    }
}
