//! Which nodes live, by what this node hears of them. No clock of another machine is trusted: a node lives as long as its
//! heartbeats arrive here, measured by the monotonic clock here.
//!
//! A node that hears nothing may itself be cut off. So it also listens for its own heartbeats to come back, and counts the
//! silence of others only while it hears itself.

use std::collections::BTreeMap;

use super::records::{NodeEpoch, NodeRecord};

/// The nodes this node has heard of.
#[derive(Debug, Clone)]
pub struct Membership {
    me: NodeEpoch,
    lease_ms: i64,
    heard: BTreeMap<String, Heard>,
    /// When this node last heard itself.
    echo_ms: Option<i64>,
    /// Since when it has heard itself without a break.
    steady_since_ms: Option<i64>,
}

/// The last heartbeat of a node.
#[derive(Debug, Clone)]
pub struct Heard {
    /// What it said.
    pub record: NodeRecord,
    /// When it arrived here, monotonic.
    pub at_ms: i64,
    /// How far its wall clock was ahead of the one here, milliseconds.
    pub clock_ms: i64,
}

impl Membership {
    /// Nobody was heard yet. A node whose heartbeats stay away for `lease_ms` is dead.
    pub fn new(me: NodeEpoch, lease_ms: i64) -> Self {
        Self { me, lease_ms, heard: BTreeMap::new(), echo_ms: None, steady_since_ms: None }
    }

    /// This node.
    pub fn me(&self) -> &NodeEpoch {
        &self.me
    }

    /// A heartbeat arrived at `now_ms`, monotonic, when the wall clock here said `wall_ms`.
    pub fn heard(&mut self, node: &str, record: NodeRecord, now_ms: i64, wall_ms: i64) {
        if node == self.me.node && record.life == self.me.life {
            if !self.is_steady(now_ms) {
                self.steady_since_ms = Some(now_ms);
            }
            self.echo_ms = Some(now_ms);
        }
        let clock_ms = record.written_ms - wall_ms;
        self.heard.insert(node.to_owned(), Heard { record, at_ms: now_ms, clock_ms });
    }

    /// The node took its leave.
    pub fn left(&mut self, node: &str) {
        self.heard.remove(node);
    }

    /// Whether this node hears itself, so that it may judge others.
    pub fn is_steady(&self, now_ms: i64) -> bool {
        self.echo_ms.is_some_and(|echo| now_ms - echo <= self.lease_ms)
    }

    /// Whether this very life of a node lives.
    pub fn lives(&self, incarnation: &NodeEpoch, now_ms: i64) -> bool {
        self.heard
            .get(&incarnation.node)
            .is_some_and(|heard| heard.record.life == incarnation.life && self.is_fresh(heard, now_ms))
    }

    /// The nodes that live and want workspaces.
    pub fn candidates(&self, now_ms: i64) -> BTreeMap<&str, NodeEpoch> {
        self.heard
            .iter()
            .filter(|(_, heard)| self.is_fresh(heard, now_ms) && !heard.record.leaving)
            .map(|(node, heard)| (node.as_str(), NodeEpoch { node: node.clone(), life: heard.record.life.clone() }))
            .collect()
    }

    /// All nodes heard of, and whether each counts as living.
    pub fn all(&self, now_ms: i64) -> impl Iterator<Item = (&str, &Heard, bool)> {
        self.heard.iter().map(move |(node, heard)| (node.as_str(), heard, self.is_fresh(heard, now_ms)))
    }

    fn is_fresh(&self, heard: &Heard, now_ms: i64) -> bool {
        // When all were cut off, they come back one after the other: the first back gives the others one lease more.
        let counted_from = self.steady_since_ms.map_or(heard.at_ms, |since| (since + self.lease_ms).max(heard.at_ms));
        !self.is_steady(now_ms) || now_ms - counted_from <= self.lease_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incarnation(node: &str, life: &str) -> NodeEpoch {
        NodeEpoch { node: node.into(), life: life.into() }
    }

    fn record(life: &str) -> NodeRecord {
        NodeRecord { life: life.into(), started_ms: 0, written_ms: 0, version: String::new(), leaving: false }
    }

    fn names(members: &Membership, now_ms: i64) -> Vec<String> {
        members.candidates(now_ms).keys().map(ToString::to_string).collect()
    }

    #[test]
    fn a_silent_node_dies_after_its_lease() {
        let mut members = Membership::new(incarnation("a", "1"), 3_000);
        for now in (0..10_000).step_by(500) {
            members.heard("a", record("1"), now, 0);
            if now <= 4_000 {
                members.heard("b", record("7"), now, 0);
            }
        }
        assert!(members.lives(&incarnation("b", "7"), 7_000));
        assert!(!members.lives(&incarnation("b", "7"), 7_001));
        assert_eq!(names(&members, 9_500), ["a"]);
    }

    #[test]
    fn whoever_was_cut_off_does_not_judge_at_once() {
        let mut members = Membership::new(incarnation("a", "1"), 3_000);
        members.heard("a", record("1"), 0, 0);
        members.heard("b", record("7"), 0, 0);
        // Nothing arrives for a minute: this node is cut off, and nobody is declared dead meanwhile.
        assert!(!members.is_steady(60_000));
        assert!(members.lives(&incarnation("b", "7"), 60_000));
        members.heard("a", record("1"), 60_000, 0);
        assert!(members.lives(&incarnation("b", "7"), 60_000));
        for now in (61_000..=66_000).step_by(1_000) {
            members.heard("a", record("1"), now, 0);
        }
        assert!(
            members.lives(&incarnation("b", "7"), 66_000),
            "those who were cut off too have a lease more to come back"
        );
        assert!(!members.lives(&incarnation("b", "7"), 66_001));
    }

    #[test]
    fn another_life_of_a_node_is_another_node() {
        let mut members = Membership::new(incarnation("a", "1"), 3_000);
        members.heard("a", record("1"), 0, 0);
        members.heard("b", record("7"), 0, 0);
        members.heard("b", record("8"), 10, 0);
        assert!(!members.lives(&incarnation("b", "7"), 20));
        assert!(members.lives(&incarnation("b", "8"), 20));
    }

    #[test]
    fn leaving_nodes_live_but_want_nothing() {
        let mut members = Membership::new(incarnation("a", "1"), 3_000);
        members.heard("a", NodeRecord { leaving: true, ..record("1") }, 0, 0);
        members.heard("b", record("7"), 0, 0);
        assert_eq!(names(&members, 1), ["b"]);
        assert!(members.lives(&incarnation("a", "1"), 1));
        members.left("b");
        assert!(names(&members, 1).is_empty());
    }
}
