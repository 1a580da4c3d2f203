//! How samples get into the series of a KPI: live, as history, and again from the log.

use super::arrival::{ArrivalContext, Conditions, SeriesLimit};
use super::counter::CounterState;
use super::kpi_state::{KpiState, Pushed, Rejection, check_sample};
use super::series::{KpiContext, Presence, Series};
use earcon_model::{
    AheadOfClock, AnomalyEvent, Arrival, CounterSamples, EventBody, Reading, Sample, ScoredSamples, SeriesBatch,
    SeriesEvent, SeriesSamples, SeriesStatus,
};

/// The samples of a push on their way through the series.
#[derive(Default)]
struct Collected {
    /// Finished bodies, in order.
    bodies: Vec<EventBody>,
    restored: Vec<SeriesEvent>,
    samples: Vec<SeriesSamples>,
    /// The series of each entry of `samples`, by position.
    positions: Vec<u32>,
    episodes: Vec<AnomalyEvent>,
    ends: Vec<EventBody>,
    /// How a series is read now whose earlier samples were read otherwise.
    reread: Option<Reading>,
}

impl KpiState {
    pub(super) fn ingest(&mut self, batches: &[SeriesBatch], context: ArrivalContext<'_>) -> Pushed {
        let Conditions { wall_ms, room, natural, .. } = context.conditions;
        self.natural = natural;
        let mut pushed = Pushed::default();
        let mut collected = Collected::for_series(batches.len());
        for batch in batches {
            let mut position = self.index.find_numbered(&batch.labels);
            let mut earlier_ends = batch.earlier_ends.iter().peekable();
            for &(row, sample) in &batch.rows {
                while let Some(ended_at_ms) = earlier_ends.next_if(|ended| **ended < sample.timestamp_ms) {
                    // A sample follows, so a series that cannot have ended goes on.
                    let _refused = position.map(|found| self.end_series(found, *ended_at_ms, context, &mut collected));
                }
                let admitted =
                    check_sample(&self.settings, sample, batch.reading, wall_ms).and_then(|()| match position {
                        Some(position) => Ok(position),
                        None => self.add_series(&batch.labels, SeriesLimit::Sender(batch.max_series, room)),
                    });
                match admitted {
                    Ok(found) => {
                        position = Some(found);
                        // Without a negative sign at 0: people would read `-0`.
                        let sample = Sample { value: sample.value + 0.0, ..sample };
                        pushed.accepted += 1;
                        if !self.ingest_sample(found, sample, batch, context, &mut collected) {
                            pushed.late += 1;
                            self.note_ahead(found, sample, context, &mut pushed.ahead);
                        }
                    }
                    Err(rejection) => pushed.rejected.push((row, rejection)),
                }
            }
            if let Some(ended_at_ms) = batch.ended_at_ms {
                let ended = match position {
                    Some(position) => self.end_series(position, ended_at_ms, context, &mut collected),
                    None => Err(Rejection::NoSuchSeries),
                };
                if let (Some(row), Err(rejection)) = (batch.ended_row, ended) {
                    pushed.rejected.push((row, rejection));
                    pushed.rejected_ends += 1;
                }
            }
            self.note_deadline(position);
        }
        self.finish_bodies(&mut collected, context.arrival);
        pushed.bodies = collected.bodies;
        pushed.reread = collected.reread;
        pushed
    }

    /// Scores a sample, or sets it aside as late. Returns whether it was newer than all before.
    fn ingest_sample(
        &mut self,
        position: u32,
        sample: Sample,
        batch: &SeriesBatch,
        context: ArrivalContext<'_>,
        collected: &mut Collected,
    ) -> bool {
        if context.arrival == Arrival::Live {
            self.leave_wrong_time(position, sample.timestamp_ms, context, collected);
        }
        let newer = self.series[position as usize].cadence.is_newer(sample.timestamp_ms);
        if newer && !collected.ends.is_empty() && self.series[position as usize].presence == Presence::Ended {
            // The series may have ended a moment ago and comes back. A replay needs both in this
            // order.
            self.finish_bodies(collected, context.arrival);
        }
        let Self { workspace, kpi, settings, series, natural, .. } = self;
        let shared = KpiContext { workspace, kpi, settings };
        let series = &mut series[position as usize];
        if newer && series.read_as(batch.reading, shared) {
            collected.reread = Some(batch.reading);
        }
        let entry = collected.entry(position, series, batch);
        if !newer {
            entry.add_late(sample);
            series.late += u64::from(context.arrival == Arrival::Live);
            return false;
        }
        let (measured, restored) = series.arrive(sample, &batch.starts_ms, context);
        if let Some(counter) = &mut entry.counter {
            counter.raw = series.counter_state.total();
            if measured.is_none() {
                counter.start = Some(sample);
            }
        }
        if let Some(value) = measured {
            let timestamp_ms = sample.timestamp_ms;
            let (scored, episode) = series.score(Sample { timestamp_ms, value }, context.arrival, shared);
            entry.samples.push(series.shown_sample(scored, *natural));
            let shown = episode.into_iter().flatten().map(|event| series.shown(event, *natural));
            collected.episodes.extend(shown);
        }
        if restored {
            let (labels, timestamp_ms) = (series.labels.clone(), sample.timestamp_ms);
            collected.restored.push(SeriesEvent::Restored { labels, timestamp_ms });
        }
        true
    }

