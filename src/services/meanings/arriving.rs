//! Units of requests under way. Anomalies of a request carry them before they are kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use earcon_model::{KpiName, Meaning, WorkspaceId};

/// Each unit with the number of requests that state one for its KPI. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Arriving(Arc<Mutex<Units>>);

type Units = HashMap<(WorkspaceId, KpiName), (String, usize)>;

impl Arriving {
    /// Notes the units of a request. Of two units for a KPI the first holds.
    pub(super) fn announce(&self, workspace: &WorkspaceId, stated: &[(KpiName, Meaning)]) -> Announced {
        let mut arriving = self.lock();
        let mut keys = Vec::new();
        for (kpi, meaning) in stated {
            if let Some(unit) = &meaning.unit {
                let key = (workspace.clone(), kpi.clone());
                arriving.entry(key.clone()).or_insert_with(|| (unit.clone(), 0)).1 += 1;
                keys.push(key);
            }
        }
        Announced { arriving: self.clone(), keys }
    }

    /// The unit that a request under way states.
    pub(super) fn unit(&self, workspace: &WorkspaceId, kpi: &KpiName) -> Option<String> {
        let arriving = self.lock();
        if arriving.is_empty() {
            return None;
        }
        arriving.get(&(workspace.clone(), kpi.clone())).map(|(unit, _)| unit.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Units> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the units of a request, until it is dropped.
pub struct Announced {
    arriving: Arriving,
    keys: Vec<(WorkspaceId, KpiName)>,
}

impl Drop for Announced {
    fn drop(&mut self) {
        let mut arriving = self.arriving.lock();
        for key in &self.keys {
            match arriving.get_mut(key) {
                Some((_, requests)) if *requests > 1 => *requests -= 1,
                _ => drop(arriving.remove(key)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_is_known_while_a_request_states_it() {
        let (arriving, workspace) = (Arriving::default(), WorkspaceId::new("w").unwrap());
        let kpi = KpiName::new("a").unwrap();
        let stated = |unit: &str| [(kpi.clone(), Meaning::new(unit, "").unwrap())];
        let first = arriving.announce(&workspace, &stated("ms"));
        let second = arriving.announce(&workspace, &stated("s"));
        assert_eq!(arriving.unit(&workspace, &kpi).as_deref(), Some("ms"));
        drop(first);
        assert_eq!(arriving.unit(&workspace, &kpi).as_deref(), Some("ms"));
        drop(second);
        assert_eq!(arriving.unit(&workspace, &kpi), None);
    }
}
