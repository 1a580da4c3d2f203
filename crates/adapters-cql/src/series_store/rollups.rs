//! Reading rollups: stored hours where they are exact, then stored minutes, then rows.
//!
//! Stored buckets have no gap up to the last of them. Times after the last stored hour are read
//! from minutes, and times after the last stored minute from rows. Rows in memory make their stored
//! buckets outdated: such hours are read from minutes, and such minutes from rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;

use super::batching::BoundedTasks;
use super::history::History;
use super::memtable::Matching;
use super::query::{Reading, SERIES_AT_ONCE};
use super::rows::Span;
use super::statements::Tier;
use earcon_history::rollup::{Bucket, HOUR_MS, MINUTE_MS, Steps, start_of};
use earcon_model::Labels;
use earcon_ports::{PortError, RollupSeries, SeriesQuery};

impl History {
    pub(super) async fn rollups(&self, query: &SeriesQuery, step_ms: i64) -> Result<Vec<RollupSeries>, PortError> {
        let Some(span) = Span::from_query(query) else { return Ok(Vec::new()) };
        let matching = self.matching(query).await?;
        if matching.is_empty() {
            return Ok(Vec::new());
        }
        let opened = self.opened(query, step_ms).await?;
        let mut reads = BoundedTasks::new(SERIES_AT_ONCE);
        for series in matching {
            reads.add(self.rollups_of(series, span, step_ms, &opened)).await?;
        }
        let found = reads.finish().await?;
        Ok(found.into_iter().filter(|series| !series.rows.is_empty()).collect())
    }

    async fn rollups_of(
        &self,
        series: Matching,
        span: Span,
        step_ms: i64,
        opened: &HashMap<Labels, BTreeMap<i64, u32>>,
    ) -> Result<RollupSeries, PortError> {
        let series = self.reading(series, span).await?;
        let mut steps = Steps::new(step_ms);
        series.add_all(span, &mut steps).await?;
        let none = BTreeMap::new();
        let rows = steps.into_rows(opened.get(&series.labels).unwrap_or(&none));
        Ok(RollupSeries { labels: series.labels, rows })
    }

    /// How many anomalies of each series opened in each step.
    async fn opened(
        &self,
        query: &SeriesQuery,
        step_ms: i64,
    ) -> Result<HashMap<Labels, BTreeMap<i64, u32>>, PortError> {
        let mut opened: HashMap<Labels, BTreeMap<i64, u32>> = HashMap::new();
        self.visit_opened(query.from_ms, query.to_ms, |anomaly| {
            if anomaly.kpi == query.kpi && anomaly.labels.contains(&query.labels) {
                let steps = opened.entry(anomaly.labels.clone()).or_default();
                *steps.entry(start_of(anomaly.opened_at_ms, step_ms)).or_default() += 1;
            }
        })
        .await?;
        Ok(opened)
    }
}

