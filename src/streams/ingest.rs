//! How samples get into the series of a KPI: live, as history, and again from the log.

use super::counter::Meter;
use super::kpi_state::{KpiState, Limit, Pushed};
use super::series::{Presence, Series, Shared};
use earcon_model::{Arrival, CounterSamples, EventBody, Reading, Sample, SeriesBatch, SeriesSamples, SeriesStatus};

/// How samples arrive, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct ArrivalContext {
    pub(super) arrival: Arrival,
    /// Wall time, milliseconds UTC.
    pub(super) now_ms: i64,
}

/// The samples of a push on their way through the series.
#[derive(Default)]
struct Collected {
    /// Finished bodies, in order.
    bodies: Vec<EventBody>,
    restored: Vec<EventBody>,
    samples: Vec<SeriesSamples>,
    /// The series of each entry of `samples`, by position.
    places: Vec<u32>,
    episodes: Vec<EventBody>,
    ends: Vec<EventBody>,
}

impl KpiState {
    pub(super) fn take_in(&mut self, batches: &[SeriesBatch], coming: ArrivalContext) -> Pushed {
        let mut pushed = Pushed::default();
        let mut collected = Collected::default();
        for batch in batches {
            let mut place = self.index.get(&batch.labels).copied();
            for &(row, sample) in &batch.rows {
                let admitted = self.admit(sample, batch.reading, coming.now_ms).and_then(|()| match place {
                    Some(place) => Ok(place),
                    None => self.add_series(&batch.labels, Limit::Sender(batch.max_series)),
                });
                match admitted {
                    Ok(found) => {
                        place = Some(found);
                        pushed.accepted += 1;
                        pushed.late += u32::from(!self.take(found, sample, batch, coming, &mut collected));
                    }
                    Err(rejection) => pushed.rejected.push((row, rejection)),
                }
            }
            if let (Some(ended_at_ms), Some(place)) = (batch.ended_at_ms, place) {
                self.end(place, ended_at_ms, coming, &mut collected);
            }
            self.note_deadline(place);
        }
        self.settle(&mut collected, coming.arrival);
        pushed.bodies = collected.bodies;
        pushed
    }

    /// Scores a sample, or sets it aside as late. Returns whether it was newer than all before.
    fn take(
        &mut self,
        place: u32,
        sample: Sample,
        batch: &SeriesBatch,
        coming: ArrivalContext,
        collected: &mut Collected,
    ) -> bool {
        let news = self.series[place as usize].cadence.is_news(sample.timestamp_ms);
        if news && !collected.ends.is_empty() && self.series[place as usize].presence == Presence::Ended {
            // The series may have ended a moment ago and comes back. A replay needs both in this
            // order.
            self.settle(collected, coming.arrival);
        }
        let Self { workspace, kpi, settings, series, .. } = self;
        let shared = Shared { workspace, kpi, settings };
        let series = &mut series[place as usize];
        let entry = collected.entry(place, series, batch);
        if !news {
            entry.add_late(sample);
            series.late += u64::from(coming.arrival == Arrival::Live);
            return false;
        }
        series.read_as(batch.reading, shared);
        let (measured, restored) = series.arrive(sample, coming);
        if let Some(counter) = &mut entry.counter {
            counter.raw = series.meter.total();
            if measured.is_none() {
                counter.start = Some(sample);
            }
        }
        if let Some(value) = measured {
            let timestamp_ms = sample.timestamp_ms;
            let (scored, episode) = series.score(Sample { timestamp_ms, value }, coming.arrival, shared);
            entry.samples.push(scored);
            collected.episodes.extend(episode);
        }
        if restored {
            let (labels, timestamp_ms) = (series.labels.clone(), sample.timestamp_ms);
            collected.restored.push(EventBody::SeriesRestored { labels, timestamp_ms });
        }
        true
    }

    /// Ends the series. Ignored for history, for an ended series, and when newer samples exist.
    fn end(&mut self, place: u32, ended_at_ms: i64, coming: ArrivalContext, collected: &mut Collected) {
        let latest_ms = coming.now_ms.saturating_add(self.settings.max_ahead_ms);
        let series = &mut self.series[place as usize];
        let holds = ended_at_ms >= series.cadence.last_timestamp_ms() && ended_at_ms <= latest_ms;
        if coming.arrival == Arrival::Backfill || series.presence == Presence::Ended || !holds {
            return;
        }
        let closed = series.end(ended_at_ms);
        let labels = series.labels.clone();
        collected.ends.push(EventBody::SeriesEnded { labels, timestamp_ms: ended_at_ms });
        collected.ends.extend(closed);
    }

