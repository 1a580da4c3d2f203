//! The mutes of one workspace for its scoring actors, which wait for no I/O.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::cache::MuteCache;
use crate::mutes::Mutes;
use earcon_model::EventBody;
use earcon_tenancy::WorkspacePass;

/// How often mutes are read. A mute that was made on another node takes effect within this time.
const EVERY: Duration = Duration::from_secs(3);

/// Reads the mutes of a workspace without waiting. Cheap to clone.
///
/// A task reads them every few seconds, also while no samples come in: the first anomaly after a
/// pause must not miss a mute. It ends when the last clone is dropped.
#[derive(Clone)]
pub struct MuteReader {
    cache: MuteCache,
    pass: WorkspacePass,
    _task: Arc<Task>,
}

struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl MuteReader {
    pub(super) fn start(cache: MuteCache, pass: WorkspacePass) -> Self {
        let task = tokio::spawn(keep_fresh(cache.clone(), pass.clone()));
        Self { cache, pass, _task: Arc::new(Task(task)) }
    }

    /// The mutes as they are known.
    pub fn snapshot(&self) -> Arc<Mutes> {
        self.cache.snapshot(self.pass.key())
    }

    /// Notes on anomalies which mute keeps them from alerting at `now_ms`.
    pub fn stamp(&self, bodies: &mut [EventBody], now_ms: i64) {
        if concerns_anomalies(bodies) {
            stamp(&self.snapshot(), bodies, now_ms);
        }
    }
}

async fn keep_fresh(cache: MuteCache, pass: WorkspacePass) {
    loop {
        tokio::time::sleep(EVERY).await;
        cache.current(&pass).await;
    }
}

/// Whether a mute could make a difference to any of the events.
fn concerns_anomalies(bodies: &[EventBody]) -> bool {
    bodies.iter().any(|body| matches!(body, EventBody::Anomaly(_)))
}

fn stamp(mutes: &Mutes, bodies: &mut [EventBody], now_ms: i64) {
    for body in bodies {
        let EventBody::Anomaly(happened) = body else { continue };
        let Some(anomaly) = happened.anomaly_mut() else { continue };
        let at = |at_ms| mutes.covering(&anomaly.kpi, &anomaly.labels, at_ms);
        // An anomaly that opened under a mute and closes after its end was not worth an alert.
        let found = at(now_ms).or_else(|| anomaly.closed_at_ms.and_then(|_| at(anomaly.opened_at_ms)));
        anomaly.muted = found.map(|found| found.mute.name().to_owned());
    }
}
