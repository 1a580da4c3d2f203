use std::collections::BTreeSet;

use super::*;

fn id(name: &str) -> WorkspaceId {
    WorkspaceId::new(name).unwrap()
}

fn epoch(node: &str) -> NodeEpoch {
    NodeEpoch { node: node.into(), epoch: format!("{node}1") }
}

fn record(node: &str) -> NodeRecord {
    let epoch = epoch(node).epoch;
    NodeRecord { epoch, started_ms: 0, written_ms: 0, version: String::new(), leaving: false }
}

/// Nodes that step in turn over one table, as if every write reached all of them at once.
struct World {
    views: BTreeMap<String, View>,
    open: BTreeMap<String, BTreeMap<WorkspaceId, u64>>,
    table: BTreeMap<WorkspaceId, (u64, Ownership)>,
    now_ms: i64,
}

impl World {
    fn new(nodes: &[&str], workspaces: usize) -> Self {
        let mut world = Self { views: BTreeMap::new(), open: BTreeMap::new(), table: BTreeMap::new(), now_ms: 0 };
        for i in 0..workspaces {
            world.table.insert(id(&format!("w{i}")), (1, Ownership { owner: None }));
        }
        nodes.iter().for_each(|node| world.join(node));
        world
    }

    fn join(&mut self, node: &str) {
        let mut view = View::new(epoch(node), 3_000);
        self.table.iter().for_each(|(workspace, (revision, ownership))| {
            view.set_owner(workspace.clone(), *revision, ownership.clone());
        });
        self.views.insert(node.into(), view);
        self.open.insert(node.into(), BTreeMap::new());
    }

    fn crash(&mut self, node: &str) {
        self.views.remove(node);
        self.open.remove(node);
    }

    fn run(&mut self, ms: i64) {
        let end = self.now_ms + ms;
        while self.now_ms < end {
            self.now_ms += 500;
            let beats: Vec<(String, NodeRecord)> = self
                .views
                .iter()
                .map(|(node, view)| (node.clone(), NodeRecord { leaving: view.is_leaving(), ..record(node) }))
                .collect();
            for view in self.views.values_mut() {
                beats
                    .iter()
                    .for_each(|(node, beat)| view.membership().record_heartbeat(node, beat.clone(), self.now_ms, 0));
            }
            for (node, _) in beats {
                let steps = self.views[&node].steps(&self.open[&node], self.now_ms);
                steps.into_iter().for_each(|step| self.act(&node, step));
            }
            self.assert_each_workspace_open_once();
        }
    }

    fn act(&mut self, node: &str, step: Step) {
        let open = self.open.get_mut(node).unwrap();
        let (workspace, expected, owner) = match step {
            Step::Open(workspace, revision) => {
                open.insert(workspace, revision);
                return;
            }
            Step::StepDown(workspace) => {
                open.remove(&workspace);
                return;
            }
            Step::Claim(workspace, expected) => (workspace, expected, Some(epoch(node))),
            Step::HandOver(workspace, expected, to) => {
                open.remove(&workspace);
                (workspace, expected, to)
            }
        };
        let entry = self.table.get_mut(&workspace).unwrap();
        if entry.0 == expected {
            *entry = (expected + 1, Ownership { owner });
            for view in self.views.values_mut() {
                view.set_owner(workspace.clone(), entry.0, entry.1.clone());
            }
        }
    }

    fn assert_each_workspace_open_once(&self) {
        let all: Vec<_> = self.open.values().flat_map(BTreeMap::keys).collect();
        let distinct: BTreeSet<_> = all.iter().collect();
        assert_eq!(all.len(), distinct.len(), "a workspace is open on two nodes");
    }

    fn loads(&self) -> Vec<usize> {
        self.open.values().map(BTreeMap::len).collect()
    }
}

#[test]
fn nodes_share_the_workspaces_evenly() {
    let mut world = World::new(&["a", "b", "c"], 30);
    world.run(5_000);
    assert_eq!(world.loads().iter().sum::<usize>(), 30);
    assert!(world.loads().iter().all(|load| *load <= 13), "{:?}", world.loads());
}

