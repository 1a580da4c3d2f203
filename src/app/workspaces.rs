//! Creates the workspaces that the configuration names.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::actors::directory::Directory;
use crate::actors::node::OpenError;
use crate::config::Config;
use earcon_model::WorkspaceId;

/// Pause before another attempt in a cluster.
const PAUSE: Duration = Duration::from_secs(5);

/// Creates the workspaces that are configured. In a cluster this goes on in the background, because
/// the first node may have to wait for its place in the table.
pub(super) async fn create_configured(
    config: &Config,
    directory: &Directory,
    is_clustered: bool,
) -> Option<JoinHandle<()>> {
    let mut names = config.workspaces.names.clone();
    names.extend(config.statsd.as_ref().map(|statsd| statsd.workspace.clone()));
    if is_clustered {
        let directory = directory.clone();
        return Some(tokio::spawn(async move { create_in_cluster(&directory, names).await }));
    }
    for name in &names {
        if let Err(error) = directory.ensure(name).await {
            report(name, &error);
        }
    }
    let workspace = &config.ingest.workspace;
    if !names.contains(workspace) && !directory.knows(workspace).await {
        tracing::warn!("{}", without_workspace(workspace, &config.workspaces.names));
    }
    None
}

/// The warning about agents whose samples are refused.
fn without_workspace(workspace: &WorkspaceId, names: &[WorkspaceId]) -> String {
    let names: Vec<_> = names.iter().map(WorkspaceId::as_str).collect();
    format!(
        "ingest.workspace is {:?}, but there is no such workspace, and workspaces.names ({names:?}) does not create it: \
         samples of agents that name no workspace are refused; add it to workspaces.names, or set ingest.workspace to \
         one of them",
        workspace.as_str()
    )
}

async fn create_in_cluster(directory: &Directory, names: Vec<WorkspaceId>) {
    for name in &names {
        while let Err(error) = directory.ensure(name).await {
            if error != OpenError::Unavailable {
                report(name, &error);
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// A workspace that cannot be created keeps no server from starting: the others go on.
fn report(name: &WorkspaceId, error: &OpenError) {
    tracing::error!(workspace = %name, %error, "a workspace of the configuration cannot be created");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warning_names_both_settings() {
        let id = |name: &str| WorkspaceId::new(name).unwrap();
        let text = without_workspace(&id("local"), &[id("shop"), id("lab")]);
        assert!(
            text.contains("ingest.workspace is \"local\"") && text.contains(r#"workspaces.names (["shop", "lab"])"#)
        );
    }
}
