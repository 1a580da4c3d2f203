//! Gathers rows by KPI and series. A KPI name and a set of labels are validated when they are first seen in a batch, not
//! with every row.

use std::borrow::Cow;
use std::collections::HashMap;

use super::IntakeError;
use crate::model::{KpiBatch, KpiName, Labels, RejectedRow, Sample, SeriesBatch};

/// Label pairs as they were sent.
pub type LabelPairs<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// KPI and labels as they were sent.
type SentSeries<'a> = (Cow<'a, str>, LabelPairs<'a>);

/// Index of the KPI's batch, and of the series in it.
type Place = (usize, usize);

/// A batch being gathered.
pub struct Batch<'a> {
    now_ms: i64,
    max_rows: usize,
    rows: usize,
    /// Where rows with this KPI and these labels go, or why they cannot go anywhere.
    seen: HashMap<SentSeries<'a>, Result<Place, String>>,
    kpis: HashMap<KpiName, usize>,
    batches: Vec<KpiBatch>,
    rejected: Vec<RejectedRow>,
}

impl<'a> Batch<'a> {
    /// An empty batch; rows without a timestamp are of `now_ms`.
    pub fn new(now_ms: i64, max_rows: usize) -> Self {
        Self {
            now_ms,
            max_rows,
            rows: 0,
            seen: HashMap::new(),
            kpis: HashMap::new(),
            batches: Vec::new(),
            rejected: Vec::new(),
        }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the batch is full; a bad row is noted and is no error.
    pub fn add(
        &mut self,
        row: u32,
        kpi: Cow<'a, str>,
        labels: LabelPairs<'a>,
        timestamp_ms: Option<i64>,
        value: f64,
    ) -> Result<(), IntakeError> {
        self.count()?;
        let key = (kpi, labels);
        let place = match self.seen.get(&key) {
            Some(place) => place.clone(),
            None => {
                let place = self.place(&key.0, &key.1);
                self.seen.insert(key, place.clone());
                place
            }
        };
        match place {
            Ok((kpi, series)) => {
                let sample = Sample { timestamp_ms: timestamp_ms.unwrap_or(self.now_ms), value };
                self.batches[kpi].series[series].rows.push((row, sample));
            }
            Err(error) => self.rejected.push(RejectedRow { row, error }),
        }
        Ok(())
    }

    /// Notes a row that could not be parsed.
    ///
    /// # Errors
    /// When the batch is full.
    pub fn reject(&mut self, row: u32, error: String) -> Result<(), IntakeError> {
        self.count()?;
        self.rejected.push(RejectedRow { row, error });
        Ok(())
    }

    /// The good rows by KPI, and the refused ones.
    pub fn finish(mut self) -> (Vec<KpiBatch>, Vec<RejectedRow>) {
        self.batches.retain(|batch| !batch.series.is_empty());
        (self.batches, self.rejected)
    }

    fn count(&mut self) -> Result<(), IntakeError> {
        self.rows += 1;
        if self.rows > self.max_rows {
            return Err(IntakeError::TooMany { max_rows: self.max_rows });
        }
        Ok(())
    }

    fn place(&mut self, kpi: &str, labels: &LabelPairs<'_>) -> Result<Place, String> {
        let labels =
            Labels::from_pairs(labels.iter().map(|(k, v)| (k.as_ref(), v.as_ref()))).map_err(|e| e.to_string())?;
        let kpi = KpiName::new(kpi).map_err(|error| error.to_string())?;
        let at = *self.kpis.entry(kpi.clone()).or_insert_with(|| {
            self.batches.push(KpiBatch { kpi, series: Vec::new() });
            self.batches.len() - 1
        });
        let series = &mut self.batches[at].series;
        let found = series.iter().position(|series| series.labels == labels);
        let place = found.unwrap_or_else(|| {
            series.push(SeriesBatch::gauge(labels, Vec::new()));
            series.len() - 1
        });
        Ok((at, place))
    }
}
