//! Telling the world outside: events, scored samples and sound as messages that programs subscribe to.

use async_trait::async_trait;
use bytes::Bytes;

use super::PortError;
use earcon_tenancy::WorkspacePass;

/// One message of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// What it is about, below the workspace, one step a part: `["events", "anomaly", "opened"]`. Parts may hold any text,
    /// even none; the adapter encodes each so that it stays one step.
    pub topic: Vec<String>,
    /// Names and values; a name appears once.
    pub headers: Vec<(&'static str, String)>,
    /// The message.
    pub payload: Bytes,
}

/// Names one life of the connection to the outside. A message that was published in one life and not flushed in the same
/// may be lost.
pub type Connection = u64;

/// Publishes messages of workspaces to whoever subscribes.
#[async_trait]
pub trait Publisher: Send + Sync + 'static {
    /// Sends the messages in order. They have left this process for good only after [`Self::flush`].
    ///
    /// # Errors
    /// `Invalid` when a message cannot be sent because of what it is, for example because it is too large; the others are
    /// sent. `Unavailable` when there is no connection: some may have been sent.
    async fn publish(&self, pass: &WorkspacePass, messages: Vec<Publication>) -> Result<(), PortError>;

    /// The connection that messages go out on now. Ask before publishing what a later [`Self::flush`] has to answer for.
    fn connection(&self) -> Connection;

    /// Waits until the server has everything published on `since`.
    ///
    /// # Errors
    /// `Unavailable` when the connection is another one by now, or is gone: nobody knows how much has arrived.
    async fn flush(&self, since: Connection) -> Result<(), PortError>;

    /// The largest message, headers included, in bytes.
    fn max_message_bytes(&self) -> usize;
}
