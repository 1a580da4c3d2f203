//! Telling the owner of a workspace that records have changed, wherever it runs.

use async_trait::async_trait;

use crate::actors::directory::Directory;
use earcon_tenancy::WorkspacePass;

use super::detectors::Wake;

#[async_trait]
impl Wake for Directory {
    async fn wake(&self, pass: &WorkspacePass) {
        match self.find(pass).await {
            Ok(Some(workspace)) => workspace.wake_experiments().await,
            // It reads the records when it is opened.
            Ok(None) => {}
            Err(error) => {
                let workspace = pass.workspace();
                tracing::warn!(%workspace, %error, "the owner does not know yet of a change of its detectors");
            }
        }
    }
}