    /// Notes a live sample that is late only because a newer one lies ahead of the clock.
    fn note_ahead(
        &self,
        position: u32,
        sample: Sample,
        context: ArrivalContext<'_>,
        ahead: &mut Option<Box<AheadOfClock>>,
    ) {
        let series = &self.series[position as usize];
        let newest_ms = series.cadence.last_timestamp_ms();
        let ahead_ms = newest_ms.saturating_sub(context.conditions.wall_ms);
        if context.arrival == Arrival::Live && ahead_ms > 0 && sample.timestamp_ms < newest_ms {
            let (kpi, labels) = (self.kpi.clone(), series.labels.clone());
            let one = AheadOfClock { count: 1, kpi, labels, newest_ms, ahead_ms };
            *ahead = AheadOfClock::merge(ahead.take().map(|before| *before), Some(one)).map(Box::new);
        }
    }

    /// Ends a series whose newest sample is of a clock that was ahead, so that the sample at
    /// `timestamp_ms` begins it again. Its end lies before its newest sample, which tells a replay
    /// to do the same.
    fn leave_wrong_time(
        &mut self,
        position: u32,
        timestamp_ms: i64,
        context: ArrivalContext<'_>,
        collected: &mut Collected,
    ) {
        let latest_ms = self.latest_ms(context);
        let series = &mut self.series[position as usize];
        if !series.cadence.is_newer(timestamp_ms) && series.cadence.last_timestamp_ms() > latest_ms {
            let ended_at_ms = series.cadence.one_interval_before(timestamp_ms);
            let closed = series.end(ended_at_ms, context.conditions.natural);
            let labels = series.labels.clone();
            collected.bodies.push(SeriesEvent::Ended { labels, timestamp_ms: ended_at_ms }.into());
            collected.bodies.extend(closed.map(EventBody::Anomaly));
        }
    }

    /// The latest time that a sample may have.
    fn latest_ms(&self, context: ArrivalContext<'_>) -> i64 {
        context.conditions.wall_ms.saturating_add(self.settings.max_ahead_ms)
    }

    /// Ends the series. Ignored for history and for an ended series.
    ///
    /// # Errors
    /// When newer samples exist, and for a time that lies too far ahead.
    fn end_series(
        &mut self,
        position: u32,
        ended_at_ms: i64,
        context: ArrivalContext<'_>,
        collected: &mut Collected,
    ) -> Result<(), Rejection> {
        let (latest_ms, wall_ms) = (self.latest_ms(context), context.conditions.wall_ms);
        let series = &mut self.series[position as usize];
        let last_ms = series.cadence.last_timestamp_ms();
        if context.arrival == Arrival::Backfill {
            return Ok(());
        }
        if ended_at_ms > latest_ms {
            let max_ahead_ms = self.settings.max_ahead_ms;
            return Err(Rejection::TooFarAhead { timestamp_ms: ended_at_ms, wall_ms, max_ahead_ms });
        }
        if ended_at_ms < last_ms && last_ms <= latest_ms {
            return Err(Rejection::EndBeforeNewest { ended_at_ms, newest_ms: last_ms });
        }
        if series.presence == Presence::Ended {
            return Ok(());
        }
        let closed = series.end(ended_at_ms, context.conditions.natural);
        let labels = series.labels.clone();
        collected.ends.push(SeriesEvent::Ended { labels, timestamp_ms: ended_at_ms }.into());
        collected.ends.extend(closed.map(EventBody::Anomaly));
        Ok(())
    }

