//! From the view of the cluster to the next steps of this node.

use std::collections::BTreeMap;

use super::membership::{Heartbeat, Membership};
use super::placement::place;
use super::records::{NodeEpoch, NodeRecord, Ownership, Standing, Term};
use earcon_model::{WorkspaceId, WorkspaceKey};

/// A silent node stays listed for this long.
const FORGOTTEN_AFTER_MS: i64 = 600_000;

/// Something this node has to do for a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Become the owner, if the entry still has this revision.
    Claim(WorkspaceKey, u64),
    /// Open a workspace that it owns by the entry with this revision.
    Open(WorkspaceId, u64),
    /// Close in order, then hand the entry with this revision over.
    HandOver(WorkspaceKey, u64, Option<NodeEpoch>),
    /// Close at once: another node owns it, or has owned it meanwhile.
    StepDown(WorkspaceId),
    /// Delete all that the stores hold of a workspace, then say so in the entry with this revision.
    Erase(WorkspaceKey, u64),
}

impl Step {
    /// The workspace that the step is about.
    pub fn workspace(&self) -> &WorkspaceId {
        match self {
            Step::Open(id, _) | Step::StepDown(id) => id,
            Step::Claim(key, _) | Step::HandOver(key, _, _) | Step::Erase(key, _) => key.workspace(),
        }
    }
}

/// The state of a node, as this node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// Its heartbeats arrive.
    Alive,
    /// It is shutting down.
    Leaving,
    /// No heartbeats arrive.
    Silent,
}

/// A node, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeStatus {
    /// Its name.
    pub node: String,
    /// Its state.
    pub state: NodeState,
    /// Time since its last heartbeat, milliseconds.
    pub silent_ms: i64,
    /// How far its clock was ahead when that heartbeat arrived, milliseconds.
    pub clock_ms: i64,
    /// Its last heartbeat.
    pub record: NodeRecord,
}

/// The cluster as this node sees it.
#[derive(Debug, Clone)]
pub struct View {
    membership: Membership,
    /// Revision and owner by workspace; revision 0 if the table has no entry yet.
    owners: BTreeMap<WorkspaceId, (u64, Ownership)>,
    leaving: bool,
}

impl View {
    /// An empty cluster.
    pub fn new(me: NodeEpoch, lease_ms: i64) -> Self {
        Self { membership: Membership::new(me, lease_ms), owners: BTreeMap::new(), leaving: false }
    }

    /// The live nodes.
    pub fn membership(&mut self) -> &mut Membership {
        &mut self.membership
    }

    /// The table's entry of a workspace. An older revision than the known one is ignored.
    pub fn set_owner(&mut self, workspace: WorkspaceId, revision: u64, ownership: Ownership) {
        let known = self.owners.entry(workspace).or_insert((0, Ownership::live(None, ownership.generation)));
        if revision >= known.0 {
            *known = (revision, ownership);
        }
    }

    /// The entry was deleted.
    pub fn remove_workspace(&mut self, workspace: &WorkspaceId) {
        self.owners.remove(workspace);
    }

    /// A workspace of which the stores hold data, whether it has an entry or not. Returns whether
    /// that data is left over from a workspace that was deleted.
    pub fn add_workspace(&mut self, key: &WorkspaceKey) -> bool {
        let found = || (0, Ownership::live(None, key.generation()));
        let (revision, known) = self.owners.entry(key.workspace().clone()).or_insert_with(found);
        if *revision == 0 {
            // Without a table, the latest generation counts.
            known.generation = known.generation.max(key.generation());
        }
        let is_deleted = known.standing == Standing::Deleted && known.generation == key.generation();
        is_deleted || key.generation() < known.generation
    }

    /// This node is shutting down: it gives every workspace away and accepts none.
    pub fn leave(&mut self) {
        self.leaving = true;
    }

    /// Whether this node is shutting down.
    pub fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// The workspaces there are.
    pub fn workspaces(&self) -> impl Iterator<Item = &WorkspaceId> {
        let live = |ownership: &Ownership| ownership.standing == Standing::Live;
        self.owners.iter().filter(move |(_, (_, ownership))| live(ownership)).map(|(workspace, _)| workspace)
    }

    /// The entry of the workspace and its revision, which is 0 if the table has none yet.
    pub fn entry(&self, workspace: &WorkspaceId) -> Option<&(u64, Ownership)> {
        self.owners.get(workspace)
    }

    /// Whether there is such a workspace.
    pub fn knows(&self, workspace: &WorkspaceId) -> bool {
        self.live_entry(workspace).is_some()
    }

    /// The entry of a workspace that exists.
    fn live_entry(&self, workspace: &WorkspaceId) -> Option<&(u64, Ownership)> {
        self.owners.get(workspace).filter(|(_, ownership)| ownership.standing == Standing::Live)
    }

    /// The owner of the workspace in the table, alive or not.
    pub fn owner(&self, workspace: &WorkspaceId) -> Option<&NodeEpoch> {
        self.live_entry(workspace)?.1.owner.as_ref()
    }

    /// The present term of the workspace, if it has an owner.
    pub fn term(&self, workspace: &WorkspaceId) -> Option<Term> {
        let (revision, ownership) = self.live_entry(workspace)?;
        Some(Term { owner: ownership.owner.clone()?, revision: *revision })
    }

