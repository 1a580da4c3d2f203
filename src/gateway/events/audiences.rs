//! The audiences of live events: one for each workspace that is followed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::seat::{LiveEvents, Seat};
use crate::actors::hub::{Identity, Live};
use crate::gateway::audience::{Audience, Ticket};
use earcon_model::WorkspaceId;

/// The audiences of this node. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Audiences(Arc<Mutex<Table>>);

/// Each audience with the broadcast that it follows.
type Table = HashMap<WorkspaceId, (Identity, Audience<Seat>)>;

impl Audiences {
    /// Seats a follower of `live`. A workspace that restarted has a new broadcast, and so a new
    /// audience.
    pub(super) fn join(&self, workspace: &WorkspaceId, live: &Live, seat: Seat) -> Ticket<Seat> {
        let audience = {
            let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match table.get(workspace) {
                Some((identity, audience)) if identity.is_of(live) => audience.clone(),
                _ => {
                    let audience = Audience::default();
                    table.insert(workspace.clone(), (live.identity(), audience.clone()));
                    audience
                }
            }
        };
        audience.join(seat, || LiveEvents::new(live.clone()))
    }
}
