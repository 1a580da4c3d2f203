//! Units and descriptions that came with samples. They are kept if a sample of the KPI was taken.

use crate::actors::admission::Receipt;
use crate::gateway::http::state::SharedState;
use earcon_model::{KpiBatch, KpiName, Meaning};
use earcon_tenancy::WorkspacePass;

/// What senders stated in a request, each with the rows of its KPI.
pub(crate) struct Stated {
    state: SharedState,
    pass: WorkspacePass,
    meanings: Vec<(KpiName, Meaning, Vec<u32>)>,
}

impl Stated {
    /// `None` if nothing was stated, as in almost all requests.
    pub(crate) fn of(
        state: &SharedState,
        pass: &WorkspacePass,
        meanings: Vec<(KpiName, Meaning)>,
        batches: &[KpiBatch],
    ) -> Option<Self> {
        if meanings.is_empty() {
            return None;
        }
        let rows = |kpi: &KpiName| {
            let of_kpi = batches.iter().filter(|batch| batch.kpi == *kpi);
            of_kpi.flat_map(KpiBatch::rows).collect::<Vec<u32>>()
        };
        let meanings = meanings.into_iter().map(|(kpi, meaning)| {
            let rows = rows(&kpi);
            (kpi, meaning, rows)
        });
        Some(Self { state: state.clone(), pass: pass.clone(), meanings: meanings.collect() })
    }

    /// Keeps the statements, in the background: the sender does not wait for them.
    pub(crate) fn learn(self, receipt: &Receipt) {
        let refused = |row: &u32| receipt.rejected.binary_search_by_key(row, |refused| refused.row).is_ok();
        let taken = |rows: &[u32]| rows.iter().any(|row| !refused(row));
        let Self { state, pass, meanings } = self;
        let meanings: Vec<_> =
            meanings.into_iter().filter(|(.., rows)| taken(rows)).map(|(kpi, meaning, _)| (kpi, meaning)).collect();
        if meanings.is_empty() {
            return;
        }
        tokio::spawn(async move {
            if let Err(error) = state.meanings.learn(&pass, &meanings).await {
                tracing::warn!(workspace = %pass.workspace(), %error, "units of KPIs cannot be kept");
            }
        });
    }
}
