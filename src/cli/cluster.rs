//! `earcon cluster status`: shows the owners of workspaces, from a running node.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;

use super::output::{UNAVAILABLE, complain, say};
use super::server::TrustArgs;
use earcon_client::Trust;

#[derive(Deserialize)]
struct Cluster {
    enabled: bool,
    node: String,
    nodes: Vec<Node>,
    workspaces: Vec<Workspace>,
}

#[derive(Deserialize)]
struct Node {
    node: String,
    state: String,
    silent_ms: i64,
    version: String,
    started: String,
    clock_ms: i64,
    workspaces: usize,
}

#[derive(Deserialize)]
struct Workspace {
    workspace: String,
    owner: Option<String>,
    seq: Option<u64>,
    kpis: Option<u64>,
    parked: Option<u64>,
    history_lag: Option<u64>,
}

pub(super) fn status(url: &str, trust: &TrustArgs) -> ExitCode {
    let trust = match trust.trust() {
        Ok(trust) => trust,
        Err(code) => return code,
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("the runtime cannot start: {error}"));
            return ExitCode::from(UNAVAILABLE);
        }
    };
    match runtime.block_on(fetch(url, &trust)) {
        Ok(cluster) => {
            say(table(&cluster).trim_end());
            if healthy(&cluster) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) if Trust::refused(&error) => {
            complain(&format!(
                "the certificate of {url} is not trusted; --ca-file names a file of authorities to trust"
            ));
            ExitCode::from(UNAVAILABLE)
        }
        Err(error) => {
            complain(&format!("{url} does not answer: {error}. Give the URL of a running node with --url"));
            ExitCode::from(UNAVAILABLE)
        }
    }
}

async fn fetch(url: &str, trust: &Trust) -> Result<Cluster, reqwest::Error> {
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .tls_backend_preconfigured((*trust.config()).clone())
        .build()?;
    let url = format!("{}/api/v1/cluster", url.trim_end_matches('/'));
    client.get(url).send().await?.error_for_status()?.json().await
}

/// Whether each workspace has an owner that answers, and no node is silent.
fn healthy(cluster: &Cluster) -> bool {
    cluster.nodes.iter().all(|node| node.state != "silent")
        && cluster.workspaces.iter().all(|workspace| workspace.owner.is_some() && workspace.seq.is_some())
}

fn table(cluster: &Cluster) -> String {
    let mut text = String::new();
    if cluster.enabled {
        rows(
            &mut text,
            &["NODE", "STATE", "LAST HEARTBEAT", "WORKSPACES", "CLOCK", "STARTED", "VERSION"],
            &node_rows(cluster),
        );
        text.push('\n');
    } else {
        line(&mut text, "Single node: cluster.enabled is false.\n");
    }
    let columns = ["WORKSPACE", "OWNER", "EVENTS", "KPIS", "PARKED", "HISTORY LAG"];
    rows(&mut text, &columns, &workspace_rows(cluster));
    if cluster.workspaces.is_empty() {
        line(&mut text, "There are no workspaces yet.");
    }
    text
}

fn node_rows(cluster: &Cluster) -> Vec<Vec<String>> {
    let row = |node: &Node| {
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
    let row = |workspace: &Workspace| {
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

fn rows(text: &mut String, columns: &[&str], rows: &[Vec<String>]) {
    let head: Vec<String> = columns.iter().map(ToString::to_string).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|i| rows.iter().chain([&head]).map(|row| row[i].chars().count()).max().unwrap_or_default())
        .collect();
    for row in [&head].into_iter().chain(rows) {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        line(text, cells.join("  ").trim_end());
    }
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string does not fail");
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
