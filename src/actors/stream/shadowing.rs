//! What a stream does while a shadow detector runs: the shadow sees the logged events, is timed,
//! and its alerts are counted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::panics::text_of;
use crate::actors::context::Faults;
use crate::actors::experiments::Experiments;
use crate::experiments::{Agreement, Tally};
use crate::telemetry::{Metric, record};
use earcon_model::{AnomalyEvent, AnomalyId, Arrival, EventBody, FeedbackOutcome, SeriesEvent};
use earcon_streams::{KpiState, Observed};

/// How often a stream reports its counts. Rare, because a workspace may have many streams.
pub(super) const REPORT_EVERY: Duration = Duration::from_secs(2);

/// Counts of a KPI with two detectors.
pub(super) struct Shadowing {
    agreement: Agreement,
    tally: Tally,
}

impl Shadowing {
    /// Alerts that open within `window_ms` of one another mean the same.
    pub(super) fn new(window_ms: i64) -> Self {
        Self { agreement: Agreement::new(window_ms), tally: Tally::default() }
    }

    /// Has the shadow of `state` observe the events of a batch that the live detector took `live`
    /// to score.
    ///
    /// A panic is caught and ends only the shadow. Nothing in here changes the live detector's
    /// state. Restarting the stream would interrupt live scoring for a detector that is only being
    /// tried out.
    pub(super) fn observe(
        &mut self,
        state: &mut KpiState,
        bodies: &[EventBody],
        arrival: Arrival,
        live: Duration,
        faults: &Faults,
    ) -> Result<(), String> {
        let started = Instant::now();
        let kpi = state.kpi().clone();
        let observe = || {
            if let Some(before_shadow) = &faults.before_shadow {
                before_shadow(&kpi);
            }
            state.observe(bodies)
        };
        let observed = match catch_unwind(AssertUnwindSafe(observe)) {
            Ok(observed) => observed,
            Err(panic) => return Err(text_of(panic.as_ref())),
        };
        let took = started.elapsed();
        record(Metric::ShadowSeconds, took);
        if arrival == Arrival::Live && observed.samples > 0 {
            self.count(bodies, &observed, live, took);
        }
        Ok(())
    }

    fn count(&mut self, bodies: &[EventBody], observed: &Observed, live: Duration, took: Duration) {
        let tally = &mut self.tally;
        let each = |time: Duration| time.as_nanos() as u64 / observed.samples;
        tally.samples += observed.samples;
        tally.live_ns += live.as_nanos() as u64;
        tally.shadow_ns += took.as_nanos() as u64;
        tally.live_latencies.record(each(live));
        tally.shadow_latencies.record(each(took));
        for body in bodies {
            if let EventBody::Anomaly(AnomalyEvent::Opened(anomaly)) = body {
                self.agreement.live(anomaly.id, &anomaly.labels, anomaly.opened_at_ms, tally);
            }
        }
        for alert in &observed.alerts {
            self.agreement.shadow(&alert.labels, alert.timestamp_ms, tally);
        }
        if let Some(newest_ms) = newest_ms(bodies) {
            self.agreement.passed(newest_ms, tally);
        }
    }

    /// Counts feedback on an anomaly, for the detectors that had found it.
    pub(super) fn record_feedback(&mut self, id: AnomalyId, outcome: FeedbackOutcome) {
        self.agreement.record_feedback(id, outcome == FeedbackOutcome::Real, &mut self.tally);
    }

    /// Whether there is anything to report.
    pub(super) fn has_news(&self) -> bool {
        self.tally != Tally::default()
    }

    /// Hands over the counts since the last report.
    pub(super) fn report(&mut self, state: &KpiState, experiments: &Experiments) {
        let tally = std::mem::take(&mut self.tally);
        if tally != Tally::default() {
            experiments.report(state.detectors(), tally);
        }
    }
}

fn newest_ms(bodies: &[EventBody]) -> Option<i64> {
    let newest = |body: &EventBody| match body {
        EventBody::Series(SeriesEvent::Samples(all)) => {
            all.iter().filter_map(|one| Some(one.samples.last()?.timestamp_ms)).max()
        }
        _ => None,
    };
    bodies.iter().filter_map(newest).max()
}
