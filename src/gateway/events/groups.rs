//! The connection groups of live events: one for each workspace that is followed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::member::{LiveEvents, Member};
use crate::actors::hub::{Identity, Live};
use crate::gateway::connection_group::{ConnectionGroup, Membership};
use earcon_model::WorkspaceId;

/// The connection groups of this node. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct FollowerGroups(Arc<Mutex<Table>>);

/// Each group with the broadcast that it follows.
type Table = HashMap<WorkspaceId, (Identity, ConnectionGroup<Member>)>;

impl FollowerGroups {
    /// Seats a follower of `live`. A workspace that restarted has a new broadcast, and so a new
    /// group.
    pub(super) fn join(&self, workspace: &WorkspaceId, live: &Live, member: Member) -> Membership<Member> {
        let group = {
            let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match table.get(workspace) {
                Some((identity, group)) if identity.is_of(live) => group.clone(),
                _ => {
                    let group = ConnectionGroup::default();
                    table.insert(workspace.clone(), (live.identity(), group.clone()));
                    group
                }
            }
        };
        group.join(member, || LiveEvents::new(live.clone()))
    }
}
