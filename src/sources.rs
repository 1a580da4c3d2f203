//! Sources of samples besides clients: this machine, and files that are replayed.
//!
//! A source produces [`SourceSample`]s, or posts them to a server over HTTP like any client.
//! Deliberately absent: actors and scoring (a source does not know its consumers), and a schedule
//! (the owner of a source calls it).

use std::collections::HashMap;

use earcon_model::{KpiBatch, KpiName, Labels, SeriesBatch};

pub use earcon_tables::SourceSample;

pub mod admissible;
pub mod batcher;
pub mod chunks;
pub mod host;
pub mod host_feed;
pub mod post;
pub mod replay;
mod series_order;

/// Groups samples by KPI and series and keeps their order. Rows are their indices in `samples`.
pub fn by_kpi(samples: Vec<SourceSample>) -> Vec<KpiBatch> {
    let mut batches: Vec<KpiBatch> = Vec::new();
    let mut kpis: HashMap<KpiName, usize> = HashMap::new();
    let mut indices: HashMap<(usize, Labels), usize> = HashMap::new();
    for (row, SourceSample { kpi, labels, sample }) in (0..).zip(samples) {
        let at = *kpis.entry(kpi.clone()).or_insert_with(|| {
            batches.push(KpiBatch { kpi, series: Vec::new() });
            batches.len() - 1
        });
        let series = &mut batches[at].series;
        let index = *indices.entry((at, labels.clone())).or_insert_with(|| {
            series.push(SeriesBatch::gauge(labels, None));
            series.len() - 1
        });
        series[index].rows.push((row, sample));
    }
    batches
}
