//! Replays a file of samples into a server, at the speed of its timestamps or as fast as the server
//! accepts them.
//!
//! A thread reads rows into batches, [`Pacer`] computes when each is due, and [`Poster`] delivers
//! it. The timestamps of the file are kept. Deliberately absent: parsing of arguments (`cli`), and
//! knowledge of the server beyond its HTTP interface.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use earcon_client::Key;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::SourceSample;
use super::admissible::named;
use super::batcher::Batcher;
use super::chunks::{FileError, Portion, read_ahead};
use super::post::{PostError, Poster, Receipt};
use crate::live::wire::WireTooOld;
use earcon_client::Trust;
use earcon_model::wording::counted;
use earcon_model::{Arrival, WorkspaceId};
use earcon_tables::TableOptions;
use earcon_tables::xlsx::is_sheet;
use progress::Progress;

mod pacer;
mod progress;

pub use pacer::Pacer;

/// The most samples in one request.
const BATCH_SAMPLES: usize = 1_000;
/// The most samples in one request of history, where latency does not matter.
const HISTORY_SAMPLES: usize = 5_000;

/// The file, the destination and the speed of a replay.
#[derive(Debug, Clone)]
pub struct ReplayOptions {
    /// The CSV file or xlsx workbook. See [`earcon_tables`] for the format.
    pub file: PathBuf,
    /// How it is read.
    pub table: TableOptions,
    /// How many seconds of the file pass in one second. 0: as fast as possible.
    pub speed: f64,
    /// The server, such as `http://127.0.0.1:8080`.
    pub url: String,
    /// Whose certificates are trusted, if the URL begins with `https`.
    pub trust: Trust,
    /// The key to it. `None` for a server without accounts.
    pub key: Option<Key>,
    /// The workspace that gets the samples.
    pub workspace: WorkspaceId,
    /// Whether the samples are live or history.
    pub arrival: Arrival,
}

/// The result of a replay. Displays as one line for the terminal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Samples that the server has committed.
    pub accepted: u64,
    /// Number of them that were not newer than the newest of their series: stored, but not scored.
    pub late: u64,
    /// Those of them that replace the value of an earlier one of the file at the same time.
    pub replaced: u64,
    /// Samples that the server refused.
    pub rejected: u64,
    /// Those of them that are older than the server's history keeps.
    pub too_old: Option<Box<WireTooOld>>,
    /// Rows and cells of the file that could not be read.
    pub skipped: u64,
    /// Samples in flight when the replay was interrupted. The server may have committed them.
    pub unconfirmed: u64,
    /// Whether the replay was stopped before the end of the file.
    pub interrupted: bool,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.interrupted {
            f.write_str("stopped before the end: ")?;
        }
        f.write_str(&counted(self.accepted, "sample accepted", "samples accepted"))?;
        let late = self.late.saturating_sub(self.replaced);
        let late = (late > 0).then(|| format!("{}: stored, not scored", counted(late, "late", "late")));
        let replaced = counted(self.replaced, "replaces", "replace");
        let replaced = (self.replaced > 0).then(|| format!("{replaced} an earlier value of the same time"));
        let told: Vec<String> = late.into_iter().chain(replaced).collect();
        if !told.is_empty() {
            write!(f, " ({})", told.join("; "))?;
        }
        write!(f, ", {}", counted(self.rejected, "rejected", "rejected"))?;
        write!(f, ", {} skipped", counted(self.skipped, "row or cell", "rows or cells"))?;
        if self.unconfirmed > 0 {
            write!(f, ", {}", counted(self.unconfirmed, "unconfirmed", "unconfirmed"))?;
        }
        if let Some(too_old) = &self.too_old {
            write!(f, "; {too_old}")?;
        }
        Ok(())
    }
}

/// Why a replay stopped before the end of its file.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The speed is negative or not finite.
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
    /// The file cannot be read, or not to its end.
    #[error("cannot read {}: {error} (until then: {summary})", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        error: Box<FileError>,
        /// The result until then.
        summary: Summary,
    },
    /// The server did not accept a batch.
    #[error("{error} (until then: {summary})")]
    Post {
        /// Why.
        error: PostError,
        /// The result until then.
        summary: Summary,
    },
}

/// Replays a file and shows progress and problems on stderr. Ctrl-C ends it with the result until
/// then.
///
/// # Errors
/// If the options, the file or the server are at fault. The message suggests a remedy.
pub async fn run(options: ReplayOptions) -> Result<Summary, ReplayError> {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            // Without a handler, Ctrl-C ends the process.
            std::future::pending::<()>().await;
        }
    };
    run_until(options, interrupt).await
}

/// As [`run`], but `interrupt` ends it.
async fn run_until(options: ReplayOptions, interrupt: impl Future<Output = ()>) -> Result<Summary, ReplayError> {
    if !options.speed.is_finite() || options.speed < 0.0 {
        return Err(ReplayError::Speed(options.speed));
    }
    let summary = Summary::default();
    let poster = Poster::new(&options.url, (&options.trust, options.key.as_ref()), &options.workspace, options.arrival)
        .map_err(|error| ReplayError::Post { error, summary: summary.clone() })?;
    let (file, size) = open(&options.file)?;
    let most = if options.arrival == Arrival::Backfill { HISTORY_SAMPLES } else { BATCH_SAMPLES };
    let workbook = is_sheet(&options.file.to_string_lossy());
    let (portions, reader) = read_ahead(file, workbook, u64::MAX, options.table, Batcher::new(most, options.speed));
    let mut replay = Replay { poster, pacer: Pacer::new(options.speed), progress: Progress::for_bytes(size), summary };

    let outcome = tokio::select! {
        outcome = replay.deliver_all(portions) => outcome,
        () = interrupt => {
            replay.summary.interrupted = true;
            Ok(())
        }
    };
    replay.progress.finish();
    let summary = replay.summary;
    if let Err(error) = outcome {
        return Err(ReplayError::Post { error, summary });
    }
    if summary.interrupted {
        // The reader may be waiting for a disk. It ends at the next batch, because the channel is
        // closed.
        return Ok(summary);
    }
    match reader.await {
        Ok(Ok(())) => Ok(summary),
        Ok(Err(error)) => Err(ReplayError::Read { file: options.file, error: error.into(), summary }),
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

/// A running replay.
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
            self.show_problems(&portion);
            self.summary.replaced += portion.replaced;
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
        let before = self.summary.too_old.take().map(|too_old| *too_old);
        self.summary.too_old = WireTooOld::merge(before, receipt.too_old.clone()).map(Box::new);
        receipt.notes.iter().for_each(|note| self.progress.warn(note));
        self.show_rejected(samples, &receipt);
        Ok(())
    }

    fn show_problems(&mut self, portion: &Portion) {
        if let Some(warning) = &portion.warning {
            self.progress.warn(warning);
        }
        self.summary.skipped += portion.problems.total();
        for problem in portion.problems.first() {
            self.progress.problem(problem);
        }
    }

    fn show_rejected(&mut self, samples: &[SourceSample], receipt: &Receipt) {
        for rejected in &receipt.rejected {
            if let Some(sample) = samples.get(rejected.row) {
                self.progress.problem(&format_args!("{} was refused: {}", named(sample), rejected.error));
            }
        }
    }
}

#[cfg(test)]
mod tests;