    /// Moves the collected events to `bodies`: `SeriesRestored` events, the samples, changes of
    /// episodes, ended series.
    fn finish_bodies(&mut self, collected: &mut Collected, arrival: Arrival) {
        for (entry, position) in collected.samples.iter_mut().zip(&collected.positions) {
            let series = &mut self.series[*position as usize];
            series.collected_at = None;
            entry.features = series.features;
            entry.status = series.status(&self.settings);
            entry.looks_like = series.looks_like(&self.kpi);
            if let (Some(counter), Arrival::Backfill) = (&mut entry.counter, arrival) {
                counter.late = 0;
            }
        }
        collected.positions.clear();
        let mut samples = std::mem::take(&mut collected.samples);
        samples.retain(has_content);
        collected.bodies.extend(collected.restored.drain(..).map(EventBody::Series));
        if !samples.is_empty() {
            let scored = match arrival {
                Arrival::Live => SeriesEvent::Samples(samples),
                Arrival::Backfill => SeriesEvent::Backfilled(samples),
            };
            collected.bodies.push(scored.into());
        }
        collected.bodies.extend(collected.episodes.drain(..).map(EventBody::Anomaly));
        collected.bodies.append(&mut collected.ends);
    }

    pub(super) fn replay_samples(&mut self, logged: &SeriesSamples, context: ArrivalContext<'_>) {
        let position = match self.index.find(&logged.labels) {
            Some(position) => position,
            None => match self.add_series(&logged.labels, SeriesLimit::Replay) {
                Ok(position) => position,
                Err(_) => return,
            },
        };
        let Self { workspace, kpi, settings, series, .. } = self;
        let shared = KpiContext { workspace, kpi, settings };
        let series = &mut series[position as usize];
        if context.arrival == Arrival::Live {
            let late = logged.counter.map_or(0, |counter| counter.late);
            series.late += logged.late.len() as u64 + u64::from(late);
        }
        let reading = if logged.counter.is_some() { Reading::Counter } else { Reading::Gauge };
        let start = logged.counter.and_then(|counter| counter.start);
        let scored = logged.samples.iter();
        let rates = scored.map(|scored| Sample { timestamp_ms: scored.timestamp_ms, value: scored.value });
        // A log is applied once. If it is applied twice, nothing may count twice.
        let newer =
            |series: &Series, sample: &Sample| series.cadence.is_newer(sample.timestamp_ms) && sample.value.is_finite();
        let mut applied = false;
        if let Some(start) = start.filter(|start| newer(series, start)) {
            series.read_as(reading, shared);
            series.arrive(start, &[], context);
            applied = true;
        }
        for sample in rates {
            if newer(series, &sample) {
                series.read_as(reading, shared);
                // The rate is known; the total is set below.
                series.arrive(sample, &[], context);
                series.score(sample, context.arrival, shared);
                applied = true;
            }
        }
        if let (Some(counter), true) = (logged.counter, applied) {
            series.counter_state = CounterState::Counter(counter.raw);
        }
        self.note_deadline(Some(position));
    }
}

impl Collected {
    fn for_series(count: usize) -> Self {
        Self { samples: Vec::with_capacity(count), positions: Vec::with_capacity(count), ..Self::default() }
    }

    /// The entry of a series. Starts a new one for the first sample and after a change of the
    /// reading.
    fn entry(&mut self, position: u32, series: &mut Series, batch: &SeriesBatch) -> &mut SeriesSamples {
        let counts = batch.reading == Reading::Counter;
        let fits = series.collected_at.filter(|at| self.samples[*at as usize].counter.is_some() == counts);
        let at = fits.unwrap_or_else(|| {
            self.samples.push(SeriesSamples {
                labels: series.labels.clone(),
                samples: ScoredSamples::with_capacity(batch.rows.len()),
                late: Vec::new(),
                features: None,
                status: SeriesStatus::Normal,
                counter: counts.then(CounterSamples::default),
                looks_like: None,
            });
            self.positions.push(position);
            self.samples.len() as u32 - 1
        });
        series.collected_at = Some(at);
        &mut self.samples[at as usize]
    }
}

/// Whether the entry holds anything that the log must keep.
fn has_content(entry: &SeriesSamples) -> bool {
    let counted = entry.counter.is_some_and(|counter| counter.start.is_some() || counter.late > 0);
    counted || !entry.samples.is_empty() || !entry.late.is_empty()
}