#[test]
fn a_crashed_nodes_workspaces_are_taken_over_after_its_lease() {
    let mut world = World::new(&["a", "b", "c"], 30);
    world.run(5_000);
    world.crash("b");
    world.run(2_500);
    assert!(world.loads().iter().sum::<usize>() < 30, "nobody is declared dead before the lease is over");
    world.run(2_500);
    assert_eq!(world.loads().iter().sum::<usize>(), 30);
}

#[test]
fn a_joining_node_takes_its_share() {
    let mut world = World::new(&["a", "b"], 30);
    world.run(5_000);
    world.join("c");
    world.run(5_000);
    assert_eq!(world.loads().iter().sum::<usize>(), 30);
    assert!(world.open["c"].len() >= 4, "{:?}", world.loads());
}

#[test]
fn a_leaving_node_gives_everything_away() {
    let mut world = World::new(&["a", "b"], 9);
    world.run(5_000);
    world.views.get_mut("a").unwrap().leave();
    world.run(2_000);
    assert_eq!((world.open["a"].len(), world.open["b"].len()), (0, 9));
}

#[test]
fn the_last_node_leaves_its_workspaces_to_the_next_that_joins() {
    let mut world = World::new(&["a"], 2);
    world.run(2_000);
    world.views.get_mut("a").unwrap().leave();
    world.run(1_000);
    assert!(world.open["a"].is_empty());
    assert!(world.table.values().all(|(_, ownership)| ownership.owner.is_none()));
    world.crash("a");
    world.join("b");
    world.run(2_000);
    assert_eq!(world.open["b"].len(), 2);
}

#[test]
fn a_node_that_lost_a_workspace_steps_down_even_if_cut_off() {
    let mut view = View::new(epoch("a"), 3_000);
    view.set_owner(id("w"), 5, Ownership { owner: Some(epoch("b")) });
    assert_eq!(view.steps(&BTreeMap::from([(id("w"), 4)]), 1_000_000), [Step::StepDown(id("w"))]);
}

#[test]
fn a_workspace_that_another_node_owned_meanwhile_is_closed_and_opened_again() {
    let mut view = View::new(epoch("a"), 3_000);
    view.membership().record_heartbeat("a", record("a"), 0, 0);
    view.set_owner(id("w"), 5, Ownership { owner: Some(epoch("a")) });
    assert_eq!(view.steps(&BTreeMap::from([(id("w"), 5)]), 0), []);
    // The owner in between, at revision 6, was not seen here.
    view.set_owner(id("w"), 7, Ownership { owner: Some(epoch("a")) });
    assert_eq!(view.steps(&BTreeMap::from([(id("w"), 5)]), 0), [Step::StepDown(id("w"))]);
    assert_eq!(view.steps(&BTreeMap::new(), 0), [Step::Open(id("w"), 7)]);
}

#[test]
fn silent_nodes_are_forgotten_after_a_while() {
    let mut view = View::new(epoch("a"), 3_000);
    view.membership().record_heartbeat("b", record("b"), 0, 0);
    for now in (0..700_000).step_by(1_000) {
        view.membership().record_heartbeat("a", record("a"), now, 0);
    }
    assert_eq!(view.alive(699_000), 1);
    assert_eq!(view.long_gone(600_000), Vec::<String>::new());
    assert_eq!(view.long_gone(699_000), ["b"]);
    assert_eq!(view.long_gone(900_000), Vec::<String>::new(), "a node that is cut off declares no other dead");
}

#[test]
fn an_older_revision_does_not_replace_a_newer_one() {
    let mut view = View::new(epoch("a"), 3_000);
    view.set_owner(id("w"), 5, Ownership { owner: Some(epoch("b")) });
    view.set_owner(id("w"), 4, Ownership { owner: Some(epoch("a")) });
    assert!(!view.is_mine(&id("w")));
}
