//! Starts the actors of this node.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::backends::{self, Opened};
use super::error::StartError;
use super::memory;
use super::overrides::Overrides;
use super::settings::actor_settings;
use crate::actors::cluster::controller;
use crate::actors::cluster::handle::Cluster;
use crate::actors::context::{Context, Placement};
use crate::actors::directory::Directory;
use crate::actors::log_health::LogHealth;
use crate::actors::node::{self, Node};
use crate::actors::series_budget::SeriesBudget;
use crate::actors::snapshot_turns::SnapshotTurns;
use crate::config::Config;
use crate::services::clock_health::ClockHealth;
use crate::services::meanings::MeaningService;
use crate::services::mutes::MuteService;
use crate::services::storage_health::StorageHealth;
use earcon_tenancy::Authorizer;

/// The running actors.
pub(super) struct Started {
    pub(super) node: Node,
    pub(super) directory: Directory,
    pub(super) member: Option<Member>,
    pub(super) context: Context,
}

/// This node's part in the cluster, and its controller.
pub(super) type Member = (Cluster, JoinHandle<()>);

/// Starts the actors, and joins the cluster if one is configured.
pub(super) async fn start(
    config: &Config,
    overrides: Overrides,
    opened: &Opened,
    authorizer: Authorizer,
) -> Result<Started, StartError> {
    let settings = Arc::new(actor_settings(config, overrides.restart).map_err(StartError::Settings)?);
    let clock = overrides.clock;
    let args = backends::cluster(config, opened, clock.clone(), authorizer.clone()).await.map_err(StartError::Nats)?;
    let transport = args.as_ref().map(|args| args.transport.clone());
    let cluster = args.map(|args| (Cluster::new(&args), args));
    let placement = cluster.as_ref().map(|((cluster, _), _)| Arc::new(cluster.clone()) as Arc<dyn Placement>);
    let context = Context {
        meanings: MeaningService::new(opened.backends.meta_store.clone()),
        mutes: MuteService::new(opened.backends.meta_store.clone(), clock.clone()),
        backends: opened.backends.clone(),
        wall: clock.clone(),
        clock_health: ClockHealth::default(),
        series_budget: SeriesBudget::new(memory::series_limits(&config.limits)),
        clock,
        settings,
        authorizer,
        placement,
        transport,
        log_health: LogHealth::default(),
        storage: StorageHealth::default(),
        snapshot_turns: SnapshotTurns::default(),
        faults: overrides.faults,
    };
    let node = node::actor::start(context.clone()).await?;
    let (directory, member) = match (cluster, &opened.shared_log) {
        (Some(((cluster, inbox), args)), Some(log)) => {
            let controller = controller::join(&cluster, inbox, args, node.clone()).await.map_err(StartError::Nats)?;
            let directory = Directory::clustered(node.clone(), cluster.clone(), log.clone(), &context);
            (directory, Some((cluster, controller)))
        }
        _ => (Directory::local(node.clone(), &context), None),
    };
    Ok(Started { node, directory, member, context })
}
