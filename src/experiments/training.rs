//! A job that trains a detector's baselines from history: its KPIs and its progress.

use serde::{Deserialize, Serialize};

use earcon_model::{DetectorRef, KpiName};

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// It runs, or waits for other jobs or for its node.
    Running,
    /// A person has cancelled it; it has not ended yet.
    Cancelling,
    /// All of it is done.
    Done,
    /// It was cancelled. Baselines trained so far stay.
    Cancelled,
    /// It could not go on.
    Failed,
}

/// The progress of a job.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// KPIs to train; 0 until their number is known.
    pub kpis: u64,
    /// KPIs that are done.
    pub kpis_done: u64,
    /// The last of them in order of name. After a restart the job continues after it.
    pub last_kpi: Option<KpiName>,
    /// Samples read from history.
    pub samples: u64,
    /// Series that have new baselines.
    pub series: u64,
    /// Time it has run, milliseconds.
    pub run_ms: u64,
}

impl Progress {
    /// The part that is done, 0 to 100.
    pub fn percent(&self) -> f64 {
        if self.kpis == 0 { 0.0 } else { (self.kpis_done as f64 * 100.0 / self.kpis as f64).min(100.0) }
    }

    /// About how long it will still run, milliseconds; `None` before the first KPI is done.
    pub fn left_ms(&self) -> Option<u64> {
        let left = self.kpis.saturating_sub(self.kpis_done);
        (self.kpis_done > 0).then(|| (self.run_ms as f64 / self.kpis_done as f64 * left as f64) as u64)
    }
}

/// A training job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingJob {
    /// Its identifier in the workspace.
    pub id: String,
    /// The detector that learns, whether it is live or in the shadow.
    pub choice: DetectorRef,
    /// Names of KPIs, or beginnings of names before a `*`; empty for all.
    pub kpis: Vec<String>,
    /// First timestamp to learn from, milliseconds UTC.
    pub from_ms: i64,
    /// First timestamp not to learn from.
    pub to_ms: i64,
    /// Its state.
    pub state: JobState,
    /// Its progress.
    pub progress: Progress,
    /// Why it failed.
    pub problem: Option<String>,
    /// When it was asked for, milliseconds UTC.
    pub created_ms: i64,
}

impl TrainingJob {
    /// Whether it has not ended.
    pub fn is_open(&self) -> bool {
        matches!(self.state, JobState::Running | JobState::Cancelling)
    }

    /// Whether it covers a KPI.
    pub fn covers(&self, kpi: &KpiName) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => kpi.as_str().starts_with(beginning),
            None => kpi.as_str() == pattern,
        };
        self.kpis.is_empty() || self.kpis.iter().any(fits)
    }

    /// The KPIs of `all` that are still to be trained, in order. Updates their number in the
    /// progress.
    pub fn left(&mut self, mut all: Vec<KpiName>) -> Vec<KpiName> {
        all.retain(|kpi| self.covers(kpi));
        all.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        let is_done = |kpi: &KpiName| self.progress.last_kpi.as_ref().is_some_and(|last| kpi.as_str() <= last.as_str());
        all.retain(|kpi| !is_done(kpi));
        self.progress.kpis = self.progress.kpis_done + all.len() as u64;
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_continues_after_the_last_kpi_that_is_done() {
        let kpis = || ["b.y", "a", "b.x", "c"].map(|name| KpiName::new(name).unwrap()).to_vec();
        let mut job = TrainingJob {
            id: "1".into(),
            choice: DetectorRef::Configured,
            kpis: vec!["b.*".into(), "c".into()],
            from_ms: 0,
            to_ms: 1,
            state: JobState::Running,
            progress: Progress::default(),
            problem: None,
            created_ms: 0,
        };
        let names = |kpis: Vec<KpiName>| kpis.iter().map(|kpi| kpi.as_str().to_owned()).collect::<Vec<_>>();
        assert_eq!(names(job.left(kpis())), ["b.x", "b.y", "c"]);
        assert_eq!((job.progress.kpis, job.progress.percent(), job.progress.left_ms()), (3, 0.0, None));
        job.progress = Progress { last_kpi: KpiName::new("b.x").ok(), kpis_done: 1, run_ms: 500, ..job.progress };
        assert_eq!(names(job.left(kpis())), ["b.y", "c"]);
        assert_eq!(job.progress.left_ms(), Some(1_000));
        assert!((job.progress.percent() - 33.3).abs() < 0.1);
    }
}
