//! From the log and the snapshots back to running state. Not an actor: node and supervisor run it
//! in tasks, because supervisors never wait for I/O.

mod epoch_change;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use self::epoch_change::UnrecordedOpening;
use super::context::Context;
use super::incidents::EngineReplay;
use super::snapshotter::load_watermark;
use crate::experiments::Plan;
use crate::incidents::{IncidentEngine, SeriesInventory};
use crate::live::{KpiRun, KpiView, SeriesView};
use crate::services::detectors::records::DetectorRecords;
use earcon_model::{Deletion, DeletionScope, Event, EventBody, KpiEvent, KpiName, Seq};
use earcon_ports::{ErrorKind, LogHead, PortError, Snapshot};
use earcon_streams::{KpiParts, KpiState};
use earcon_tenancy::WorkspacePass;

/// How many events one read of the log asks for.
const PAGE: usize = 1_000;

/// The state of a workspace at the end of its log.
pub struct Recovered {
    /// Where the log begins and ends.
    pub head: LogHead,
    /// The scoring state of every KPI ever seen.
    pub kpis: BTreeMap<KpiName, KpiState>,
    /// KPIs with events that no snapshot includes, and the first of them.
    pub unsaved: HashMap<KpiName, Seq>,
    /// KPIs whose snapshots cannot be used, or which were deleted. Their snapshots must be deleted
    /// before others are saved.
    pub unreadable: BTreeSet<KpiName>,
    /// KPIs that were parked when the log ended.
    pub parked: Vec<KpiName>,
    /// Commit time of the last event, milliseconds UTC; `i64::MIN` without events.
    pub last_ms: i64,
    /// Which detectors score which KPI.
    pub plan: Plan,
    /// The incidents under way.
    pub incidents: IncidentEngine,
    /// The opening, if the disk was too full to record it.
    pub unrecorded: Option<UnrecordedOpening>,
}

/// Opens the workspace's log and brings every KPI to its end.
pub async fn recover(context: &Context, pass: &WorkspacePass) -> Result<Recovered, PortError> {
    let head = context.log_health.watch(context.backends.event_log.open(pass)).await?;
    let fresh = |kpi: &KpiName| {
        let settings = context.settings.scoring(pass.workspace());
        KpiState::new(pass.workspace().clone(), kpi.clone(), settings).snapshot_part(0)
    };
    let unrecorded = epoch_change::prepare(&context.backends, pass, &head, fresh).await?;
    let recovered = Recovered { unrecorded, ..rebuild(context, pass, head).await? };
    forget(context, pass, &recovered.unreadable).await?;
    Ok(recovered)
}

/// Deletes snapshots that cannot be used. Parts that stay would be mixed with later ones.
async fn forget(context: &Context, pass: &WorkspacePass, kpis: &BTreeSet<KpiName>) -> Result<(), PortError> {
    for kpi in kpis {
        context.backends.snapshot_store.delete(pass, kpi).await?;
    }
    Ok(())
}

/// The state of a workspace at the end of its log, without becoming its writer; `None` if there is
/// no log.
pub async fn recover_read_only(context: &Context, pass: &WorkspacePass) -> Result<Option<Recovered>, PortError> {
    match context.backends.event_log.head(pass).await? {
        Some(head) => rebuild(context, pass, head).await.map(Some),
        None => Ok(None),
    }
}

async fn rebuild(context: &Context, pass: &WorkspacePass, head: LogHead) -> Result<Recovered, PortError> {
    let backends = &context.backends;
    // Read before the snapshots: snapshots saved in between only make the replay shorter.
    let watermark = load_watermark(backends, pass).await?;
    let mut replay = Replay::new(context, pass);
    backends.snapshot_store.visit(pass, &mut |snapshot| replay.restore(snapshot)).await?;
    replay.assemble();
    let series = replay.kpis.iter().flat_map(|(kpi, parts)| parts.labels().map(move |labels| (kpi, labels)));
    let mut incidents = EngineReplay::begin(context, pass, &head, SeriesInventory::from_series(series)).await?;
    read_log(context, pass, watermark.min(incidents.seq()) + 1, head.next, |event| {
        incidents.apply(event);
        if event.seq > watermark {
            replay.apply(event);
        }
    })
    .await?;
    let last_ms = last_time_ms(context, pass, head.next).await?;
    let Replay { kpis, unsaved, unreadable, parked, .. } = replay;
    let kpis: BTreeMap<_, _> = kpis.into_iter().filter_map(|(kpi, parts)| Some((kpi, parts.join()?))).collect();
    let open = kpis.values().flat_map(KpiState::series).filter_map(|series| series.anomaly);
    let incidents = incidents.finish(open.map(|anomaly| anomaly.id).collect(), context.clock.now_ms().max(last_ms));
    let plan = load_plan(context, pass).await?;
    Ok(Recovered { head, kpis, unsaved, unreadable, parked, last_ms, plan, incidents, unrecorded: None })
}

