//! Who owns which workspace, decided. Pure: the same view of the cluster leads every node to the same decisions; watching,
//! writing and opening happen in `actors::cluster`.
//!
//! What keeps two nodes from writing one log is the log itself, which refuses all but the last that opened it. What is decided
//! here may therefore be wrong for a moment without harm; it only has to become right.

mod membership;
mod placement;
mod records;
mod steps;

pub use membership::{Heard, Membership};
pub use placement::place;
pub use records::{Key, NodeEpoch, NodeRecord, Ownership};
pub use steps::{NodeState, NodeStatus, Step, View};
