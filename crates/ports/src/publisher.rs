//! Publishing events, scored samples and audio as messages for subscribers outside of the server.

use async_trait::async_trait;
use bytes::Bytes;

use crate::error::PortError;
use earcon_tenancy::WorkspacePass;

/// One message of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The topic below the workspace, one token per part: `["events", "anomaly", "opened"]`. Parts
    /// may be any text, even empty. The adapter encodes each part as one token.
    pub topic: Vec<String>,
    /// Names and values. Each name appears once.
    pub headers: Vec<(&'static str, String)>,
    /// The message.
    pub payload: Bytes,
}

/// Identifies a connection to the server. A message published on one connection and not flushed on
/// the same one may be lost.
pub type Connection = u64;

/// Publishes messages of workspaces to subscribers.
#[async_trait]
pub trait Publisher: Send + Sync + 'static {
    /// Sends the messages in order. Only [`Self::flush`] confirms that the server has them.
    ///
    /// # Errors
    /// `Invalid` when a message can never be sent, for example because it is too large; the others
    /// are sent. `Unavailable` when there is no connection: some may have been sent.
    async fn publish(&self, pass: &WorkspacePass, messages: Vec<Publication>) -> Result<(), PortError>;

    /// The present connection. Read it before publishing messages that a later [`Self::flush`] must
    /// confirm.
    fn connection(&self) -> Connection;

    /// Waits until the server has everything published on `since`.
    ///
    /// # Errors
    /// `Unavailable` when that connection is gone or replaced: it is unknown how much has arrived.
    async fn flush(&self, since: Connection) -> Result<(), PortError>;

    /// The largest message, headers included, in bytes.
    fn max_message_bytes(&self) -> usize;
}
