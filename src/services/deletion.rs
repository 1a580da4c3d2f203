//! What a deletion would take from history, and the settings that go with a KPI.

use earcon_model::{DeletionScope, KpiName, Labels};
use earcon_ports::{AnomalyFilter, PortError, SeriesQuery, SeriesStore};
use earcon_tenancy::WorkspacePass;

use super::mutes::{MuteError, MuteService};

/// One step for all samples of a series: more than a hundred years of whole hours, so that stored
/// rollups are added up where there are any.
const STEP_MS: i64 = 1_000_000 * 3_600_000;
/// Anomalies that one read asks for.
const PAGE: usize = 1_000;

/// What history holds of that which a deletion covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DeletionSize {
    /// Samples.
    pub samples: u64,
    /// Anomalies.
    pub anomalies: u64,
}

/// Counts what history holds of that which a deletion covers.
///
/// # Errors
/// Those of the store.
pub async fn size(
    store: &dyn SeriesStore,
    pass: &WorkspacePass,
    kpi: &KpiName,
    scope: &DeletionScope,
) -> Result<DeletionSize, PortError> {
    let labels = scope.labels().cloned().unwrap_or_else(Labels::none);
    let (from_ms, to_ms) = match scope {
        DeletionScope::Samples { from_ms, to_ms, .. } => (*from_ms, *to_ms),
        DeletionScope::Kpi | DeletionScope::Series { .. } => (i64::MIN, i64::MAX),
    };
    let query = SeriesQuery { kpi: kpi.clone(), labels: labels.clone(), from_ms, to_ms };
    let rollups = store.rollups(pass, &query, STEP_MS).await?;
    let samples = rollups.iter().flat_map(|series| &series.rows).map(|row| row.count).sum();
    let mut filter = AnomalyFilter {
        kpi: Some(kpi.clone()),
        labels: Some(labels),
        from_ms: Some(from_ms),
        to_ms: Some(to_ms),
        limit: PAGE,
        ..AnomalyFilter::default()
    };
    let mut anomalies = 0;
    loop {
        let page = store.anomalies(pass, &filter).await?;
        anomalies += page.iter().filter(|anomaly| scope.covers_anomaly(anomaly)).count() as u64;
        match page.last() {
            Some(last) if page.len() >= PAGE => filter.before = Some((last.opened_at_ms, last.id)),
            _ => return Ok(DeletionSize { samples, anomalies }),
        }
    }
}

/// Removes the mutes that name this KPI alone.
///
/// # Errors
/// Those of the store. Some mutes may be removed then.
pub async fn remove_mutes(mutes: &MuteService, pass: &WorkspacePass, kpi: &KpiName) -> Result<(), MuteError> {
    for stored in mutes.list(pass).await?.mutes {
        if stored.mute.document().kpis == [kpi.as_str()] {
            match mutes.remove(pass, stored.mute.id(), None).await {
                Err(MuteError::Unknown) | Ok(()) => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}
