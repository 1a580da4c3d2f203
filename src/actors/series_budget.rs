//! The memory of KPIs and series: one budget for the process, and one for each workspace.
//!
//! A budget refuses only what is new. What the log holds is loaded whatever the limits are, so a
//! start under the same memory as before succeeds, and so does a takeover from another node.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::telemetry::{Metric, Repeats, gauge};
use earcon_model::WorkspaceId;
use earcon_streams::SeriesRoom;

/// Measured with many KPIs of one series each, 7.9 KB, without that series.
const KPI_BYTES: u64 = 3_400;
/// Measured with many series of one KPI: scoring state, live view, and the head of history.
const SERIES_BYTES: u64 = 4_500;
const MB: f64 = 1_048_576.0;
const WARNING: &str = "a new series was refused, because the memory for series is used up";

/// Limits of the memory of KPIs and series, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesLimits {
    /// Of the process.
    pub process: u64,
    /// Of one workspace.
    pub workspace: u64,
}

impl Default for SeriesLimits {
    fn default() -> Self {
        Self { process: u64::MAX, workspace: u64::MAX }
    }
}

/// The budget of the process. All clones share it.
#[derive(Clone, Default)]
pub struct SeriesBudget(Arc<Process>);

#[derive(Default)]
struct Process {
    limits: SeriesLimits,
    used: AtomicU64,
    refusals: Mutex<Repeats>,
}

impl SeriesBudget {
    /// An unused budget.
    pub fn new(limits: SeriesLimits) -> Self {
        gauge(Metric::SeriesLimitBytes).set(limits.process as f64);
        Self(Arc::new(Process { limits, ..Process::default() }))
    }

    /// The budget of a workspace. Each one that runs has one.
    pub(super) fn of_workspace(&self, id: &WorkspaceId) -> WorkspaceBudget {
        WorkspaceBudget(Arc::new(Share { id: id.clone(), process: self.clone(), used: AtomicU64::new(0) }))
    }

    /// Logs a refusal, at most once a minute: operators do not see the answers to senders.
    fn warn(&self, workspace: &WorkspaceId, why: &str) {
        let mut refusals = self.0.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(unlogged) = refusals.failed(WARNING) {
            tracing::warn!(%workspace, why, unlogged, "{WARNING}");
        }
    }

    fn add(&self, bytes: u64) {
        self.0.used.fetch_add(bytes, Ordering::Relaxed);
        gauge(Metric::SeriesBytes).increment(bytes as f64);
    }

    fn subtract(&self, bytes: u64) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
        gauge(Metric::SeriesBytes).decrement(bytes as f64);
    }
}

/// The budget of a workspace. All clones share it.
#[derive(Clone)]
pub(super) struct WorkspaceBudget(Arc<Share>);

struct Share {
    id: WorkspaceId,
    process: SeriesBudget,
    used: AtomicU64,
}

impl WorkspaceBudget {
    /// The account of a KPI whose series are known. There is always room for it.
    pub(super) fn adopt(&self, series: usize) -> KpiAccount {
        let account = KpiAccount { budget: self.clone(), bytes: AtomicU64::new(0), reserved: AtomicBool::new(false) };
        account.settle(series);
        account
    }

    /// The account of a new KPI, with the room of its first series.
    ///
    /// A batch opens all its new KPIs before it takes a series. Without the room, they would leave
    /// none for their series.
    ///
    /// # Errors
    /// If there is no room for it and one series, with a sentence for the sender.
    pub(super) fn open(&self) -> Result<KpiAccount, String> {
        self.check(KPI_BYTES + SERIES_BYTES)?;
        let mut account = self.adopt(1);
        account.reserved = AtomicBool::new(true);
        Ok(account)
    }

    /// Which limit is exceeded: then nothing new is taken.
    pub(super) fn exceeded(&self) -> Option<String> {
        self.full(0)
    }

    fn check(&self, bytes: u64) -> Result<(), String> {
        match self.full(bytes) {
            None => Ok(()),
            Some(which) => {
                self.0.process.warn(&self.0.id, &which);
                Err(format!("there is no memory for another series: {which}"))
            }
        }
    }

    /// The limit that so many bytes more would exceed.
    fn full(&self, bytes: u64) -> Option<String> {
        let Share { id, process, used } = &*self.0;
        let limits = process.0.limits;
        let exceeds = |used: &AtomicU64, limit: u64| {
            let used = used.load(Ordering::Relaxed);
            (used.saturating_add(bytes) > limit).then_some((used as f64 / MB, limit as f64 / MB))
        };
        if let Some((used, limit)) = exceeds(&process.0.used, limits.process) {
            return Some(format!(
                "the series of this process use {used:.1} MB of {limit:.1} MB; delete KPIs or series that are not \
                 needed, or raise limits.memory"
            ));
        }
        let (used, limit) = exceeds(used, limits.workspace)?;
        Some(format!(
            "the series of workspace {:?} use {used:.1} MB of {limit:.1} MB; delete KPIs or series that are not \
             needed, or raise limits.workspace_percent or limits.memory",
            id.as_str()
        ))
    }

