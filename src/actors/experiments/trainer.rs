//! Runs a training job: reads history page by page, trains a fresh detector on it, and hands the
//! learned state to the stream.
//!
//! Progress is saved after every KPI, at most once a second. A restart continues after the last
//! finished KPI; an unfinished KPI begins again. Between pages it pauses for as long as the page
//! took, so that live scoring has at least half of the processor.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::actors::context::Context;
use crate::actors::routes::{Route, Routes};
use crate::actors::stream::{StreamHandle, Training as Learned};
use crate::experiments::{JobState, TrainingJob};
use crate::services::records::{Family, Records, Stored};
use crate::services::retry::Retry;
use crate::telemetry::{Metric, count};
use earcon_model::{DetectorSlots, KpiName, Labels, Sample, SeriesBatch};
use earcon_ports::{ErrorKind, PortError, Revision, SampleSeries, SeriesQuery};
use earcon_streams::KpiState;
use earcon_tenancy::WorkspacePass;

/// About how many samples a page has.
const PAGE_SAMPLES: usize = 20_000;
/// Least samples of a series in a page.
const LEAST_ROWS: usize = 50;
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// For a store that does not answer, and for a stream that is restarting.
const RETRY: Retry = Retry { every: Duration::from_millis(500), give_up: Duration::from_secs(300) };

/// A job that runs. Dropping it stops the job where it is.
pub(super) struct Training(JoinHandle<()>);

impl Drop for Training {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Training {
    /// Starts a job; `ended` is called at its end.
    pub(super) fn start(args: TrainingArgs, ended: impl FnOnce() + Send + 'static) -> Self {
        let TrainingArgs { context, pass, routes, job: Stored { value: job, revision, .. } } = args;
        let records = Records::new(context.backends.meta_store.clone(), Family::Job);
        let worker = Worker { context, pass, routes, records, job, revision, saved: Instant::now() };
        Self(tokio::spawn(async move {
            worker.run().await;
            ended();
        }))
    }
}

/// What a job is started with.
pub(super) struct TrainingArgs {
    pub(super) context: Context,
    pub(super) pass: WorkspacePass,
    pub(super) routes: Arc<Routes>,
    pub(super) job: Stored<TrainingJob>,
}

/// Why a job stops before its end.
enum Ended {
    Cancelled,
    Failed(String),
    /// The workspace is closing, or another node owns it. The job stays as it was saved; the next
    /// owner continues it.
    Left,
}

impl From<PortError> for Ended {
    fn from(error: PortError) -> Self {
        Ended::Failed(error.to_string())
    }
}

struct Worker {
    context: Context,
    pass: WorkspacePass,
    routes: Arc<Routes>,
    records: Records<TrainingJob>,
    job: TrainingJob,
    revision: Revision,
    saved: Instant,
}

impl Worker {
    async fn run(mut self) {
        let (state, problem) = match self.train_all().await {
            Ok(()) => (JobState::Done, None),
            Err(Ended::Cancelled) => (JobState::Cancelled, None),
            Err(Ended::Failed(problem)) => (JobState::Failed, Some(problem)),
            Err(Ended::Left) => return,
        };
        tracing::info!(workspace = %self.pass.workspace(), job = self.job.id, ?state, problem, "a training job has ended");
        let attempts = RETRY.start();
        // A job whose end is not saved would begin again.
        loop {
            (self.job.state, self.job.problem) = (state, problem.clone());
            let Err(Ended::Failed(error)) = self.save().await else { return };
            tracing::warn!(workspace = %self.pass.workspace(), error, "the end of a job cannot be saved");
            if !attempts.again().await {
                return;
            }
        }
    }

    async fn train_all(&mut self) -> Result<(), Ended> {
        if self.job.state == JobState::Cancelling {
            return Err(Ended::Cancelled);
        }
        let known = self.routes.names();
        if self.routes.is_closed() {
            return Err(Ended::Left);
        }
        let left = self.job.left(known);
        self.save().await?;
        for kpi in left {
            let started = Instant::now();
            self.train(&kpi).await?;
            let progress = &mut self.job.progress;
            progress.kpis_done += 1;
            progress.last_kpi = Some(kpi);
            progress.run_ms += started.elapsed().as_millis() as u64;
            if self.saved.elapsed() >= SAVE_EVERY {
                self.save().await?;
            }
        }
        Ok(())
    }

    async fn train(&mut self, kpi: &KpiName) -> Result<(), Ended> {
        let base = self.context.settings.scoring(self.pass.workspace());
        let mut trainee = KpiState::new(self.pass.workspace().clone(), kpi.clone(), base);
        let detectors = DetectorSlots { live: self.job.choice.clone(), shadow: None };
        if trainee.set_detectors(&detectors).is_err() {
            return Err(Ended::Failed(format!("this version of the program cannot run {}", self.job.choice)));
        }
        let (mut from_ms, mut series) = (self.job.from_ms, 1);
        while from_ms < self.job.to_ms {
            let started = Instant::now();
            let rows = (PAGE_SAMPLES / series).max(LEAST_ROWS);
            let page = self.page(kpi, from_ms, rows).await?;
            series = page.len().max(1);
            let (end_ms, batches) = complete_part(page, self.job.to_ms);
            let samples: usize = batches.iter().map(|batch| batch.rows.len()).sum();
            trainee.backfill(&batches, self.context.clock.now_ms());
            self.job.progress.samples += samples as u64;
            count(Metric::TrainingSamples, samples as u64);
            from_ms = end_ms;
            if self.saved.elapsed() >= SAVE_EVERY {
                self.save().await?;
            }
            tokio::time::sleep(started.elapsed()).await;
        }
        self.hand_over(kpi, &trainee).await
    }