async fn load_plan(context: &Context, pass: &WorkspacePass) -> Result<Plan, PortError> {
    match try_load_plan(context, pass).await {
        Err(error) if error.kind == ErrorKind::Corrupt => {
            // A plan that cannot be read must not keep the workspace closed.
            tracing::error!(workspace = %pass.workspace(), %error, "KPIs are scored as configured");
            Ok(Plan::default())
        }
        plan => plan,
    }
}

async fn try_load_plan(context: &Context, pass: &WorkspacePass) -> Result<Plan, PortError> {
    let records = DetectorRecords::new(context.backends.meta_store.clone());
    let (assignment, _) = records.assignment(pass).await?;
    let running = records.running(pass, &assignment).await?;
    Ok(assignment.plan(running.as_ref().map(|stored| &stored.value)))
}

async fn last_time_ms(context: &Context, pass: &WorkspacePass, next: Seq) -> Result<i64, PortError> {
    if next <= 1 {
        return Ok(i64::MIN);
    }
    let page = context.backends.event_log.read(pass, next - 1, 1).await?;
    Ok(page.events.last().map_or(i64::MIN, |event| event.time_ms))
}

/// Brings one KPI to the end of the log. Everything it had sent to the log must be durable.
pub async fn recover_kpi(context: &Context, pass: &WorkspacePass, kpi: &KpiName) -> Result<KpiState, PortError> {
    let backends = &context.backends;
    let end = backends.event_log.head(pass).await?.map_or(1, |head| head.next);
    let mut replay = Replay::new(context, pass);
    backends.snapshot_store.get(pass, kpi).await?.into_iter().for_each(|snapshot| replay.restore(snapshot));
    replay.assemble();
    let from = match replay.kpis.get(kpi) {
        Some(parts) => parts.next(),
        None => load_watermark(backends, pass).await? + 1,
    };
    let of_this_kpi = |event: &Event| {
        if event.kpi() == Some(kpi) {
            replay.apply(event);
        }
    };
    read_log(context, pass, from, end, of_this_kpi).await?;
    forget(context, pass, &replay.unreadable).await?;
    Ok(replay.kpis.remove(kpi).and_then(KpiParts::join).unwrap_or_else(|| replay.fresh(kpi)))
}

async fn read_log(
    context: &Context,
    pass: &WorkspacePass,
    mut from: Seq,
    end: Seq,
    mut apply: impl FnMut(&Event),
) -> Result<(), PortError> {
    while from < end {
        let page = context.backends.event_log.read(pass, from, PAGE).await?;
        let Some(last) = page.events.last() else { break };
        let next = last.seq + 1;
        page.events.iter().filter(|event| event.seq >= from && event.seq < end).for_each(|event| apply(event));
        from = next;
    }
    Ok(())
}

struct Replay<'a> {
    context: &'a Context,
    pass: &'a WorkspacePass,
    /// Snapshots that were read, until all of them are there.
    stored: HashMap<KpiName, BTreeMap<u32, (Seq, KpiState)>>,
    kpis: HashMap<KpiName, KpiParts>,
    unsaved: HashMap<KpiName, Seq>,
    unreadable: BTreeSet<KpiName>,
    parked: Vec<KpiName>,
}

impl<'a> Replay<'a> {
    fn new(context: &'a Context, pass: &'a WorkspacePass) -> Self {
        Self {
            context,
            pass,
            stored: HashMap::new(),
            kpis: HashMap::new(),
            unsaved: HashMap::new(),
            unreadable: BTreeSet::new(),
            parked: Vec::new(),
        }
    }

