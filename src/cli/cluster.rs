//! `earcon cluster status`: shows the owners of workspaces, from a running node.

use std::process::ExitCode;

use earcon_client::{Cluster, ClusterNode, ClusterWorkspace};

use super::output::say;
use super::server::{Connection, block_on, failed};
use super::text;

pub(super) fn status(connection: &Connection) -> ExitCode {
    let client = match connection.client() {
        Ok(client) => client,
        Err(code) => return code,
    };
    block_on(async {
        match client.cluster().await {
            Ok(cluster) => {
                say(table(&cluster).trim_end());
                if healthy(&cluster) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
            }
            Err(error) => failed(&error),
        }
    })
}

/// Whether each workspace has an owner that answers, and no node is silent.
fn healthy(cluster: &Cluster) -> bool {
    cluster.nodes.iter().all(|node| node.state != "silent")
        && cluster.workspaces.iter().all(|workspace| workspace.owner.is_some() && workspace.seq.is_some())
}

fn table(cluster: &Cluster) -> String {
    let nodes = if cluster.enabled {
        let titles = ["NODE", "STATE", "LAST HEARTBEAT", "WORKSPACES", "CLOCK", "STARTED", "VERSION"];
        text::table(&titles, &node_rows(cluster))
    } else {
        "Single node: cluster.enabled is false.\n".to_owned()
    };
    let titles = ["WORKSPACE", "OWNER", "EVENTS", "KPIS", "PARKED", "HISTORY LAG"];
    let workspaces = text::table(&titles, &workspace_rows(cluster));
    let none = if cluster.workspaces.is_empty() { "There are no workspaces yet.\n" } else { "" };
    format!("{nodes}\n{workspaces}{none}")
}

fn node_rows(cluster: &Cluster) -> Vec<Vec<String>> {
    let row = |node: &ClusterNode| {
        let asked = if node.node == cluster.node { " (asked)" } else { "" };
        vec![
            format!("{}{asked}", node.node),
            node.state.clone(),
            format!("{:.1} s ago", node.silent_ms as f64 / 1_000.0),
            node.workspaces.to_string(),
            format!("{:+} ms", node.clock_ms),
            node.started.clone(),
            node.version.clone(),
        ]
    };
    cluster.nodes.iter().map(row).collect()
}

fn workspace_rows(cluster: &Cluster) -> Vec<Vec<String>> {
    let number = |number: Option<u64>| number.map_or_else(|| "no answer".to_owned(), |number| number.to_string());
    let row = |workspace: &ClusterWorkspace| {
        vec![
            workspace.workspace.clone(),
            workspace.owner.clone().unwrap_or_else(|| "none".to_owned()),
            number(workspace.seq),
            number(workspace.kpis),
            number(workspace.parked),
            number(workspace.history_lag),
        ]
    };
    cluster.workspaces.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(json: &str) -> Cluster {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn cluster_is_shown_as_a_table() {
        let cluster = cluster(
            r#"{"enabled": true, "node": "a", "nodes": [
                {"node": "a", "state": "alive", "silent_ms": 120, "version": "0.1.0", "started": "2026-01-01T00:00:00Z", "clock_ms": 0, "workspaces": 1},
                {"node": "b", "state": "silent", "silent_ms": 8000, "version": "0.1.0", "started": "2026-01-01T00:00:00Z", "clock_ms": -5, "workspaces": 0}],
               "workspaces": [{"workspace": "shop", "owner": null, "seq": null, "kpis": null, "parked": null, "history_lag": null}]}"#,
        );
        let text = table(&cluster);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].starts_with("a (asked)  alive   0.1 s ago"), "{text}");
        assert!(lines[2].contains("silent  8.0 s ago"), "{text}");
        assert!(lines[5].starts_with("shop       none   no answer"), "{text}");
        assert!(!healthy(&cluster));
    }

    #[test]
    fn single_node_is_named_and_healthy() {
        let single = cluster(r#"{"enabled": false, "node": "this node", "nodes": [], "workspaces": []}"#);
        assert!(table(&single).starts_with("Single node"));
        assert!(healthy(&single));
    }
}
