//! How the stream of each KPI can be reached. The workspace supervisor publishes the routes;
//! admission reads them for each batch.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::stream::StreamHandle;
use earcon_model::KpiName;

/// How a KPI can be reached.
#[derive(Clone)]
pub enum Route {
    /// Its stream takes samples.
    Running(StreamHandle),
    /// Its stream failed and is being recovered.
    Restarting,
    /// Its stream failed too often; the last reason.
    Parked(String),
    /// It is new and was not started, with the reason. No table holds such a route.
    Refused(String),
}

impl Route {
    fn running(self) -> Option<StreamHandle> {
        match self {
            Route::Running(stream) => Some(stream),
            Route::Restarting | Route::Parked(_) | Route::Refused(_) => None,
        }
    }
}

/// The routes of a workspace. Locks are held for a look-up, never across an await.
#[derive(Default)]
pub struct Routes {
    table: RwLock<HashMap<KpiName, Route>>,
    closed: AtomicBool,
}

impl Routes {
    /// The route of a KPI.
    pub fn find(&self, kpi: &KpiName) -> Option<Route> {
        self.read().get(kpi).cloned()
    }

    /// The route of each KPI, in the order given.
    pub(super) fn find_all<'a>(&self, kpis: impl Iterator<Item = &'a KpiName>) -> Vec<Option<Route>> {
        let table = self.read();
        kpis.map(|kpi| table.get(kpi).cloned()).collect()
    }

    /// All KPIs, whatever their routes; none if the workspace is closed.
    pub(super) fn names(&self) -> Vec<KpiName> {
        self.read().keys().cloned().collect()
    }

    /// The KPIs whose streams run.
    pub(super) fn running(&self) -> Vec<(KpiName, StreamHandle)> {
        let running = |(kpi, route): (&KpiName, &Route)| Some((kpi.clone(), route.clone().running()?));
        self.read().iter().filter_map(running).collect()
    }

    /// How many KPIs are known.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether no KPI is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn set(&self, kpi: KpiName, route: Route) {
        self.write().insert(kpi, route);
    }

    pub(super) fn remove(&self, kpi: &KpiName) {
        self.write().remove(kpi);
    }

    /// Whether the workspace is closing or closed: no samples are admitted any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Stops admission at once, for a workspace that another node owns now.
    pub(super) fn shut(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Removes all routes; returns the streams that were running.
    pub(super) fn close(&self) -> Vec<StreamHandle> {
        self.shut();
        let routes = std::mem::take(&mut *self.write());
        routes.into_values().filter_map(Route::running).collect()
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<KpiName, Route>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<KpiName, Route>> {
        self.table.write().unwrap_or_else(PoisonError::into_inner)
    }
}
