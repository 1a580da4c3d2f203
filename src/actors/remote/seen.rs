//! How far the logs of other nodes' workspaces were when this node last looked. A batch that is
//! sent now can only be in events after that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use earcon_model::{Seq, WorkspaceKey};
use earcon_ports::EventLog;
use earcon_tenancy::WorkspacePass;

/// Time limit of the first look. A batch must not wait longer for it.
const LOOK_WITHIN: Duration = Duration::from_secs(1);

/// A committed event of each workspace that other nodes own. Cheap to clone.
#[derive(Clone, Default)]
pub struct SeenHeads(Arc<Mutex<HashMap<WorkspaceKey, Seq>>>);

impl SeenHeads {
    /// A committed event, or 0. Asks the log if there was no receipt yet; `None` if it does not
    /// answer.
    pub(super) async fn head(&self, pass: &WorkspacePass, log: &dyn EventLog) -> Option<Seq> {
        let known = self.table().get(pass.key()).copied();
        if known.is_some() {
            return known;
        }
        let head = timeout(LOOK_WITHIN, log.head(pass)).await.ok()?.ok()?;
        let seq = head.map_or(0, |head| head.next.saturating_sub(1));
        self.saw(pass.key(), seq);
        Some(seq)
    }

    /// This event is committed. If it is older than the last one, more of the log is searched.
    pub(super) fn saw(&self, workspace: &WorkspaceKey, seq: Seq) {
        self.table().insert(workspace.clone(), seq);
    }

    fn table(&self) -> MutexGuard<'_, HashMap<WorkspaceKey, Seq>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