impl Reading<'_> {
    /// Fills `steps` with all data in `span`.
    async fn add_all(&self, span: Span, steps: &mut Steps) -> Result<(), PortError> {
        let whole = whole_steps(span, MINUTE_MS).filter(|_| steps.step_ms() % MINUTE_MS == 0);
        let Some(minutes) = whole else { return self.add_rows(span, steps).await };
        if span.from_ms < minutes.from_ms {
            self.add_rows(Span { last_ms: minutes.from_ms - 1, ..span }, steps).await?;
        }
        let hours = whole_steps(minutes, HOUR_MS).filter(|_| steps.step_ms() % HOUR_MS == 0);
        let mut from_ms = minutes.from_ms;
        if let Some(hours) = hours
            && let Some(behind_ms) = self.add_hours(minutes, hours, steps).await?
        {
            from_ms = behind_ms;
        }
        if from_ms <= minutes.last_ms {
            let rest = Span { from_ms, ..minutes };
            from_ms = self.add_minutes(rest, steps).await?.unwrap_or(from_ms);
        }
        if from_ms <= span.last_ms {
            self.add_rows(Span { from_ms, ..span }, steps).await?;
        }
        Ok(())
    }

    /// Adds the stored hours, the minutes before them, and the minutes of hours that contain rows
    /// in memory. Returns the end of the stored hours. Returns `None` and adds nothing if there are
    /// none.
    async fn add_hours(&self, minutes: Span, hours: Span, steps: &mut Steps) -> Result<Option<i64>, PortError> {
        let stored = self.stored(&self.history.tables.hours, hours).await?;
        let Some(last) = stored.last() else { return Ok(None) };
        let behind_ms = last.start_ms.saturating_add(HOUR_MS);
        let touched = self.touched(HOUR_MS);
        stored.iter().filter(|hour| !touched.contains(&hour.start_ms)).for_each(|hour| steps.add_bucket(hour));
        if minutes.from_ms < hours.from_ms {
            self.add_closed(Span { last_ms: hours.from_ms - 1, ..minutes }, steps).await?;
        }
        for from_ms in touched.range(hours.from_ms..behind_ms).copied() {
            self.add_closed(Span { from_ms, last_ms: from_ms.saturating_add(HOUR_MS - 1) }, steps).await?;
        }
        Ok(Some(behind_ms))
    }

    /// Adds a range that has stored buckets before and after it.
    async fn add_closed(&self, span: Span, steps: &mut Steps) -> Result<(), PortError> {
        let behind_ms = self.add_minutes(span, steps).await?.unwrap_or(span.from_ms);
        // After its last stored minute there are only rows in memory.
        let rest = self.memory_in(Span { from_ms: behind_ms, ..span });
        rest.iter().for_each(|row| steps.add_row(row));
        Ok(())
    }

    /// Adds the stored minutes, and the rows of minutes that contain rows in memory. Returns the
    /// end of the stored minutes. Returns `None` and adds nothing if there are none.
    async fn add_minutes(&self, minutes: Span, steps: &mut Steps) -> Result<Option<i64>, PortError> {
        let stored = self.stored(&self.history.tables.minutes, minutes).await?;
        let Some(last) = stored.last() else { return Ok(None) };
        let behind_ms = last.start_ms.saturating_add(MINUTE_MS);
        let touched = self.touched(MINUTE_MS);
        stored.iter().filter(|minute| !touched.contains(&minute.start_ms)).for_each(|minute| steps.add_bucket(minute));
        for rows in runs(&touched, minutes.from_ms, behind_ms) {
            self.add_rows(rows, steps).await?;
        }
        Ok(Some(behind_ms))
    }

    async fn add_rows(&self, span: Span, steps: &mut Steps) -> Result<(), PortError> {
        self.visit(span, usize::MAX, |rows| {
            rows.iter().for_each(|row| steps.add_row(row));
            ControlFlow::Continue(())
        })
        .await
    }

    async fn stored(&self, tier: &Tier, span: Span) -> Result<Vec<Bucket>, PortError> {
        let key = self.history.key(self.id);
        self.history.tables.buckets(tier, key, span, self.days.iter().copied()).await
    }
}

/// The part of `span` made of whole steps of `width_ms`.
fn whole_steps(span: Span, width_ms: i64) -> Option<Span> {
    let from_ms = start_of(span.from_ms.saturating_add(width_ms - 1), width_ms);
    let behind_ms = start_of(span.last_ms.saturating_add(1), width_ms);
    (from_ms < behind_ms).then(|| Span { from_ms, last_ms: behind_ms - 1 })
}

/// The minutes that start in `from_ms..to_ms`. Adjacent minutes form one range.
fn runs(minutes: &BTreeSet<i64>, from_ms: i64, to_ms: i64) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    for start_ms in minutes.range(from_ms..to_ms.max(from_ms)).copied() {
        let last_ms = start_ms.saturating_add(MINUTE_MS - 1);
        match found.last_mut() {
            Some(run) if run.last_ms.checked_add(1) == Some(start_ms) => run.last_ms = last_ms,
            _ => found.push(Span { from_ms: start_ms, last_ms }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_steps_exclude_cut_ones() {
        let span = |from_ms, last_ms| Span { from_ms, last_ms };
        assert_eq!(whole_steps(span(0, 119_999), MINUTE_MS), Some(span(0, 119_999)));
        assert_eq!(whole_steps(span(1, 119_998), MINUTE_MS), None);
        assert_eq!(whole_steps(span(-1, 60_000), MINUTE_MS), Some(span(0, 59_999)));
        let all = whole_steps(span(i64::MIN, i64::MAX - 1), MINUTE_MS).unwrap();
        assert!(all.from_ms % MINUTE_MS == 0 && (all.last_ms + 1) % MINUTE_MS == 0);
    }

    #[test]
    fn neighbouring_minutes_are_one_range() {
        let minutes = BTreeSet::from([-60_000, 0, 60_000, 180_000, 240_000]);
        let spans: Vec<_> = runs(&minutes, 0, 240_000).iter().map(|run| (run.from_ms, run.last_ms)).collect();
        assert_eq!(spans, [(0, 119_999), (180_000, 239_999)]);
    }
}
