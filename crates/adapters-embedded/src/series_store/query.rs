//! Reading samples and rollups from stored blocks and rows in memory together.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use super::block;
use super::history::History;
use super::records::{IndexEntry, decode, first_of};
use super::rows::{merged, within};
use super::view::View;
use crate::database::{Entry, Table, corrupt, unreadable};
use earcon_history::rollup::{Bucket, HOUR_MS, MINUTE_MS, Steps, start_of};
use earcon_model::{Labels, SeriesId};
use earcon_ports::{PortError, RollupSeries, SampleRow, SampleSeries, SeriesQuery};

/// A time range, both ends inclusive.
#[derive(Debug, Clone, Copy)]
struct Span {
    from_ms: i64,
    last_ms: i64,
}

/// A series with its rows in memory.
type Matching = (SeriesId, Labels, Vec<SampleRow>);

impl Span {
    fn from_query(query: &SeriesQuery) -> Option<Self> {
        (query.from_ms < query.to_ms).then(|| Self { from_ms: query.from_ms, last_ms: query.to_ms - 1 })
    }
}

impl History {
    pub(super) fn samples(&self, query: &SeriesQuery, limit: usize) -> Result<Vec<SampleSeries>, PortError> {
        let Some(span) = Span::from_query(query) else { return Ok(Vec::new()) };
        let (matching, view) = self.matching(query, span)?;
        let mut found = Vec::new();
        for (id, labels, memory) in matching {
            let mut rows = Vec::new();
            view.visit(id, &memory, span, |part| {
                rows.extend_from_slice(part);
                if rows.len() > limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
            let truncated = rows.len() > limit;
            rows.truncate(limit);
            if truncated || !rows.is_empty() {
                found.push(SampleSeries { labels, rows, truncated });
            }
        }
        Ok(found)
    }

    pub(super) fn rollups(&self, query: &SeriesQuery, step_ms: i64) -> Result<Vec<RollupSeries>, PortError> {
        let Some(span) = Span::from_query(query) else { return Ok(Vec::new()) };
        let opened = self.opened(query, step_ms)?;
        let (matching, view) = self.matching(query, span)?;
        let none = BTreeMap::new();
        let mut found = Vec::new();
        for (id, labels, memory) in matching {
            let mut steps = Steps::new(step_ms);
            if step_ms % MINUTE_MS == 0 {
                view.add_stored_rollups(id, &memory, span, &mut steps)?;
            } else {
                view.visit(id, &memory, span, |rows| {
                    rows.iter().for_each(|row| steps.add_row(row));
                    ControlFlow::Continue(())
                })?;
            }
            let rows = steps.into_rows(opened.get(&labels).unwrap_or(&none));
            if !rows.is_empty() {
                found.push(RollupSeries { labels, rows });
            }
        }
        Ok(found)
    }

    fn matching(&self, query: &SeriesQuery, span: Span) -> Result<(Vec<Matching>, View<'_>), PortError> {
        let memtable = self.reading();
        Ok((memtable.matching(&query.kpi, &query.labels, span.from_ms, span.last_ms), self.view()?))
    }

    /// How many anomalies of each series opened in each step.
    fn opened(&self, query: &SeriesQuery, step_ms: i64) -> Result<HashMap<Labels, BTreeMap<i64, u32>>, PortError> {
        let mut opened: HashMap<Labels, BTreeMap<i64, u32>> = HashMap::new();
        self.visit_opened(query.from_ms, query.to_ms, |anomaly| {
            if anomaly.kpi == query.kpi && anomaly.labels.contains(&query.labels) {
                let steps = opened.entry(anomaly.labels.clone()).or_default();
                *steps.entry(start_of(anomaly.opened_at_ms, step_ms)).or_default() += 1;
            }
        })?;
        Ok(opened)
    }
}

impl View<'_> {
    /// Calls `seen` with the rows of a series in `span` in time order, one block at a time.
    /// `memory` holds the rows of the span that are in memory; they replace stored ones.
    fn visit(
        &self,
        id: SeriesId,
        memory: &[SampleRow],
        span: Span,
        mut seen: impl FnMut(&[SampleRow]) -> ControlFlow<()>,
    ) -> Result<(), PortError> {
        let tables = &self.database.history;
        let mut memory = memory;
        let sealed = self.blocks_in(tables.blocks, id, span)?;
        for stored in sealed.chain(self.blocks_in(tables.open, id, span)?) {
            let rows = block::decode(&stored.value().map_err(unreadable)?)?;
            let inside = within(&rows, span.from_ms, span.last_ms);
            let Some(last) = inside.last() else { continue };
            let (here, behind) = memory.split_at(memory.partition_point(|row| row.timestamp_ms <= last.timestamp_ms));
            let flow = if here.is_empty() { seen(inside) } else { seen(&merged(inside.to_vec(), here)) };
            if flow.is_break() {
                return Ok(());
            }
            memory = behind;
        }
        if !memory.is_empty() {
            // This is the last part, so a break needs no handling.
            let (ControlFlow::Break(()) | ControlFlow::Continue(())) = seen(memory);
        }
        Ok(())
    }

    /// Entries of `table` that may hold rows of `span`. The table has the keys of blocks.
    fn blocks_in(
        &self,
        table: Table,
        id: SeriesId,
        span: Span,
    ) -> Result<impl Iterator<Item = Entry> + use<>, PortError> {
        let before = self.keys.block(id, i64::MIN)..=self.keys.block(id, span.from_ms);
        let start = match self.snapshot.range(table, before).next_back() {
            Some(entry) => entry.key().map_err(unreadable)?.to_vec(),
            None => self.keys.block(id, span.from_ms),
        };
        Ok(self.snapshot.range(table, start..=self.keys.block(id, span.last_ms)))
    }

    /// Fills `steps`, whose width is a multiple of one minute. Uses stored buckets where they are
    /// exact, and rows elsewhere.
    fn add_stored_rollups(
        &self,
        id: SeriesId,
        memory: &[SampleRow],
        span: Span,
        steps: &mut Steps,
    ) -> Result<(), PortError> {
        let tables = &self.database.history;
        let mut memory = memory;
        for stored in self.blocks_in(tables.index, id, span)? {
            let (key, value) = stored.into_inner().map_err(unreadable)?;
            let (first_ms, entry) = (first_of(&key)?, decode::<IndexEntry>(&value)?);
            if entry.last_ms < span.from_ms {
                continue;
            }
            let (before, rest) = memory.split_at(memory.partition_point(|row| row.timestamp_ms < first_ms));
            let (inside, behind) = rest.split_at(rest.partition_point(|row| row.timestamp_ms <= entry.last_ms));
            memory = behind;
            before.iter().for_each(|row| steps.add_row(row));
            let buckets = if inside.is_empty() { self.buckets_for(&key, first_ms, entry, span, steps)? } else { None };
            match buckets {
                Some(buckets) => buckets.iter().for_each(|bucket| steps.add_bucket(bucket)),
                None => self.add_block(tables.blocks, &key, inside, span, steps)?,
            }
        }
        for stored in self.blocks_in(tables.open, id, span)? {
            let (key, value) = stored.into_inner().map_err(unreadable)?;
            let (_, last_ms) = block::extent(&value)?;
            let (here, behind) = memory.split_at(memory.partition_point(|row| row.timestamp_ms <= last_ms));
            memory = behind;
            self.add_block(tables.open, &key, here, span, steps)?;
        }
        memory.iter().for_each(|row| steps.add_row(row));
        Ok(())
    }

    fn add_block(
        &self,
        table: Table,
        key: &[u8],
        memory: &[SampleRow],
        span: Span,
        steps: &mut Steps,
    ) -> Result<(), PortError> {
        let stored = self.snapshot.get(table, key).map_err(unreadable)?.ok_or_else(|| corrupt("a block"))?;
        let rows = block::decode_unbanded(&stored)?;
        let rows = merged(within(&rows, span.from_ms, span.last_ms).to_vec(), memory);
        rows.iter().for_each(|row| steps.add_row(row));
        Ok(())
    }

    /// The widest stored buckets of a sealed block that fit the steps, without those outside of
    /// `span`. `None` if there are none, or if an end of the span cuts a bucket.
    fn buckets_for(
        &self,
        key: &[u8],
        first_ms: i64,
        entry: IndexEntry,
        span: Span,
        steps: &Steps,
    ) -> Result<Option<Vec<Bucket>>, PortError> {
        let (cut_low, cut_high) = (first_ms < span.from_ms, entry.last_ms > span.last_ms);
        let fits = |width_ms: i64| {
            steps.step_ms() % width_ms == 0
                && !(cut_low && span.from_ms.rem_euclid(width_ms) != 0)
                && !(cut_high && span.last_ms.rem_euclid(width_ms) != width_ms - 1)
        };
        let mut buckets = match entry.hours {
            Some(hours) if fits(HOUR_MS) => block::buckets::decode(&hours)?,
            _ if entry.has_minutes && fits(MINUTE_MS) => {
                let stored = self.snapshot.get(self.database.history.minutes, key).map_err(unreadable)?;
                block::buckets::decode(&stored.ok_or_else(|| corrupt("a rollup"))?)?
            }
            _ => return Ok(None),
        };
        buckets.retain(|bucket| {
            (!cut_low || bucket.start_ms >= span.from_ms) && (!cut_high || bucket.start_ms <= span.last_ms)
        });
        Ok(Some(buckets))
    }
}
