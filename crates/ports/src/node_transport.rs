//! Messages between nodes about a workspace, addressed to its owner or to all nodes that subscribe.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use crate::error::PortError;
use earcon_tenancy::WorkspacePass;

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No node serves the workspace right now. The request was not delivered: sending it again is
    /// safe.
    #[error("no node serves the workspace right now")]
    NoResponder,
    /// The request may have been delivered, but no answer came.
    #[error("the node that owns the workspace did not answer: {0}")]
    Unknown(String),
    /// The request is larger than a message may be.
    #[error("{0} bytes are too many for one message")]
    TooLarge(usize),
}

/// A request of another node.
pub struct IncomingRequest {
    /// Its bytes.
    pub body: Bytes,
    /// Sends the answer. If it is dropped unused, the requesting node waits until it gives up.
    pub reply: Box<dyn FnOnce(Bytes) + Send>,
}

/// Carries messages between nodes. It does not interpret their bytes.
#[async_trait]
pub trait NodeTransport: Send + Sync + 'static {
    /// The largest size of a request, an answer or a published message, in bytes.
    fn max_bytes(&self) -> usize;

    /// Sends a request to the node that serves the workspace under the name `to`, and waits for its
    /// answer. Without an answer within `within`, the result is `Unknown`.
    async fn request(
        &self,
        pass: &WorkspacePass,
        to: &str,
        request: Bytes,
        within: Duration,
    ) -> Result<Bytes, TransportError>;

    /// Serves the workspace under `name` until `until` completes. Requests that are under way then
    /// are still delivered before the stream ends. A name consists of letters, digits and `-`. No
    /// two servers may use one name.
    async fn serve(
        &self,
        pass: &WorkspacePass,
        name: &str,
        until: BoxFuture<'static, ()>,
    ) -> Result<BoxStream<'static, IncomingRequest>, PortError>;

    /// Publishes to all subscribers. Succeeds without any.
    async fn publish(&self, pass: &WorkspacePass, message: Bytes) -> Result<(), PortError>;

    /// Receives published messages until the stream is dropped. Messages that arrive faster than
    /// they are read are lost.
    async fn subscribe(&self, pass: &WorkspacePass) -> Result<BoxStream<'static, Bytes>, PortError>;
}
