//! Which nodes are alive, by the heartbeats that this node sees. No clock of another machine is
//! trusted: a node is alive as long as its heartbeats arrive here, measured by the monotonic clock
//! here.
//!
//! A node that sees no heartbeats may itself be cut off. So it also watches for its own heartbeats,
//! and counts the silence of others only while it sees its own.

use std::collections::BTreeMap;

use super::records::{NodeEpoch, NodeRecord};

/// The nodes whose heartbeats this node has seen.
#[derive(Debug, Clone)]
pub struct Membership {
    me: NodeEpoch,
    lease_ms: i64,
    heartbeats: BTreeMap<String, Heartbeat>,
    /// When this node last saw its own heartbeat.
    own_ms: Option<i64>,
    /// Since when it has seen its own heartbeats without a break.
    steady_since_ms: Option<i64>,
}

/// The last heartbeat of a node.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    /// Its content.
    pub record: NodeRecord,
    /// When it arrived here, monotonic.
    pub at_ms: i64,
    /// How far its wall clock was ahead of the one here, milliseconds.
    pub clock_ms: i64,
}

impl Membership {
    /// No heartbeats yet. A node without heartbeats for `lease_ms` is dead.
    pub fn new(me: NodeEpoch, lease_ms: i64) -> Self {
        Self { me, lease_ms, heartbeats: BTreeMap::new(), own_ms: None, steady_since_ms: None }
    }

    /// This node.
    pub fn me(&self) -> &NodeEpoch {
        &self.me
    }

    /// A heartbeat arrived at `now_ms`, monotonic, when the wall clock here said `wall_ms`.
    pub fn record_heartbeat(&mut self, node: &str, record: NodeRecord, now_ms: i64, wall_ms: i64) {
        if node == self.me.node && record.epoch == self.me.epoch {
            if !self.is_steady(now_ms) {
                self.steady_since_ms = Some(now_ms);
            }
            self.own_ms = Some(now_ms);
        }
        let clock_ms = record.written_ms - wall_ms;
        self.heartbeats.insert(node.to_owned(), Heartbeat { record, at_ms: now_ms, clock_ms });
    }

    /// The node has left.
    pub fn remove(&mut self, node: &str) {
        self.heartbeats.remove(node);
    }

    /// Whether this node sees its own heartbeats. Only then it may declare others dead.
    pub fn is_steady(&self, now_ms: i64) -> bool {
        self.own_ms.is_some_and(|own| now_ms - own <= self.lease_ms)
    }

    /// How long this node has not seen its own heartbeat, milliseconds. `None` if it has seen none.
    pub fn unseen_ms(&self, now_ms: i64) -> Option<i64> {
        self.own_ms.map(|own| now_ms - own)
    }

    /// Whether this epoch of a node is alive.
    pub fn is_alive(&self, node: &NodeEpoch, now_ms: i64) -> bool {
        self.heartbeats
            .get(&node.node)
            .is_some_and(|heartbeat| heartbeat.record.epoch == node.epoch && self.is_fresh(heartbeat, now_ms))
    }

    /// The nodes that are alive and accept workspaces.
    pub fn candidates(&self, now_ms: i64) -> BTreeMap<&str, NodeEpoch> {
        self.heartbeats
            .iter()
            .filter(|(_, heartbeat)| self.is_fresh(heartbeat, now_ms) && !heartbeat.record.leaving)
            .map(|(node, heartbeat)| {
                (node.as_str(), NodeEpoch { node: node.clone(), epoch: heartbeat.record.epoch.clone() })
            })
            .collect()
    }

    /// All nodes with a heartbeat, and whether each counts as alive.
    pub fn all(&self, now_ms: i64) -> impl Iterator<Item = (&str, &Heartbeat, bool)> {
        self.heartbeats
            .iter()
            .map(move |(node, heartbeat)| (node.as_str(), heartbeat, self.is_fresh(heartbeat, now_ms)))
    }

    fn is_fresh(&self, heartbeat: &Heartbeat, now_ms: i64) -> bool {
        // If all were cut off, they come back one after the other: the first one back gives the
        // others one more lease.
        let counted_from =
            self.steady_since_ms.map_or(heartbeat.at_ms, |since| (since + self.lease_ms).max(heartbeat.at_ms));
        !self.is_steady(now_ms) || now_ms - counted_from <= self.lease_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epoch(node: &str, epoch: &str) -> NodeEpoch {
        NodeEpoch { node: node.into(), epoch: epoch.into() }
    }

    fn record(epoch: &str) -> NodeRecord {
        NodeRecord { epoch: epoch.into(), started_ms: 0, written_ms: 0, version: String::new(), leaving: false }
    }

    fn names(members: &Membership, now_ms: i64) -> Vec<String> {
        members.candidates(now_ms).keys().map(ToString::to_string).collect()
    }

    #[test]
    fn a_silent_node_dies_after_its_lease() {
        let mut members = Membership::new(epoch("a", "1"), 3_000);
        for now in (0..10_000).step_by(500) {
            members.record_heartbeat("a", record("1"), now, 0);
            if now <= 4_000 {
                members.record_heartbeat("b", record("7"), now, 0);
            }
        }
        assert!(members.is_alive(&epoch("b", "7"), 7_000));
        assert!(!members.is_alive(&epoch("b", "7"), 7_001));
        assert_eq!(names(&members, 9_500), ["a"]);
    }

    #[test]
    fn a_node_that_was_cut_off_declares_others_dead_only_after_a_lease() {
        let mut members = Membership::new(epoch("a", "1"), 3_000);
        members.record_heartbeat("a", record("1"), 0, 0);
        members.record_heartbeat("b", record("7"), 0, 0);
        // Nothing arrives for a minute: this node is cut off, and no node is declared dead
        // meanwhile.
        assert!(!members.is_steady(60_000));
        assert!(members.is_alive(&epoch("b", "7"), 60_000));
        members.record_heartbeat("a", record("1"), 60_000, 0);
        assert!(members.is_alive(&epoch("b", "7"), 60_000));
        for now in (61_000..=66_000).step_by(1_000) {
            members.record_heartbeat("a", record("1"), now, 0);
        }
        assert!(
            members.is_alive(&epoch("b", "7"), 66_000),
            "other nodes that were cut off have one more lease to come back"
        );
        assert!(!members.is_alive(&epoch("b", "7"), 66_001));
    }

    #[test]
    fn another_epoch_of_a_node_is_another_node() {
        let mut members = Membership::new(epoch("a", "1"), 3_000);
        members.record_heartbeat("a", record("1"), 0, 0);
        members.record_heartbeat("b", record("7"), 0, 0);
        members.record_heartbeat("b", record("8"), 10, 0);
        assert!(!members.is_alive(&epoch("b", "7"), 20));
        assert!(members.is_alive(&epoch("b", "8"), 20));
    }

    #[test]
    fn leaving_nodes_are_alive_but_accept_no_workspaces() {
        let mut members = Membership::new(epoch("a", "1"), 3_000);
        members.record_heartbeat("a", NodeRecord { leaving: true, ..record("1") }, 0, 0);
        members.record_heartbeat("b", record("7"), 0, 0);
        assert_eq!(names(&members, 1), ["b"]);
        assert!(members.is_alive(&epoch("a", "1"), 1));
        members.remove("b");
        assert!(names(&members, 1).is_empty());
    }
}
