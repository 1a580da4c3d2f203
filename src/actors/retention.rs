//! Keeps log and history within their limits of age and size.
//!
//! **Owns** only its timer. The log is never cut above the events that a restart or a consumer
//! still needs: the recovery watermark and the history's cursor bound the cut. If they hold back a
//! limit, that is logged.

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef};

use super::context::Context;
use super::snapshotter::load_watermark;
use earcon_model::Seq;
use earcon_ports::PortError;
use earcon_tenancy::WorkspacePass;

/// It is time to enforce the limits.
struct Enforce;

/// Starts the retention actor of a workspace.
pub async fn start(context: Context, pass: WorkspacePass, supervisor: ActorCell) -> Result<(), ractor::SpawnErr> {
    let (_actor, _) = Actor::spawn_linked(None, Retention, State { context, pass }, supervisor).await?;
    Ok(())
}

struct Retention;

struct State {
    context: Context,
    pass: WorkspacePass,
}

impl Actor for Retention {
    type Msg = Enforce;
    type State = State;
    type Arguments = State;

    async fn pre_start(&self, myself: ActorRef<Enforce>, state: State) -> Result<State, ActorProcessingErr> {
        myself.send_interval(state.context.settings.retention.every, || Enforce);
        Ok(state)
    }

    async fn handle(
        &self,
        _myself: ActorRef<Enforce>,
        _: Enforce,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        if let Err(error) = enforce(&state.context, &state.pass).await {
            tracing::warn!(workspace = %state.pass.workspace(), %error, "retention failed; trying again later");
        }
        Ok(())
    }
}

/// Cuts log and history of a workspace to their limits, once.
pub async fn enforce(context: &Context, pass: &WorkspacePass) -> Result<(), PortError> {
    let settings = &context.settings.retention;
    let now_ms = context.wall.now_ms();
    let backends = &context.backends;
    let history = &backends.series_store;
    history.expire(pass, now_ms - settings.history_age.as_millis() as i64).await?;
    history.shrink(pass, settings.history_bytes).await?;

    let needed_from = load_watermark(backends, pass).await?.min(history.cursor(pass).await?) + 1;
    let wanted_from = wanted_log_start(context, pass, now_ms).await?;
    if wanted_from > needed_from {
        tracing::debug!(
            workspace = %pass.workspace(), wanted_from, needed_from,
            "the log is kept longer than its limits say, until snapshots and history have caught up"
        );
    }
    backends.event_log.trim(pass, wanted_from.min(needed_from)).await?;
    Ok(())
}

/// The first event to keep by age and by size.
async fn wanted_log_start(context: &Context, pass: &WorkspacePass, now_ms: i64) -> Result<Seq, PortError> {
    let settings = &context.settings.retention;
    let log = &context.backends.event_log;
    let by_age = log.seq_at(pass, now_ms - settings.log_age.as_millis() as i64).await?;
    let size = log.size_bytes(pass).await?;
    if size <= settings.log_bytes {
        return Ok(by_age);
    }
    // Events have about the same size over time: the share of bytes to drop is the share of events
    // to drop.
    let Some(head) = log.head(pass).await? else { return Ok(by_age) };
    let share = 1.0 - settings.log_bytes as f64 / size as f64;
    let by_size = head.first + ((head.next - head.first) as f64 * share).ceil() as Seq;
    Ok(by_age.max(by_size))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::actors::context::{Backends, Faults, RetentionSettings, Settings};
    use crate::actors::log_health::LogHealth;
    use crate::actors::supervision::RestartPolicy;
    use crate::services::meanings::MeaningService;
    use crate::services::mutes::MuteService;
    use earcon_adapters_embedded::{EmbeddedSettings, EmbeddedStore};
    use earcon_audio::MixSettings;
    use earcon_model::{Clock, Event, KpiEvent, KpiName, ManualClock, WorkspaceId};
    use earcon_ports::StoredBatch;
    use earcon_streams::StreamSettings;
    use earcon_tenancy::Authorizer;

    const HOUR_MS: i64 = 3_600_000;

    fn context(store: &EmbeddedStore, clock: Arc<ManualClock>) -> Context {
        let hour = Duration::from_secs(3_600);
        let retention = RetentionSettings {
            every: hour,
            log_age: hour,
            log_bytes: 1 << 30,
            history_age: 10 * hour,
            history_bytes: 1 << 30,
        };
        let settings = Settings {
            streams: Arc::new(StreamSettings::default()),
            streams_by_workspace: Default::default(),
            max_workspaces: 1,
            max_kpis: 1,
            max_in_flight_samples: 1,
            live_buffer: 16,
            snapshot_every: hour,
            flush_every: hour,
            retention,
            restart: RestartPolicy::default(),
            mix: MixSettings::default(),
            incidents: crate::incidents::IncidentSettings::default(),
            mix_linger: hour,
        };
        let backends = Backends {
            event_log: store.event_log(),
            series_store: store.series_store(),
            meta_store: store.meta_store(),
            snapshot_store: store.snapshot_store(),
            publisher: None,
        };
        let clock: Arc<dyn Clock> = clock;
        Context {
            meanings: MeaningService::new(backends.meta_store.clone()),
            mutes: MuteService::new(backends.meta_store.clone(), clock.clone()),
            backends,
            wall: clock.clone(),
            clock_health: Default::default(),
            series_budget: Default::default(),
            clock,
            settings: Arc::new(settings),
            authorizer: Authorizer::new(),
            placement: None,
            transport: None,
            log_health: LogHealth::default(),
            storage: Default::default(),
            snapshot_turns: Default::default(),
            faults: Faults::default(),
        }
    }

    /// One event an hour.
    fn events() -> Vec<Arc<Event>> {
        let kpi = KpiName::new("a").unwrap();
        let event = |seq| Event::new(seq, seq as i64 * HOUR_MS, kpi.clone(), KpiEvent::Resumed);
        (1..=5).map(|seq| Arc::new(event(seq))).collect()
    }

    #[tokio::test]
    async fn log_is_cut_by_age_but_keeps_events_still_needed() {
        let dir = tempfile::tempdir().unwrap();
        // Each event has a segment of its own, because retention removes whole segments.
        let settings = EmbeddedSettings { log_segment_age: Duration::from_secs(3_600), ..EmbeddedSettings::default() };
        let store = EmbeddedStore::open(dir.path(), &settings).unwrap();
        let clock = Arc::new(ManualClock::at(5 * HOUR_MS));
        let context = context(&store, clock);
        let pass = Authorizer::new().system(&WorkspaceId::new("local").unwrap());
        let log = &context.backends.event_log;
        log.open(&pass).await.unwrap();
        for event in events() {
            log.append(&pass, vec![event]).await.unwrap();
        }
        let first = async || log.open(&pass).await.unwrap().first;

        enforce(&context, &pass).await.unwrap();
        assert_eq!(first().await, 1, "neither history nor snapshots have read anything yet");

        let history = &context.backends.series_store;
        history.apply(&pass, StoredBatch { events: events() }).await.unwrap();
        history.flush(&pass).await.unwrap();
        enforce(&context, &pass).await.unwrap();
        assert_eq!(first().await, 1, "snapshots have not");

        let watermark = 3_u64.to_be_bytes().to_vec();
        context.backends.meta_store.put(&pass, "recovery/watermark", 0, watermark).await.unwrap();
        enforce(&context, &pass).await.unwrap();
        assert_eq!(first().await, 4, "everything a restart does not need, and that is too old");
    }
}
