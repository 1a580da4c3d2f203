//! Telling the world outside: events, scored samples and sound as messages that programs subscribe to.

use async_trait::async_trait;
use bytes::Bytes;

use super::PortError;
use crate::tenancy::WorkspacePass;

/// One message of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// What it is about, below the workspace: `["events", "anomaly.opened"]`. The adapter encodes each part so that none can
    /// reach out of its place.
    pub topic: Vec<String>,
    /// Names and values, in order.
    pub headers: Vec<(&'static str, String)>,
    /// The message.
    pub payload: Bytes,
}

/// Publishes messages of workspaces to whoever subscribes.
#[async_trait]
pub trait Publisher: Send + Sync + 'static {
    /// Sends the messages in order. They have left this process for good only after [`Self::flush`].
    ///
    /// # Errors
    /// `Invalid` when a message is larger than the server takes; the others are sent. `Unavailable` when the connection is
    /// lost: some may have been sent.
    async fn publish(&self, pass: &WorkspacePass, messages: Vec<Publication>) -> Result<(), PortError>;

    /// Waits until the server has everything published so far.
    async fn flush(&self) -> Result<(), PortError>;
}
