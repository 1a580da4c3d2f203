//! Messages of the hub, and the handle that sends them.

use std::sync::{Arc, Mutex, PoisonError};

use ractor::ActorRef;
use tokio::sync::broadcast;

use super::batch::EventBatch;
use crate::actors::ask::{self, Reply, ask};
use crate::live::KpiView;
use earcon_model::{Anomaly, AnomalyId, Event, Incident, IncidentId, KpiName, Seq};
use earcon_ports::Epochs;

/// What a new follower gets: the state after event `seq`, and every later batch.
pub struct Subscription {
    /// The newest event the view includes; the first batch received begins right behind it.
    pub seq: Seq,
    /// The epochs of the log, up to that event at least.
    pub epochs: Arc<Epochs>,
    /// All KPIs, shared.
    pub kpis: Vec<Arc<KpiView>>,
    /// The open incidents, shared.
    pub incidents: Vec<Arc<Incident>>,
    /// Later batches; `Lagged` if the follower is too slow, `Closed` if the workspace closes.
    pub batches: broadcast::Receiver<Arc<EventBatch>>,
}

pub(super) enum Message {
    Committed(Vec<Arc<Event>>),
    Subscribe(Reply<Subscription>),
    View(Reply<(Seq, Vec<Arc<KpiView>>)>),
    Kpi(KpiName, Reply<Option<Arc<KpiView>>>),
    OpenAnomaly(AnomalyId, Reply<Option<Anomaly>>),
    Incidents(Reply<Vec<Arc<Incident>>>),
    OpenIncident(IncidentId, Reply<Option<Arc<Incident>>>),
    Followers(Reply<usize>),
}

/// The epochs of the log. Those of a mirror grow while it follows.
#[derive(Clone)]
pub(super) struct SharedEpochs(Arc<Mutex<Arc<Epochs>>>);

impl SharedEpochs {
    pub(super) fn new(epochs: Epochs) -> Self {
        Self(Arc::new(Mutex::new(Arc::new(epochs))))
    }

    pub(super) fn get(&self) -> Arc<Epochs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, epochs: Epochs) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(epochs);
    }
}

/// A handle to the hub. Its queries return `None` if the workspace is closing.
#[derive(Clone)]
pub struct Hub {
    actor: ActorRef<Message>,
    epochs: SharedEpochs,
}

impl Hub {
    pub(super) fn new(actor: ActorRef<Message>, epochs: SharedEpochs) -> Self {
        Self { actor, epochs }
    }

    /// The epochs of the log whose events are broadcast.
    pub fn epochs(&self) -> Arc<Epochs> {
        self.epochs.get()
    }

    /// Sets the epochs, before events of a later epoch are broadcast. The history up to the newest
    /// event must be the same.
    pub fn continue_in(&self, epochs: Epochs) {
        self.epochs.set(epochs);
    }

    /// Broadcasts events that the log holds.
    pub fn committed(&self, events: Vec<Arc<Event>>) {
        ask::send(&self.actor, Message::Committed(events));
    }

    /// Follows the workspace from its present state on.
    pub async fn subscribe(&self) -> Option<Subscription> {
        ask(&self.actor, Message::Subscribe).await
    }

    /// The newest event and all KPIs after it.
    pub async fn view(&self) -> Option<(Seq, Vec<Arc<KpiView>>)> {
        ask(&self.actor, Message::View).await
    }

    /// One KPI.
    pub async fn kpi(&self, kpi: KpiName) -> Option<Option<Arc<KpiView>>> {
        ask(&self.actor, |reply| Message::Kpi(kpi, reply)).await
    }

    /// An anomaly that is open now.
    pub async fn open_anomaly(&self, id: AnomalyId) -> Option<Option<Anomaly>> {
        ask(&self.actor, |reply| Message::OpenAnomaly(id, reply)).await
    }

    /// The open incidents.
    pub async fn incidents(&self) -> Option<Vec<Arc<Incident>>> {
        ask(&self.actor, Message::Incidents).await
    }

    /// An incident that is open now.
    pub async fn open_incident(&self, id: IncidentId) -> Option<Option<Arc<Incident>>> {
        ask(&self.actor, |reply| Message::OpenIncident(id, reply)).await
    }

    /// How many follow live.
    pub async fn followers(&self) -> Option<usize> {
        ask(&self.actor, Message::Followers).await
    }

    /// Stops the hub; followers see the end of the broadcast.
    pub async fn stop(&self) {
        ask::stop(&self.actor).await;
    }
}
