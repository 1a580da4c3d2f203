//! Decides which node owns which workspace. Pure: the same view of the cluster leads every node to
//! the same decisions; watching, writing and opening happen in `actors::cluster`.
//!
//! The log itself keeps two nodes from writing it: it refuses all but the last that opened it. So a
//! decision may be wrong for a moment without harm; it only has to become right.

mod membership;
mod placement;
mod records;
mod steps;

pub use membership::{Heartbeat, Membership};
pub use placement::place;
pub use records::{Key, NodeEpoch, NodeRecord, Ownership, Standing, Term};
pub use steps::{NodeState, NodeStatus, Step, View};