    /// Whether this node owns the workspace in the table.
    pub fn is_mine(&self, workspace: &WorkspaceId) -> bool {
        self.owner(workspace) == Some(self.membership.me())
    }

    /// How many nodes are alive, this one included.
    pub fn alive(&self, now_ms: i64) -> usize {
        self.membership.all(now_ms).filter(|(_, _, alive)| *alive).count()
    }

    /// Nodes that have been silent for so long that they need not be listed any more.
    pub fn long_gone(&self, now_ms: i64) -> Vec<String> {
        if !self.membership.is_steady(now_ms) {
            return Vec::new();
        }
        let gone = |(node, heartbeat, alive): (&str, &Heartbeat, bool)| {
            (!alive && now_ms - heartbeat.at_ms > FORGOTTEN_AFTER_MS).then(|| node.to_owned())
        };
        self.membership.all(now_ms).filter_map(gone).collect()
    }

    /// The nodes, for people.
    pub fn nodes(&self, now_ms: i64) -> Vec<NodeStatus> {
        self.membership
            .all(now_ms)
            .map(|(node, heartbeat, alive)| NodeStatus {
                node: node.to_owned(),
                state: match (alive, heartbeat.record.leaving) {
                    (false, _) => NodeState::Silent,
                    (true, true) => NodeState::Leaving,
                    (true, false) => NodeState::Alive,
                },
                silent_ms: now_ms - heartbeat.at_ms,
                clock_ms: heartbeat.clock_ms,
                record: heartbeat.record.clone(),
            })
            .collect()
    }

    /// The node for a workspace without an owner.
    pub fn node_for_new(&self, workspace: &WorkspaceId, now_ms: i64) -> Option<NodeEpoch> {
        let mut owners = self.live_owners(now_ms);
        owners.entry(workspace.clone()).or_insert(None);
        let candidates = self.candidates(now_ms);
        let node = place(&owners, candidates.keys().copied()).remove(workspace)?;
        candidates.get(node).cloned()
    }

    /// The next steps of this node, given the workspaces it has open and the revisions of the
    /// entries by which it opened them.
    pub fn steps(&self, open: &BTreeMap<WorkspaceId, u64>, now_ms: i64) -> Vec<Step> {
        let mut steps = Vec::new();
        for (workspace, revision) in open {
            // Another node may have owned it in between, and have given it back.
            let is_kept = |term: Term| term.owner == *self.membership.me() && term.revision == *revision;
            let goes = self.entry(workspace).is_some_and(|(_, ownership)| ownership.standing != Standing::Live);
            if goes || self.term(workspace).is_some_and(|term| !is_kept(term)) {
                steps.push(Step::StepDown(workspace.clone()));
            }
        }
        // A node that does not see its own heartbeats must not declare others dead.
        if !self.membership.is_steady(now_ms) {
            return steps;
        }
        let candidates = self.candidates(now_ms);
        let homes = place(&self.live_owners(now_ms), candidates.keys().copied());
        let me = self.membership.me();
        for (workspace, (revision, ownership)) in &self.owners {
            let home = homes.get(workspace).and_then(|node| candidates.get(*node));
            let mine = ownership.owner.as_ref() == Some(me);
            let key = || WorkspaceKey::new(workspace.clone(), ownership.generation);
            let orphaned = ownership.owner.as_ref().is_none_or(|owner| !self.membership.is_alive(owner, now_ms));
            if ownership.standing != Standing::Live {
                // The owner has closed it before. If it is dead, another node goes on.
                let is_due = ownership.standing == Standing::Deleting && !open.contains_key(workspace);
                if is_due && (mine || orphaned && home == Some(me)) {
                    steps.push(Step::Erase(key(), *revision));
                }
                continue;
            }
            match home {
                Some(home) if mine && home != me => {
                    steps.push(Step::HandOver(key(), *revision, Some(home.clone())));
                }
                None if mine && self.leaving => steps.push(Step::HandOver(key(), *revision, None)),
                _ if mine && !open.contains_key(workspace) => steps.push(Step::Open(workspace.clone(), *revision)),
                Some(home) if orphaned && !mine && home == me => steps.push(Step::Claim(key(), *revision)),
                _ => {}
            }
        }
        steps
    }

    fn candidates(&self, now_ms: i64) -> BTreeMap<&str, NodeEpoch> {
        let mut candidates = self.membership.candidates(now_ms);
        if self.leaving {
            candidates.remove(self.membership.me().node.as_str());
        }
        candidates
    }

    fn live_owners(&self, now_ms: i64) -> BTreeMap<WorkspaceId, Option<&str>> {
        let live_owner = |ownership: &'_ Ownership| {
            ownership.owner.as_ref().is_some_and(|owner| self.membership.is_alive(owner, now_ms))
        };
        self.owners
            .iter()
            .filter(|(_, (_, ownership))| ownership.standing != Standing::Deleted)
            .map(|(workspace, (_, ownership))| {
                let owner = ownership.owner.as_ref().filter(|_| live_owner(ownership));
                (workspace.clone(), owner.map(|owner| owner.node.as_str()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
