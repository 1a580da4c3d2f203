//! Where the samples of a KPI go. Published by the supervisor, read by the door for every batch.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::actors::stream::StreamHandle;
use crate::model::KpiName;

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
pub struct Routes(RwLock<HashMap<KpiName, Route>>);

impl Routes {
    /// How to reach this KPI.
    pub fn find(&self, kpi: &KpiName) -> Option<Route> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(kpi).cloned()
    }

    /// Those of `kpis` that have no route yet.
    pub fn unknown<'a>(&self, kpis: impl Iterator<Item = &'a KpiName>) -> Vec<KpiName> {
        let routes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        kpis.filter(|kpi| !routes.contains_key(*kpi)).cloned().collect()
    }

    /// How many KPIs are known.
    pub fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether no KPI is known.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn set(&self, kpi: KpiName, route: Route) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(kpi, route);
    }

    /// Removes all routes; returns the streams that were running.
    pub(super) fn close(&self) -> Vec<StreamHandle> {
        let routes = std::mem::take(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner));
        routes
            .into_values()
            .filter_map(|route| match route {
                Route::Running(stream) => Some(stream),
                Route::Restarting | Route::Parked(_) => None,
            })
            .collect()
    }
}
