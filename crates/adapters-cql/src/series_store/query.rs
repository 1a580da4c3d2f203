//! Reading samples: stored rows and rows in memory together. Rows in memory replace stored ones.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::batching::BoundedTasks;
use super::history::History;
use super::layout::{DAY_MS, day_of};
use super::memtable::Matching;
use super::rows::{Span, sample};
use earcon_history::rollup::start_of;
use earcon_model::{Labels, SeriesId};
use earcon_ports::{PortError, SampleRow, SampleSeries, SeriesQuery};

/// Series of one query that are read concurrently.
pub(super) const SERIES_AT_ONCE: usize = 8;

impl Span {
    pub(super) fn from_query(query: &SeriesQuery) -> Option<Self> {
        (query.from_ms < query.to_ms).then(|| Self { from_ms: query.from_ms, last_ms: query.to_ms - 1 })
    }

    fn part(self, day: i64) -> Self {
        let start_ms = day.saturating_mul(DAY_MS);
        let (from_ms, last_ms) = (self.from_ms.max(start_ms), self.last_ms.min(start_ms.saturating_add(DAY_MS - 1)));
        Self { from_ms, last_ms }
    }
}

/// A series that a query reads.
pub(super) struct Reading<'a> {
    pub(super) history: &'a History,
    pub(super) id: SeriesId,
    pub(super) labels: Labels,
    /// Its rows in memory in the query's range, in time order.
    pub(super) memory: Vec<SampleRow>,
    /// Days in the range that have stored samples, in order.
    pub(super) days: Vec<i64>,
}

impl History {
    pub(super) async fn samples(&self, query: &SeriesQuery, limit: usize) -> Result<Vec<SampleSeries>, PortError> {
        let Some(span) = Span::from_query(query) else { return Ok(Vec::new()) };
        let matching = self.matching(query).await?;
        let mut reads = BoundedTasks::new(SERIES_AT_ONCE);
        for series in matching {
            reads.add(self.samples_of(series, span, limit)).await?;
        }
        let found = reads.finish().await?;
        Ok(found.into_iter().filter(|series| series.truncated || !series.rows.is_empty()).collect())
    }

    async fn samples_of(&self, series: Matching, span: Span, limit: usize) -> Result<SampleSeries, PortError> {
        let series = self.reading(series, span).await?;
        let mut rows = Vec::new();
        let read = series.visit(span, limit.saturating_add(1), |part| {
            rows.extend_from_slice(part);
            if rows.len() > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        read.await?;
        let truncated = rows.len() > limit;
        rows.truncate(limit);
        Ok(SampleSeries { labels: series.labels, rows, truncated })
    }

    /// The series that match the query, in order of labels, with their rows in memory.
    pub(super) async fn matching(&self, query: &SeriesQuery) -> Result<Vec<Matching>, PortError> {
        self.drop_if_stored_elsewhere().await?;
        // Memory first: rows that a flush removes from it meanwhile are in the database by the time
        // it is read.
        let buffered = self.memtable().matching(query);
        let mut found: BTreeMap<Labels, Matching> =
            buffered.into_iter().map(|series| (series.labels.clone(), series)).collect();
        for (id, labels) in self.tables.series_of(&self.workspace, &query.kpi, &query.labels).await? {
            found.entry(labels.clone()).or_insert_with(|| Matching { id, labels, rows: Vec::new() });
        }
        Ok(found.into_values().collect())
    }

    pub(super) async fn reading(&self, series: Matching, span: Span) -> Result<Reading<'_>, PortError> {
        let days = if day_of(span.from_ms) == day_of(span.last_ms) {
            vec![day_of(span.from_ms)]
        } else {
            let days = self.tables.days(&self.workspace, series.id, span.from_ms, span.last_ms).await?;
            days.into_iter().map(|(day, _)| day).collect()
        };
        Ok(Reading { history: self, id: series.id, labels: series.labels, memory: series.rows, days })
    }
}

impl Reading<'_> {
    /// Calls `seen` with the rows in `span` in time order, part by part, until it breaks. `span`
    /// must lie in the query's range. Reads at most `enough` rows of a day.
    pub(super) async fn visit(
        &self,
        span: Span,
        enough: usize,
        mut seen: impl FnMut(&[SampleRow]) -> ControlFlow<()>,
    ) -> Result<(), PortError> {
        let mut memory = self.memory_in(span);
        let (first, last) = (day_of(span.from_ms), day_of(span.last_ms));
        for day in self.days.iter().copied().filter(|day| (first..=last).contains(day)) {
            let tables = &self.history.tables;
            let mut pages = tables.samples(self.history.key(self.id), day, span.part(day), enough)?;
            while let Some(page) = pages.next().await? {
                let stored: Vec<SampleRow> = page.into_iter().filter_map(sample).collect();
                let Some(end) = stored.last().map(|row| row.timestamp_ms) else { continue };
                let (here, behind) = memory.split_at(memory.partition_point(|row| row.timestamp_ms <= end));
                let flow = if here.is_empty() { seen(&stored) } else { seen(&merged(&stored, here)) };
                if flow.is_break() {
                    return Ok(());
                }
                memory = behind;
            }
        }
        if !memory.is_empty() {
            // This is the last part, so a break needs no handling.
            let (ControlFlow::Break(()) | ControlFlow::Continue(())) = seen(memory);
        }
        Ok(())
    }

    pub(super) fn memory_in(&self, span: Span) -> &[SampleRow] {
        let start = self.memory.partition_point(|row| row.timestamp_ms < span.from_ms);
        let end = self.memory.partition_point(|row| row.timestamp_ms <= span.last_ms);
        self.memory.get(start..end).unwrap_or_default()
    }

    /// Starts of the steps of `width_ms` that contain rows in memory.
    pub(super) fn touched(&self, width_ms: i64) -> BTreeSet<i64> {
        self.memory.iter().map(|row| start_of(row.timestamp_ms, width_ms)).collect()
    }
}

/// Merges two runs that are in time order. If both have a timestamp, the `newer` row stays.
fn merged(older: &[SampleRow], newer: &[SampleRow]) -> Vec<SampleRow> {
    let mut rows = Vec::with_capacity(older.len() + newer.len());
    let mut newer = newer.iter().copied().peekable();
    for row in older {
        while let Some(before) = newer.next_if(|newer| newer.timestamp_ms < row.timestamp_ms) {
            rows.push(before);
        }
        let replaced = newer.next_if(|newer| newer.timestamp_ms == row.timestamp_ms);
        rows.push(replaced.unwrap_or(*row));
    }
    rows.extend(newer);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_rows_are_merged_between_older_ones() {
        let row =
            |timestamp_ms, value| SampleRow { timestamp_ms, value, score: None, expected: 0.0, lower: 0.0, upper: 0.0 };
        let older = [row(1, 0.0), row(3, 0.0), row(5, 0.0)];
        let rows = merged(&older, &[row(0, 1.0), row(3, 1.0), row(4, 1.0), row(9, 1.0)]);
        let pairs: Vec<_> = rows.iter().map(|row| (row.timestamp_ms, row.value)).collect();
        assert_eq!(pairs, [(0, 1.0), (1, 0.0), (3, 1.0), (4, 1.0), (5, 0.0), (9, 1.0)]);
    }
}
