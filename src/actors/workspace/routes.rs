//! Where the samples of a KPI go. Published by the supervisor, read by the door for every batch.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::actors::stream::StreamHandle;
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
}

/// The routes of a workspace. Locks are held for a look-up, never across an await.
#[derive(Default)]
pub struct Routes {
    table: RwLock<HashMap<KpiName, Route>>,
    closed: AtomicBool,
}

impl Routes {
    /// How to reach this KPI.
    pub fn find(&self, kpi: &KpiName) -> Option<Route> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).get(kpi).cloned()
    }

    /// Those of `kpis` that have no route yet.
    pub fn unknown<'a>(&self, kpis: impl Iterator<Item = &'a KpiName>) -> Vec<KpiName> {
        let routes = self.table.read().unwrap_or_else(PoisonError::into_inner);
        kpis.filter(|kpi| !routes.contains_key(*kpi)).cloned().collect()
    }

    /// All KPIs, however they are; none once the workspace is closed.
    pub(in crate::actors) fn names(&self) -> Vec<KpiName> {
        self.table.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// The KPIs whose streams run.
    pub(in crate::actors) fn running(&self) -> Vec<(KpiName, StreamHandle)> {
        let routes = self.table.read().unwrap_or_else(PoisonError::into_inner);
        let running = |(kpi, route): (&KpiName, &Route)| match route {
            Route::Running(stream) => Some((kpi.clone(), stream.clone())),
            Route::Restarting | Route::Parked(_) => None,
        };
        routes.iter().filter_map(running).collect()
    }

    /// How many KPIs are known.
    pub fn len(&self) -> usize {
        self.table.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether no KPI is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn set(&self, kpi: KpiName, route: Route) {
        self.table.write().unwrap_or_else(PoisonError::into_inner).insert(kpi, route);
    }

    /// Whether the workspace is closing or closed: nothing is taken any more.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Closes the workspace's door at once, for a workspace that another node owns now.
    pub(in crate::actors) fn shut(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Removes all routes; returns the streams that were running.
    pub(super) fn close(&self) -> Vec<StreamHandle> {
        self.shut();
        let routes = std::mem::take(&mut *self.table.write().unwrap_or_else(PoisonError::into_inner));
        routes
            .into_values()
            .filter_map(|route| match route {
                Route::Running(stream) => Some(stream),
                Route::Restarting | Route::Parked(_) => None,
            })
            .collect()
    }
}