    fn fresh(&self, kpi: &KpiName) -> KpiState {
        let settings = self.context.settings.scoring(self.pass.workspace());
        KpiState::new(self.pass.workspace().clone(), kpi.clone(), settings)
    }

    fn restore(&mut self, snapshot: Snapshot) {
        let Snapshot { kpi, part, seq, state } = snapshot;
        let settings = self.context.settings.scoring(self.pass.workspace());
        match KpiState::restore_part(self.pass.workspace().clone(), kpi.clone(), settings, part, &state) {
            Ok(state) => {
                self.stored.entry(kpi).or_default().insert(part, (seq, state));
            }
            Err(error) => {
                tracing::warn!(%kpi, %error, "a snapshot cannot be read; the KPI warms up again");
                self.unreadable.insert(kpi);
            }
        }
    }

    /// Puts the parts of each KPI together, when all snapshots were read.
    fn assemble(&mut self) {
        for (kpi, parts) in std::mem::take(&mut self.stored) {
            if self.unreadable.contains(&kpi) {
                continue;
            }
            // Without the first part, no state was ever saved whole, and the log has all of it.
            self.kpis.extend(KpiParts::from_parts(parts).map(|parts| (kpi, parts)));
        }
    }

    /// Drops a KPI that was deleted. Its snapshots may still be in the store.
    fn drop_deleted(&mut self, event: &Event) -> bool {
        let Some((kpi, Deletion { scope: DeletionScope::Kpi, .. })) = event.deletion() else { return false };
        if self.kpis.get(kpi).is_none_or(|parts| parts.next() <= event.seq) {
            self.kpis.remove(kpi);
            self.unsaved.remove(kpi);
            self.parked.retain(|parked| parked != kpi);
            self.unreadable.insert(kpi.clone());
        }
        true
    }

    fn apply(&mut self, event: &Event) {
        let Some(kpi) = event.kpi() else { return };
        if self.drop_deleted(event) {
            return;
        }
        match event.body {
            EventBody::Kpi(KpiEvent::Parked { .. }) => self.parked.push(kpi.clone()),
            EventBody::Kpi(KpiEvent::Resumed) => self.parked.retain(|parked| parked != kpi),
            _ => {}
        }
        if !self.kpis.contains_key(kpi) {
            self.kpis.insert(kpi.clone(), KpiParts::whole(0, self.fresh(kpi)));
        }
        let Some(parts) = self.kpis.get_mut(kpi) else { return };
        if event.seq >= parts.next() {
            self.unsaved.entry(kpi.clone()).or_insert(event.seq);
        }
        // Events in the log were scored once without a panic. If scoring panics now, this KPI
        // begins again, and the other KPIs are not affected.
        if catch_unwind(AssertUnwindSafe(|| replay(parts, event))).is_err() {
            tracing::error!(%kpi, seq = event.seq, "scoring panicked in replay; the KPI warms up again");
            let fresh = KpiParts::whole(event.seq, self.fresh(kpi));
            self.kpis.insert(kpi.clone(), fresh);
            self.unreadable.insert(kpi.clone());
        }
    }
}

fn replay(parts: &mut KpiParts, event: &Event) {
    for (state, share) in parts.shares(event) {
        state.replay(&share);
        // As in live scoring: a shadow that panics ends alone.
        if state.shadow().is_some() {
            let bodies = std::slice::from_ref(&share.body);
            if catch_unwind(AssertUnwindSafe(|| state.observe(bodies))).is_err() {
                state.drop_shadow();
            }
        }
    }
}

/// A recovered KPI as followers see it.
pub fn view_of(state: &KpiState) -> KpiView {
    let series = state
        .series()
        .map(|series| {
            let view = SeriesView {
                last: series.last.copied(),
                features: series.features,
                status: series.status,
                looks_like: series.looks_like,
                late: series.late,
                anomaly: series.anomaly.cloned().map(Box::new),
                sensitivity: series.sensitivity,
                outside: None,
            };
            (series.labels.clone(), view)
        })
        .collect();
    KpiView { kpi: state.kpi().clone(), run: KpiRun::Running, series }
}

#[cfg(test)]
mod tests;
