//! What a stream does while a second detector is tried out beside the live one: it is shown what was logged, measured, and counted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use crate::actors::Faults;
use crate::actors::experiments::Experiments;
use crate::experiments::{Agreement, Tally};
use crate::telemetry::{Metric, record};
use earcon_model::{AnomalyEvent, AnomalyId, Arrival, EventBody, FeedbackOutcome, SeriesEvent};
use earcon_streams::KpiState;

/// How often a stream reports what it has counted. Rare, because a workspace may have many streams.
pub(super) const REPORT_EVERY: Duration = Duration::from_secs(2);

/// Counts of a KPI with two detectors.
pub(super) struct Shadowing {
    agreement: Agreement,
    tally: Tally,
}

/// What happened to the shadow.
pub(super) enum Shown {
    /// There is something to report in time.
    Counted,
    /// It panicked; the text of the panic.
    Failed(String),
}

impl Shadowing {
    /// Alerts that open within `window_ms` of one another mean the same.
    pub(super) fn new(window_ms: i64) -> Self {
        Self { agreement: Agreement::new(window_ms), tally: Tally::default() }
    }

    /// Shows the shadow of `state` what was logged of a batch that the live detector took `live` to score.
    ///
    /// A panic ends only the shadow, and is caught for that: the live detector's state is not touched by anything in here, and
    /// restarting the stream would hold up live scoring for the sake of something that nobody relies on.
    pub(super) fn show(
        &mut self,
        state: &mut KpiState,
        bodies: &[EventBody],
        arrival: Arrival,
        live: Duration,
        faults: &Faults,
    ) -> Shown {
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
            Err(panic) => return Shown::Failed(text_of(panic.as_ref())),
        };
        let took = started.elapsed();
        record(Metric::ShadowSeconds, took);
        if arrival == Arrival::Backfill || observed.samples == 0 {
            return Shown::Counted;
        }
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
        Shown::Counted
    }

    /// Counts what somebody said of an anomaly, for the detectors that had found it.
    pub(super) fn judged(&mut self, id: AnomalyId, outcome: FeedbackOutcome) {
        self.agreement.record_feedback(id, outcome == FeedbackOutcome::Real, &mut self.tally);
    }

    /// Whether there is anything to report.
    pub(super) fn has_news(&self) -> bool {
        self.tally != Tally::default()
    }

    /// Hands over what was counted since the last time.
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

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}
