//! Builds the gateway and starts its listeners besides HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use super::backends::Opened;
use super::error::StartError;
use super::settings::{limits, statsd_settings};
use crate::actors::context::Context;
use crate::actors::directory::Directory;
use crate::config::Config;
use crate::gateway::{self, Gateway, NatsGateway, NatsServices, Parts, StatsdGateway};
use crate::services::anomalies::AnomalyService;
use crate::services::detectors::DetectorService;
use crate::services::incidents::IncidentRecords;
use crate::services::local_time::LocalTimes;
use crate::services::rules::RuleService;
use earcon_accounts::Accounts;

/// Builds the gateway for an address.
///
/// # Errors
/// When a name of the server is none.
pub(super) fn build(
    config: &Config,
    context: &Context,
    address: SocketAddr,
    (directory, accounts): (Directory, Accounts),
    metrics: PrometheusHandle,
    shutdown: watch::Receiver<bool>,
) -> Result<Gateway, StartError> {
    let Context { backends, clock, clock_health, settings, mutes, meanings, storage, .. } = context;
    let (meta, history) = (&backends.meta_store, &backends.series_store);
    let zones = &config.streams.time_zones;
    let local_times = LocalTimes::new(zones.usual.clone(), zones.of.clone());
    let wake = Arc::new(directory.clone());
    Ok(Gateway::new(Parts {
        directory,
        event_log: backends.event_log.clone(),
        detectors: DetectorService::new(meta.clone(), settings.streams.clone(), clock.clone(), wake),
        incidents: IncidentRecords::new(meta.clone()),
        rules: RuleService::new(meta.clone(), config.ingest.known_series),
        anomalies: AnomalyService::new(history.clone(), mutes.clone(), local_times, clock.clone()),
        series_store: history.clone(),
        clock: clock.clone(),
        clock_health: clock_health.clone(),
        mutes: mutes.clone(),
        meanings: meanings.clone(),
        storage: storage.clone(),
        accounts,
        access: context.authorizer.clone(),
        creators: config.workspaces.create,
        limits: limits(config, address, settings.streams.clone())?,
        metrics,
        shutdown,
    }))
}

/// Starts the listeners on NATS, if NATS is configured.
pub(super) async fn start_nats(
    config: &Config,
    gateway: &Gateway,
    opened: &Opened,
) -> Result<Option<NatsGateway>, StartError> {
    let (Some(nats), Some(client)) = (&config.nats, &opened.nats) else { return Ok(None) };
    let services = NatsServices { ingest: nats.ingest, sound: opened.publisher.clone() };
    NatsGateway::start(gateway, client.clone(), services).await.map(Some).map_err(StartError::Nats)
}

/// Starts the StatsD listener, if StatsD is configured.
pub(super) async fn start_statsd(config: &Config, gateway: &Gateway) -> Result<Option<StatsdGateway>, StartError> {
    let Some(settings) = &config.statsd else { return Ok(None) };
    let failed = |source| StartError::Statsd { address: settings.listen, source };
    gateway::start_statsd(gateway, &statsd_settings(settings)).await.map(Some).map_err(failed)
}
