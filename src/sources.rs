//! Where samples come from when nobody posts them: this machine, and files that are replayed.
//!
//! A source only produces [`SourceSample`]s, or posts them to a server over HTTP as any other client would. Deliberately
//! absent: actors and scoring (a source cannot know what reads it), and a schedule (whoever owns a source calls it).

use std::collections::HashMap;

use earcon_model::{KpiBatch, KpiName, Labels, Sample, SeriesBatch};

pub mod chunks;
pub mod csv;
pub mod host;
pub mod host_feed;
pub mod post;
pub mod replay;
pub mod xlsx;

/// Puts samples into batches by KPI and series, in their order; rows are their places in `samples`.
pub fn by_kpi(samples: Vec<SourceSample>) -> Vec<KpiBatch> {
    let mut batches: Vec<KpiBatch> = Vec::new();
    let mut kpis: HashMap<KpiName, usize> = HashMap::new();
    let mut places: HashMap<(usize, Labels), usize> = HashMap::new();
    for (row, SourceSample { kpi, labels, sample }) in (0..).zip(samples) {
        let at = *kpis.entry(kpi.clone()).or_insert_with(|| {
            batches.push(KpiBatch { kpi, series: Vec::new() });
            batches.len() - 1
        });
        let series = &mut batches[at].series;
        let place = *places.entry((at, labels.clone())).or_insert_with(|| {
            series.push(SeriesBatch::gauge(labels, Vec::new()));
            series.len() - 1
        });
        series[place].rows.push((row, sample));
    }
    batches
}

/// One sample with the series it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSample {
    /// The KPI that was measured.
    pub kpi: KpiName,
    /// Which series of the KPI.
    pub labels: Labels,
    /// When, and how much.
    pub sample: Sample,
}
