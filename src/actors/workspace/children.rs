//! Starts the children of a workspace, except its streams.

use std::sync::Arc;

use ractor::{ActorCell, SpawnErr};

use super::handle::Children;
use crate::actors::consumer::{self, Consumer, FanOut, History};
use crate::actors::context::Context;
use crate::actors::hub::{self, Hub};
use crate::actors::incidents::{self, actor::IncidentsArgs};
use crate::actors::log_writer::{self, actor::LogWriterArgs};
use crate::actors::recovery::{Recovered, view_of};
use crate::actors::routes::Routes;
use crate::actors::{experiments, mix, retention, snapshotter};
use crate::live::LiveView;
use earcon_model::Seq;
use earcon_tenancy::WorkspacePass;

/// What each child is started with.
pub(super) struct ChildStarter<'a> {
    pub(super) context: &'a Context,
    pub(super) pass: &'a WorkspacePass,
    pub(super) supervisor: ActorCell,
}

impl ChildStarter<'_> {
    pub(super) async fn start_all(&self, recovered: &Recovered, routes: &Arc<Routes>) -> Result<Children, SpawnErr> {
        let newest = recovered.head.next - 1;
        let hub = self.hub(recovered).await?;
        let (context, pass, supervisor) = self.parts();
        let snapshotter = snapshotter::actor::start(context, pass, recovered.unrecorded.clone(), supervisor).await?;
        let (context, pass, supervisor) = self.parts();
        let (next, unsaved) = (recovered.head.next, recovered.unsaved.clone());
        let args = LogWriterArgs { context, pass, next, unsaved, hub: hub.clone(), snapshotter: snapshotter.clone() };
        let log = log_writer::actor::start(args, supervisor).await?;
        let history = self.consumer(History(self.context.backends.series_store.clone()), &hub).await?;
        let fan_out = self.fan_out(&hub, newest).await?;
        let (context, pass, supervisor) = self.parts();
        let args =
            IncidentsArgs { context, pass, engine: recovered.incidents.clone(), log: log.clone(), hub: hub.clone() };
        let incidents = incidents::actor::start(args, supervisor).await?;
        let (context, pass, supervisor) = self.parts();
        retention::start(context, pass, supervisor).await?;
        let (context, pass, supervisor) = self.parts();
        let mix = mix::actor::start(context, pass, hub.clone(), supervisor).await?;
        let (context, pass, supervisor) = self.parts();
        let plan = recovered.plan.clone();
        let experiments = experiments::actor::start(context, pass, routes.clone(), plan, supervisor).await?;
        Ok(Children { log, hub, snapshotter, history, fan_out, incidents, mix, experiments })
    }

    fn parts(&self) -> (Context, WorkspacePass, ActorCell) {
        (self.context.clone(), self.pass.clone(), self.supervisor.clone())
    }

    async fn hub(&self, recovered: &Recovered) -> Result<Hub, SpawnErr> {
        let head = &recovered.head;
        let kpis = recovered.kpis.values().map(view_of);
        let view = LiveView::new(head.next - 1, kpis).with_incidents(recovered.incidents.open());
        let buffer = self.context.settings.live_buffer;
        let workspace = self.pass.workspace().clone();
        hub::actor::start(workspace, head.epochs.clone(), view, buffer, self.supervisor.clone()).await
    }

    async fn fan_out(&self, hub: &Hub, newest: Seq) -> Result<Option<Consumer>, SpawnErr> {
        let Some(publisher) = &self.context.backends.publisher else { return Ok(None) };
        let meta_store = self.context.backends.meta_store.clone();
        let handler = FanOut::new(publisher.clone(), meta_store, hub.epochs(), newest);
        self.consumer(handler, hub).await.map(Some)
    }

    async fn consumer<H: consumer::Handler>(&self, handler: H, hub: &Hub) -> Result<Consumer, SpawnErr> {
        let (context, pass, supervisor) = self.parts();
        consumer::actor::start(handler, context, pass, hub.clone(), supervisor).await
    }
}
