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
    /// Which node deleted the stored data of which workspace.
    erased: Vec<(String, String)>,
    now_ms: i64,
}

impl World {
    fn new(nodes: &[&str], workspaces: usize) -> Self {
        let (views, open, table) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut world = Self { views, open, table, erased: Vec::new(), now_ms: 0 };
        for i in 0..workspaces {
            world.table.insert(id(&format!("w{i}")), (1, Ownership::live(None, 0)));
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
        let (key, expected, owner, standing) = match step {
            Step::Open(workspace, revision) => {
                open.insert(workspace, revision);
                return;
            }
            Step::StepDown(workspace) => {
                open.remove(&workspace);
                return;
            }
            Step::Claim(key, expected) => (key, expected, Some(epoch(node)), Standing::Live),
            Step::HandOver(key, expected, to) => {
                open.remove(key.workspace());
                (key, expected, to, Standing::Live)
            }
            Step::Erase(key, expected) => {
                self.erased.push((node.to_owned(), key.as_str().to_owned()));
                (key, expected, None, Standing::Deleted)
            }
        };
        if self.table[key.workspace()].0 == expected {
            self.write(key.workspace(), Ownership { owner, generation: key.generation(), standing });
        }
    }

    fn write(&mut self, workspace: &WorkspaceId, ownership: Ownership) {
        let entry = self.table.get_mut(workspace).unwrap();
        *entry = (entry.0 + 1, ownership);
        for view in self.views.values_mut() {
            view.set_owner(workspace.clone(), entry.0, entry.1.clone());
        }
    }

    /// What a request to delete does.
    fn begin_deletion(&mut self, workspace: &str) {
        let ownership = self.table[&id(workspace)].1.clone();
        self.write(&id(workspace), Ownership { standing: Standing::Deleting, ..ownership });
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
    view.set_owner(id("w"), 5, Ownership::live(Some(epoch("b")), 0));
    assert_eq!(view.steps(&BTreeMap::from([(id("w"), 4)]), 1_000_000), [Step::StepDown(id("w"))]);
}

#[test]
fn a_workspace_that_another_node_owned_meanwhile_is_closed_and_opened_again() {
    let mut view = View::new(epoch("a"), 3_000);
    view.membership().record_heartbeat("a", record("a"), 0, 0);
    view.set_owner(id("w"), 5, Ownership::live(Some(epoch("a")), 0));
    assert_eq!(view.steps(&BTreeMap::from([(id("w"), 5)]), 0), []);
    // The owner in between, at revision 6, was not seen here.
    view.set_owner(id("w"), 7, Ownership::live(Some(epoch("a")), 0));
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
    view.set_owner(id("w"), 5, Ownership::live(Some(epoch("b")), 0));
    view.set_owner(id("w"), 4, Ownership::live(Some(epoch("a")), 0));
    assert!(!view.is_mine(&id("w")));
}

fn key(name: &str, generation: u64) -> WorkspaceKey {
    WorkspaceKey::new(id(name), generation)
}

#[test]
fn owner_closes_a_workspace_and_then_deletes_its_data() {
    let mut world = World::new(&["a", "b", "c"], 3);
    world.run(5_000);
    let (owner, _) = world.open.iter().find(|(_, open)| open.contains_key(&id("w1"))).unwrap();
    let owner = owner.clone();
    world.begin_deletion("w1");
    let steps = world.views[&owner].steps(&world.open[&owner], world.now_ms);
    assert_eq!(steps, [Step::StepDown(id("w1"))], "nothing is deleted while it is open");
    assert!(world.views.values().all(|view| view.term(&id("w1")).is_none() && view.workspaces().count() == 2));
    world.run(2_000);
    assert_eq!(world.erased, [(owner, "w1".to_owned())]);
    assert_eq!(world.loads().iter().sum::<usize>(), 2);
    world.run(5_000);
    assert_eq!((world.erased.len(), world.table[&id("w1")].1.standing), (1, Standing::Deleted));
}

#[test]
fn another_node_goes_on_with_a_deletion_if_the_owner_dies() {
    let mut world = World::new(&["a", "b"], 2);
    world.run(5_000);
    let (owner, _) = world.open.iter().find(|(_, open)| open.contains_key(&id("w0"))).unwrap();
    let (owner, other) = if owner == "a" { ("a", "b") } else { ("b", "a") };
    world.crash(owner);
    world.begin_deletion("w0");
    world.run(2_500);
    assert_eq!(world.erased, [], "the owner may be alive");
    world.run(3_000);
    assert_eq!(world.erased, [(other.to_owned(), "w0".to_owned())]);
    assert_eq!(world.open[other].len(), 1);
}

#[test]
fn deleted_workspace_comes_back_only_as_the_next_generation() {
    let mut view = View::new(epoch("a"), 3_000);
    view.membership().record_heartbeat("a", record("a"), 0, 0);
    view.set_owner(id("w"), 5, Ownership { standing: Standing::Deleted, ..Ownership::live(None, 2) });
    assert!(view.add_workspace(&key("w", 2)), "rows that a late request wrote");
    assert!(view.add_workspace(&key("w", 1)));
    assert!(!view.add_workspace(&key("w", 3)), "its entry has not arrived yet");
    assert_eq!(view.steps(&BTreeMap::new(), 0), []);
    assert_eq!(view.workspaces().count(), 0);
    view.set_owner(id("w"), 6, Ownership::live(Some(epoch("a")), 3));
    assert_eq!(view.steps(&BTreeMap::new(), 0), [Step::Open(id("w"), 6)]);
    assert!(view.add_workspace(&key("w", 2)) && !view.add_workspace(&key("w", 3)));
}

#[test]
fn without_a_table_the_latest_generation_of_a_workspace_counts() {
    let mut view = View::new(epoch("a"), 3_000);
    view.membership().record_heartbeat("a", record("a"), 0, 0);
    assert!(!view.add_workspace(&key("w", 1)) && !view.add_workspace(&key("w", 4)));
    assert!(view.add_workspace(&key("w", 1)));
    assert_eq!(view.steps(&BTreeMap::new(), 0), [Step::Claim(key("w", 4), 0)]);
}
