//! The mutes of one workspace for its scoring actors, which wait for no I/O.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::cache::MuteCache;
use crate::mutes::Mutes;
use earcon_model::EventBody;
use earcon_tenancy::WorkspacePass;

/// How often mutes are read while samples come in.
const EVERY: Duration = Duration::from_secs(3);
/// While none come in, mutes are read every so many times.
const IDLE_ROUNDS: u32 = 10;

/// Reads the mutes of a workspace without waiting. Cheap to clone.
///
/// A task reads them every few seconds while samples come in, and every half minute otherwise. It
/// ends when the last clone is dropped.
#[derive(Clone)]
pub struct MuteReader {
    cache: MuteCache,
    pass: WorkspacePass,
    task: Arc<Task>,
}

struct Task {
    /// Whether anything was scored since the last round.
    used: Arc<AtomicBool>,
    handle: JoinHandle<()>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

impl MuteReader {
    pub(super) fn start(cache: MuteCache, pass: WorkspacePass) -> Self {
        let used = Arc::new(AtomicBool::new(false));
        let handle = tokio::spawn(keep_fresh(cache.clone(), pass.clone(), used.clone()));
        Self { cache, pass, task: Arc::new(Task { used, handle }) }
    }

    /// The mutes as they are known.
    pub fn snapshot(&self) -> Arc<Mutes> {
        self.cache.snapshot(self.pass.workspace())
    }

    /// Notes on anomalies which mute keeps them from alerting at `now_ms`.
    pub fn stamp(&self, bodies: &mut [EventBody], now_ms: i64) {
        self.task.used.store(true, Ordering::Relaxed);
        if concerns_anomalies(bodies) {
            stamp(&self.snapshot(), bodies, now_ms);
        }
    }
}

async fn keep_fresh(cache: MuteCache, pass: WorkspacePass, used: Arc<AtomicBool>) {
    let mut idle = 0;
    loop {
        tokio::time::sleep(EVERY).await;
        idle += 1;
        if used.swap(false, Ordering::Relaxed) || idle >= IDLE_ROUNDS {
            idle = 0;
            cache.current(&pass).await;
        }
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