    /// Moves the collected events to `bodies`: `SeriesRestored` events, the samples, changes of
    /// episodes, ended series.
    fn settle(&mut self, collected: &mut Collected, arrival: Arrival) {
        for (entry, place) in collected.samples.iter_mut().zip(&collected.places) {
            let series = &mut self.series[*place as usize];
            series.collected_at = None;
            entry.features = series.features;
            entry.status = series.status(&self.settings);
            if let (Some(counter), Arrival::Backfill) = (&mut entry.counter, arrival) {
                counter.late = 0;
            }
        }
        collected.places.clear();
        let mut samples = std::mem::take(&mut collected.samples);
        samples.retain(says_something);
        collected.bodies.append(&mut collected.restored);
        if !samples.is_empty() {
            collected.bodies.push(match arrival {
                Arrival::Live => EventBody::Samples(samples),
                Arrival::Backfill => EventBody::Backfilled(samples),
            });
        }
        collected.bodies.append(&mut collected.episodes);
        collected.bodies.append(&mut collected.ends);
    }

    pub(super) fn replay_samples(&mut self, logged: &SeriesSamples, coming: ArrivalContext) {
        let place = match self.index.get(&logged.labels) {
            Some(place) => *place,
            None => match self.add_series(&logged.labels, Limit::Replay) {
                Ok(place) => place,
                Err(_) => return,
            },
        };
        let Self { workspace, kpi, settings, series, .. } = self;
        let shared = Shared { workspace, kpi, settings };
        let series = &mut series[place as usize];
        if coming.arrival == Arrival::Live {
            let late = logged.counter.map_or(0, |counter| counter.late);
            series.late += logged.late.len() as u64 + u64::from(late);
        }
        let reading = if logged.counter.is_some() { Reading::Counter } else { Reading::Gauge };
        let start = logged.counter.and_then(|counter| counter.start);
        let scored = logged.samples.iter();
        let rates = scored.map(|scored| Sample { timestamp_ms: scored.timestamp_ms, value: scored.value });
        // A log is applied once. If it is applied twice, nothing may count twice.
        let news =
            |series: &Series, sample: &Sample| series.cadence.is_news(sample.timestamp_ms) && sample.value.is_finite();
        let mut applied = false;
        if let Some(start) = start.filter(|start| news(series, start)) {
            series.read_as(reading, shared);
            series.arrive(start, coming);
            applied = true;
        }
        for sample in rates {
            if news(series, &sample) {
                series.read_as(reading, shared);
                // The rate is known; the total is set below.
                series.arrive(sample, coming);
                series.score(sample, coming.arrival, shared);
                applied = true;
            }
        }
        if let (Some(counter), true) = (logged.counter, applied) {
            series.meter = Meter::Counter(counter.raw);
        }
        self.note_deadline(Some(place));
    }
}

impl Collected {
    /// The entry of a series. Starts a new one for the first sample and after a change of the
    /// reading.
    fn entry(&mut self, place: u32, series: &mut Series, batch: &SeriesBatch) -> &mut SeriesSamples {
        let counts = batch.reading == Reading::Counter;
        let fits = series.collected_at.filter(|at| self.samples[*at as usize].counter.is_some() == counts);
        let at = fits.unwrap_or_else(|| {
            self.samples.push(SeriesSamples {
                labels: series.labels.clone(),
                samples: Vec::with_capacity(batch.rows.len()),
                late: Vec::new(),
                features: None,
                status: SeriesStatus::Normal,
                counter: counts.then(CounterSamples::default),
            });
            self.places.push(place);
            self.samples.len() as u32 - 1
        });
        series.collected_at = Some(at);
        &mut self.samples[at as usize]
    }
}

/// Whether the entry holds anything that the log must keep.
fn says_something(entry: &SeriesSamples) -> bool {
    let counted = entry.counter.is_some_and(|counter| counter.start.is_some() || counter.late > 0);
    counted || !entry.samples.is_empty() || !entry.late.is_empty()
}
