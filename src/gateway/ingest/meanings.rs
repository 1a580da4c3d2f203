//! Units and descriptions that came with samples. They are kept if a sample of the KPI was taken.

use std::sync::{Mutex, PoisonError};

use crate::actors::admission::Receipt;
use crate::gateway::http::state::SharedState;
use crate::services::meanings::{Announced, IgnoredUnit};
use crate::telemetry::Repeats;
use earcon_model::{KpiBatch, KpiName, Meaning};
use earcon_tenancy::WorkspacePass;

/// What senders stated in a request, each with the rows of its KPI.
pub(crate) struct Stated {
    state: SharedState,
    pass: WorkspacePass,
    meanings: Vec<(KpiName, Meaning, Vec<u32>)>,
    /// Anomalies of the request get its units.
    announced: Announced,
}

impl Stated {
    /// `None` if nothing was stated, as in almost all requests.
    pub(crate) async fn of(
        state: &SharedState,
        pass: &WorkspacePass,
        meanings: Vec<(KpiName, Meaning)>,
        batches: &[KpiBatch],
    ) -> Option<Self> {
        if meanings.is_empty() {
            return None;
        }
        // Anomalies carry a unit that is known before one of the request. A store that does not
        // answer makes no difference to the samples.
        let _unread = state.meanings.current(pass).await.is_err();
        let announced = state.meanings.announce(pass, &meanings);
        let rows = |kpi: &KpiName| {
            let of_kpi = batches.iter().filter(|batch| batch.kpi == *kpi);
            of_kpi.flat_map(KpiBatch::rows).collect::<Vec<u32>>()
        };
        let meanings = meanings.into_iter().map(|(kpi, meaning)| {
            let rows = rows(&kpi);
            (kpi, meaning, rows)
        });
        Some(Self { state: state.clone(), pass: pass.clone(), meanings: meanings.collect(), announced })
    }

    /// Keeps the statements, in the background: the sender does not wait for them. Returns what the
    /// sender should know about them.
    pub(crate) async fn learn(self, receipt: &Receipt) -> Vec<IgnoredUnit> {
        let refused = |row: &u32| receipt.rejected.binary_search_by_key(row, |refused| refused.row).is_ok();
        let taken = |rows: &[u32]| rows.iter().any(|row| !refused(row));
        let Self { state, pass, meanings, announced } = self;
        let meanings: Vec<_> =
            meanings.into_iter().filter(|(.., rows)| taken(rows)).map(|(kpi, meaning, _)| (kpi, meaning)).collect();
        if meanings.is_empty() {
            return Vec::new();
        }
        let ignored = state.meanings.ignored(&pass, &meanings).await;
        warn_of(&pass, &ignored);
        tokio::spawn(async move {
            if let Err(error) = state.meanings.learn(&pass, &meanings).await {
                tracing::warn!(workspace = %pass.workspace(), %error, "units of KPIs cannot be kept");
            }
            drop(announced);
        });
        ignored
    }
}

/// Senders of most protocols do not see the notes, so a line of the log names the first, at most
/// once a minute.
fn warn_of(pass: &WorkspacePass, ignored: &[IgnoredUnit]) {
    static REPEATS: Mutex<Option<Repeats>> = Mutex::new(None);
    let Some(first) = ignored.first() else { return };
    let mut repeats = REPEATS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(unlogged) = repeats.get_or_insert_default().failed(WARNING) {
        tracing::warn!(workspace = %pass.workspace(), kpi = %first.kpi, stated = first.stated, holds = first.holds, unlogged, "{WARNING}");
    }
}

const WARNING: &str = "a sender states another unit than the one that holds; it is ignored";
