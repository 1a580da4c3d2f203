//! Places workspaces on nodes. A workspace stays with its owner while that node is alive and not
//! overloaded. Otherwise it goes to the node that ranks highest for it and has room.
//!
//! Ranking is rendezvous hashing (Thaler and Ravishankar 1998). The load is bounded as in
//! consistent hashing with bounded loads (Mirrokni, Thorup, Zadimoghaddam 2018): each node has at
//! most a quarter more than the average, rounded up, and at least a quarter less, rounded down. A
//! node that joins gets about three quarters of the average, and nothing else moves. A node that
//! leaves moves its workspaces and few others.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use earcon_model::WorkspaceId;

/// The node of each workspace; empty without nodes. `owners` has the present owner if it is alive,
/// otherwise `None`. Every node that sees the same owners and nodes comes to the same result.
pub fn place<'n>(
    owners: &BTreeMap<WorkspaceId, Option<&'n str>>,
    nodes: impl IntoIterator<Item = &'n str>,
) -> BTreeMap<WorkspaceId, &'n str> {
    let mut load: BTreeMap<&str, usize> = nodes.into_iter().map(|node| (node, 0)).collect();
    if load.is_empty() {
        return BTreeMap::new();
    }
    let bound = (owners.len() * 5).div_ceil(load.len() * 4);
    let mut placed = BTreeMap::new();
    let mut homeless = Vec::new();
    // A node keeps the workspaces that it ranks highest for, and gives the others away.
    let mut kept: Vec<(u64, &WorkspaceId, &'n str)> = Vec::new();
    for (workspace, owner) in owners {
        match owner {
            Some(node) if load.contains_key(node) => kept.push((rank(node, workspace), workspace, *node)),
            _ => homeless.push(workspace),
        }
    }
    kept.sort_by(|a, b| b.cmp(a));
    for (_, workspace, node) in kept {
        let carried = load.entry(node).or_default();
        if *carried < bound {
            *carried += 1;
            placed.insert(workspace.clone(), node);
        } else {
            homeless.push(workspace);
        }
    }
    homeless.sort();
    for workspace in homeless {
        let with_room = load.iter().filter(|(_, carried)| **carried < bound).map(|(node, _)| *node);
        if let Some(node) = with_room.max_by_key(|node| (rank(node, workspace), *node)) {
            *load.entry(node).or_default() += 1;
            placed.insert(workspace.clone(), node);
        }
    }
    even_out(&mut placed, &mut load);
    placed
}

/// Moves workspaces to nodes with less than three quarters of the average, rounded down, so that a
/// node that joins is used.
fn even_out<'n>(placed: &mut BTreeMap<WorkspaceId, &'n str>, load: &mut BTreeMap<&'n str, usize>) {
    let least = placed.len() * 3 / (load.len() * 4);
    loop {
        let Some((poor, few)) =
            load.iter().map(|(node, carried)| (*node, *carried)).min_by_key(|(node, few)| (*few, *node))
        else {
            return;
        };
        let Some((rich, many)) =
            load.iter().map(|(node, carried)| (*node, *carried)).max_by_key(|(node, many)| (*many, *node))
        else {
            return;
        };
        if few >= least || many <= few + 1 {
            return;
        }
        // Of the workspaces of the one node, the one that the other node ranks highest for.
        let spare = placed.iter().filter(|(_, node)| **node == rich).map(|(workspace, _)| workspace);
        let Some(moving) = spare.max_by_key(|workspace| (rank(poor, workspace), *workspace)).cloned() else { return };
        placed.insert(moving, poor);
        *load.entry(rich).or_default() -= 1;
        *load.entry(poor).or_default() += 1;
    }
}

fn rank(node: &str, workspace: &WorkspaceId) -> u64 {
    xxh3_64(format!("{node}\n{workspace}").as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn workspaces(n: usize) -> Vec<WorkspaceId> {
        (0..n).map(|i| WorkspaceId::new(&format!("w{i}")).unwrap()).collect()
    }

    fn place_new(n: usize, nodes: &[&'static str]) -> BTreeMap<WorkspaceId, &'static str> {
        let unowned = workspaces(n).into_iter().map(|workspace| (workspace, None)).collect();
        place(&unowned, nodes.iter().copied())
    }

    fn owned<'a>(placed: &BTreeMap<WorkspaceId, &'a str>, alive: &[&str]) -> BTreeMap<WorkspaceId, Option<&'a str>> {
        placed
            .iter()
            .map(|(workspace, node)| (workspace.clone(), Some(*node).filter(|node| alive.contains(node))))
            .collect()
    }

    fn moved(before: &BTreeMap<WorkspaceId, &str>, after: &BTreeMap<WorkspaceId, &str>) -> usize {
        before.iter().filter(|(workspace, node)| after[*workspace] != **node).count()
    }

    #[test]
    fn nothing_moves_while_nothing_changes() {
        let placed = place_new(100, &["a", "b", "c"]);
        assert_eq!(place(&owned(&placed, &["a", "b", "c"]), ["c", "a", "b"]), placed);
    }

    #[test]
    fn a_dead_nodes_workspaces_move_and_few_others() {
        let placed = place_new(100, &["a", "b", "c"]);
        let lost = placed.values().filter(|node| **node == "b").count();
        let after = place(&owned(&placed, &["a", "c"]), ["a", "c"]);
        assert!(after.values().all(|node| *node != "b"));
        assert_eq!(moved(&placed, &after), lost);
    }

    #[test]
    fn a_node_that_joins_gets_a_share_and_nothing_else_moves() {
        let placed = place_new(100, &["a", "b"]);
        let after = place(&owned(&placed, &["a", "b"]), ["a", "b", "c"]);
        let gained = after.values().filter(|node| **node == "c").count();
        assert!((25..=34).contains(&gained), "three quarters of the average are 25, not {gained}");
        assert_eq!(moved(&placed, &after), gained);
    }

    #[test]
    fn one_workspace_stays_where_it_is() {
        let owners = BTreeMap::from([(workspaces(1)[0].clone(), Some("b"))]);
        assert_eq!(place(&owners, ["a", "b", "c"])[&workspaces(1)[0]], "b");
        assert!(place(&owners, []).is_empty());
    }

    proptest! {
        #[test]
        fn everything_is_placed_and_no_node_has_too_much(n in 0usize..60, alive in 1usize..6, owners in prop::collection::vec(0usize..8, 60)) {
            let nodes: Vec<String> = (0..alive).map(|i| format!("n{i}")).collect();
            let all: Vec<String> = (0..8).map(|i| format!("n{i}")).collect();
            let owned = workspaces(n).into_iter().zip(&owners)
                .map(|(workspace, owner)| (workspace, all.get(*owner).map(String::as_str)))
                .collect();
            let placed = place(&owned, nodes.iter().map(String::as_str));
            prop_assert_eq!(placed.len(), n);
            for node in &nodes {
                let carried = placed.values().filter(|owner| *owner == node).count();
                prop_assert!(carried <= (n * 5).div_ceil(alive * 4));
                prop_assert!(carried >= n * 3 / (alive * 4));
            }
        }
    }
}
