//! Replays a file of samples into a server, at the speed of its timestamps or as fast as the server takes them.
//!
//! Three steps, none waiting for more than the next: a thread reads rows into batches, [`Pacer`] says when each is due, and
//! [`Poster`] delivers it. The timestamps stay those of the file. Deliberately absent: parsing of arguments (`cli`), and any
//! knowledge of the server beyond its HTTP interface.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::SourceSample;
use super::chunks::{Portion, TableError, read_ahead};
use super::csv::{Naming, name_from};
use super::post::{PostError, Poster, Receipt};
use super::xlsx::is_sheet;
use earcon_model::{Arrival, KpiName, WorkspaceId};
use progress::Progress;

mod pace;
mod progress;

pub use pace::{Batcher, Pacer};

/// The most samples in one request.
const BATCH_SAMPLES: usize = 1_000;
/// … of history, where nobody waits for the first of them.
const HISTORY_SAMPLES: usize = 5_000;

/// What to replay, and where to.
#[derive(Debug, Clone)]
pub struct ReplayOptions {
    /// The CSV file or xlsx workbook; see [`crate::sources::csv`] for what is read.
    pub file: PathBuf,
    /// The KPI of the only value column, or the prefix of several. Without it, the columns or the file name them.
    pub kpi: Option<KpiName>,
    /// How many seconds of the file pass in one second; 0 is as fast as possible.
    pub speed: f64,
    /// The server, such as `http://127.0.0.1:8080`.
    pub url: String,
    /// The workspace that gets the samples.
    pub workspace: WorkspaceId,
    /// Whether the samples happen now or are history.
    pub arrival: Arrival,
}

/// What a replay did. Displays as one line for the terminal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Samples the server has committed.
    pub accepted: u64,
    /// How many of them were not newer than one already there: kept, and not scored.
    pub late: u64,
    /// Samples the server refused, each with its reason.
    pub rejected: u64,
    /// Rows and cells of the file that could not be read.
    pub skipped: u64,
    /// Samples that were on their way when the replay was interrupted: the server may have taken them.
    pub unconfirmed: u64,
    /// Whether the replay was stopped before the end of the file.
    pub interrupted: bool,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.interrupted {
            f.write_str("stopped before the end: ")?;
        }
        write!(f, "{} samples accepted", self.accepted)?;
        if self.late > 0 {
            write!(f, " ({} of them not newer than what was there: kept, not scored)", self.late)?;
        }
        write!(f, ", {} rejected, {} rows or cells skipped", self.rejected, self.skipped)?;
        if self.unconfirmed > 0 {
            write!(f, ", {} on their way", self.unconfirmed)?;
        }
        Ok(())
    }
}

/// Why a replay ended before the end of its file.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The speed is negative or no number.
    #[error("speed must be 0 (as fast as possible) or a positive number, not {0}")]
    Speed(f64),
    /// The file cannot be opened.
    #[error("cannot open {}: {error}", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The file cannot be read, or not any further.
    #[error("cannot read {}: {error} (until then: {summary})", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        error: TableError,
        /// What had been done until then.
        summary: Summary,
    },
    /// The server did not take a batch.
    #[error("{error} (until then: {summary})")]
    Post {
        /// Why.
        error: PostError,
        /// What had been done until then.
        summary: Summary,
    },
}

/// Replays a file, telling of progress and problems on standard error. Ctrl-C ends it with what was done until then.
///
/// # Errors
/// The options, the file or the server stand in the way; the message says what to do.
pub async fn run(options: ReplayOptions) -> Result<Summary, ReplayError> {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler Ctrl-C ends the process by itself.
            std::future::pending::<()>().await;
        }
    };
    run_until(options, interrupt).await
}

/// As [`run`], but ended by `interrupt`.
async fn run_until(options: ReplayOptions, interrupt: impl Future<Output = ()>) -> Result<Summary, ReplayError> {
    if !options.speed.is_finite() || options.speed < 0.0 {
        return Err(ReplayError::Speed(options.speed));
    }
    let summary = Summary::default();
    let poster = Poster::new(&options.url, &options.workspace, options.arrival)
        .map_err(|error| ReplayError::Post { error, summary })?;
    let (file, size) = open(&options.file)?;
    let naming = Naming {
        kpi: options.kpi,
        fallback: name_from(&options.file.file_stem().unwrap_or_default().to_string_lossy()),
    };
    let most = if options.arrival == Arrival::Backfill { HISTORY_SAMPLES } else { BATCH_SAMPLES };
    let workbook = is_sheet(&options.file.to_string_lossy());
    let (portions, reader) = read_ahead(file, workbook, naming, Batcher::new(most, options.speed));
    let mut replay = Replay { poster, pacer: Pacer::new(options.speed), progress: Progress::of(size), summary };

    let outcome = tokio::select! {
        outcome = replay.deliver_all(portions) => outcome,
        () = interrupt => {
            replay.summary.interrupted = true;
            Ok(())
        }
    };
    replay.progress.finish();
    let summary = replay.summary;
    outcome.map_err(|error| ReplayError::Post { error, summary })?;
    if summary.interrupted {
        // The reader may be waiting for a disk; it ends by itself at the next batch, as nobody takes it any more.
        return Ok(summary);
    }
    match reader.await {
        Ok(Ok(())) => Ok(summary),
        Ok(Err(error)) => Err(ReplayError::Read { file: options.file, error, summary }),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

fn open(path: &Path) -> Result<(File, u64), ReplayError> {
    let fail = |error| ReplayError::Open { file: path.to_owned(), error };
    let file = File::open(path).map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if metadata.is_dir() {
        return Err(fail(io::ErrorKind::IsADirectory.into()));
    }
    Ok((file, metadata.len()))
}

/// A replay under way.
struct Replay {
    poster: Poster,
    pacer: Pacer,
    progress: Progress,
    summary: Summary,
}

impl Replay {
    async fn deliver_all(&mut self, mut portions: mpsc::Receiver<Portion>) -> Result<(), PostError> {
        let started = Instant::now();
        while let Some(portion) = portions.recv().await {
            self.tell_of(&portion);
            if let Some(newest) = portion.samples.iter().map(|s| s.sample.timestamp_ms).max() {
                tokio::time::sleep(self.pacer.wait(newest, started.elapsed())).await;
                self.deliver(&portion.samples).await?;
            }
            self.progress.advance(portion.bytes_read, self.summary.accepted);
        }
        Ok(())
    }

    async fn deliver(&mut self, samples: &[SourceSample]) -> Result<(), PostError> {
        self.summary.unconfirmed = samples.len() as u64;
        let receipt = self.poster.post(samples).await;
        self.summary.unconfirmed = 0;
        let receipt = receipt?;
        self.summary.accepted += receipt.accepted;
        self.summary.late += receipt.late;
        self.summary.rejected += receipt.rejected_total;
        self.tell_of_rejected(samples, &receipt);
        Ok(())
    }

    fn tell_of(&mut self, portion: &Portion) {
        if let Some(warning) = &portion.warning {
            self.progress.warn(warning);
        }
        self.summary.skipped += portion.problems.len() as u64;
        for problem in &portion.problems {
            self.progress.problem(problem);
        }
    }

    fn tell_of_rejected(&mut self, samples: &[SourceSample], receipt: &Receipt) {
        for rejected in &receipt.rejected {
            if let Some(SourceSample { kpi, labels, sample }) = samples.get(rejected.row) {
                let at = sample.timestamp_ms;
                self.progress.problem(&format_args!("{kpi}{{{labels}}} at {at} was refused: {}", rejected.error));
            }
        }
    }
}

#[cfg(test)]
mod tests;