    fn add(&self, bytes: u64) {
        self.0.used.fetch_add(bytes, Ordering::Relaxed);
        self.0.process.add(bytes);
    }

    fn subtract(&self, bytes: u64) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
        self.0.process.subtract(bytes);
    }
}

/// What a KPI and its series use. Dropping it returns the room.
pub(super) struct KpiAccount {
    budget: WorkspaceBudget,
    bytes: AtomicU64,
    /// The room of the first series is held, and the series has not come yet.
    reserved: AtomicBool,
}

impl KpiAccount {
    /// Counts a KPI of so many series.
    pub(super) fn settle(&self, series: usize) {
        let held = series.max(usize::from(self.reserved.load(Ordering::Relaxed)));
        let after = KPI_BYTES + held as u64 * SERIES_BYTES;
        let before = self.bytes.swap(after, Ordering::Relaxed);
        if after > before {
            self.budget.add(after - before);
        } else if before > after {
            self.budget.subtract(before - after);
        }
    }
}

impl SeriesRoom for KpiAccount {
    /// Two series of different KPIs that come at once may both take the last room: the limit is
    /// exceeded by less than one series for each core.
    fn take(&self) -> Result<(), String> {
        if self.reserved.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        self.budget.check(SERIES_BYTES)?;
        self.bytes.fetch_add(SERIES_BYTES, Ordering::Relaxed);
        self.budget.add(SERIES_BYTES);
        Ok(())
    }
}

impl Drop for KpiAccount {
    fn drop(&mut self) {
        self.budget.subtract(*self.bytes.get_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(budget: &SeriesBudget, id: &str) -> WorkspaceBudget {
        budget.of_workspace(&WorkspaceId::new(id).unwrap())
    }

    fn limits(process: u64, workspace: u64) -> SeriesBudget {
        SeriesBudget::new(SeriesLimits { process, workspace })
    }

    #[test]
    fn series_are_taken_up_to_the_limit_and_returned_with_their_kpi() {
        let budget = limits(KPI_BYTES + 3 * SERIES_BYTES, u64::MAX);
        let local = workspace(&budget, "local");
        let kpi = local.open().unwrap();
        assert_eq!((0..5).map(|_| kpi.take().is_ok()).collect::<Vec<_>>(), [true, true, true, false, false]);
        assert!(local.open().is_err());
        drop(kpi);
        assert_eq!(budget.0.used.load(Ordering::Relaxed), 0);
        assert!(local.open().is_ok());
    }

    #[test]
    fn kpis_that_are_opened_together_have_room_for_their_first_series() {
        let budget = limits(10 * (KPI_BYTES + SERIES_BYTES), u64::MAX);
        let local = workspace(&budget, "local");
        let opened: Vec<_> = (0..50).filter_map(|_| local.open().ok()).collect();
        assert_eq!(opened.len(), 10);
        // A timer of a stream may come before its first sample.
        opened[0].settle(0);
        assert!(opened.iter().all(|kpi| kpi.take().is_ok()));
        assert!(opened.iter().all(|kpi| kpi.take().is_err()));
        opened[0].settle(0);
        assert!(opened[1].take().is_ok());
        drop(opened);
        assert_eq!(budget.0.used.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn one_workspace_leaves_room_for_another() {
        let budget = limits(1_000_000, 100_000);
        let (greedy, other) = (workspace(&budget, "greedy"), workspace(&budget, "other"));
        let kpi = greedy.open().unwrap();
        let taken = (0..1_000).filter(|_| kpi.take().is_ok()).count();
        assert_eq!(taken as u64, (100_000 - KPI_BYTES) / SERIES_BYTES);
        assert!(other.open().unwrap().take().is_ok());
        let refusal = kpi.take().unwrap_err();
        for part in ["\"greedy\"", "0.1 MB", "limits.workspace_percent"] {
            assert!(refusal.contains(part), "{refusal}");
        }
    }

    #[test]
    fn known_series_are_loaded_beyond_the_limit_and_new_ones_are_refused() {
        let budget = limits(10_000, 10_000);
        let local = workspace(&budget, "local");
        let kpi = local.adopt(100);
        assert!(local.exceeded().is_some_and(|which| which.contains("limits.memory")));
        assert!(kpi.take().is_err() && local.open().is_err());
        // Series were deleted.
        kpi.settle(0);
        assert!(local.exceeded().is_none() && kpi.take().is_ok());
    }
}