    /// Gives the learned state to the stream of a KPI, unless it is parked.
    async fn hand_over(&mut self, kpi: &KpiName, trainee: &KpiState) -> Result<(), Ended> {
        let trained = trainee.trained();
        let attempts = RETRY.start();
        while let Some(stream) = self.stream(kpi).await? {
            let (detector, algorithm) = (self.job.choice.clone(), trainee.detector().to_owned());
            match stream.import_training(Learned { detector, algorithm, series: trained.clone() }).await {
                Some(series) => {
                    self.job.progress.series += series as u64;
                    break;
                }
                // The stream has just failed and is restarting.
                None if attempts.again().await => {}
                None => return Err(Ended::Failed(format!("the stream of {kpi} keeps failing"))),
            }
        }
        Ok(())
    }

    async fn page(&self, kpi: &KpiName, from_ms: i64, rows: usize) -> Result<Vec<SampleSeries>, Ended> {
        let query = SeriesQuery { kpi: kpi.clone(), labels: Labels::none(), from_ms, to_ms: self.job.to_ms };
        let attempts = RETRY.start();
        loop {
            let page = self.context.backends.series_store.samples(&self.pass, &query, rows).await;
            let unavailable = page.as_ref().is_err_and(|error| error.kind == ErrorKind::Unavailable);
            if !unavailable || !attempts.again().await {
                return Ok(page?);
            }
        }
    }

    /// The KPI's stream, once it runs; `None` if it is parked.
    async fn stream(&self, kpi: &KpiName) -> Result<Option<StreamHandle>, Ended> {
        let attempts = RETRY.start();
        loop {
            match self.routes.find(kpi) {
                Some(Route::Running(stream)) => return Ok(Some(stream)),
                Some(Route::Parked(_) | Route::Refused(_)) => return Ok(None),
                None if self.routes.is_closed() => return Err(Ended::Left),
                _ if attempts.again().await => {}
                _ => return Err(Ended::Failed(format!("{kpi} does not run"))),
            }
        }
    }

    /// Saves the job, unless it was cancelled or another node owns the workspace.
    async fn save(&mut self) -> Result<(), Ended> {
        self.saved = Instant::now();
        match self.put(self.revision).await {
            Ok(revision) => {
                self.revision = revision;
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::Conflict => {
                match self.records.get(&self.pass, &self.job.id).await? {
                    // Cancelling is the only change that people make.
                    Some(theirs) if theirs.value.state == JobState::Cancelling => {
                        self.revision = theirs.revision;
                        if self.job.is_open() {
                            return Err(Ended::Cancelled);
                        }
                        self.revision = self.put(theirs.revision).await?;
                        Ok(())
                    }
                    // Another node owns the workspace and continues the job.
                    _ => Err(Ended::Left),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn put(&self, expected: Revision) -> Result<Revision, PortError> {
        self.records.put(&self.pass, &self.job.id, expected, &self.job).await
    }
}

/// The part of a page that is complete for every series, and where the next page begins. A series
/// that was cut ends earlier than others; rows behind its end are read again.
fn complete_part(page: Vec<SampleSeries>, to_ms: i64) -> (i64, Vec<SeriesBatch>) {
    let cut = page.iter().filter(|series| series.truncated).filter_map(|series| series.rows.last());
    let end_ms = cut.map(|row| row.timestamp_ms.saturating_add(1)).min().unwrap_or(to_ms);
    let batch = |series: SampleSeries| {
        let rows = series.rows.iter().take_while(|row| row.timestamp_ms < end_ms);
        let sample = |timestamp_ms, value| Sample { timestamp_ms, value };
        SeriesBatch::gauge(series.labels, rows.map(|row| (0, sample(row.timestamp_ms, row.value))))
    };
    (end_ms, page.into_iter().map(batch).filter(|batch| !batch.rows.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use earcon_ports::SampleRow;

    fn series(label: &str, times: &[i64], truncated: bool) -> SampleSeries {
        let row = |timestamp_ms: &i64| SampleRow {
            timestamp_ms: *timestamp_ms,
            value: 1.0,
            score: None,
            expected: f64::NAN,
            lower: f64::NAN,
            upper: f64::NAN,
        };
        SampleSeries { labels: Labels::parse(label).unwrap(), rows: times.iter().map(row).collect(), truncated }
    }

    #[test]
    fn a_page_ends_where_the_first_series_was_cut() {
        let page = vec![series("s:a", &[1, 2, 3], true), series("s:b", &[3, 4, 5], true), series("s:c", &[9], false)];
        let (end_ms, batches) = complete_part(page, 100);
        assert_eq!(end_ms, 4);
        let taken: Vec<_> = batches.iter().map(|batch| (batch.labels.as_str(), batch.rows.len())).collect();
        assert_eq!(taken, [("s:a", 3), ("s:b", 1)]);
        assert_eq!(complete_part(vec![series("s:a", &[1], false)], 100).0, 100);
        assert_eq!(complete_part(Vec::new(), 100), (100, Vec::new()));
    }
}
