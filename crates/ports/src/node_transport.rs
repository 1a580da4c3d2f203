//! Questions from one node to another about a workspace, whoever owns it at the moment.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

use super::PortError;
use earcon_tenancy::WorkspacePass;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Nobody owns the workspace right now. The question was not delivered: asking again is safe.
    #[error("no node answers for the workspace right now")]
    Nobody,
    /// The question may have been delivered, the answer did not come.
    #[error("the node that owns the workspace did not answer: {0}")]
    Lost(String),
    /// The question is larger than a message may be.
    #[error("{0} bytes are too many for one message")]
    TooLarge(usize),
}

/// A question somebody asked this node.
pub struct Question {
    /// What is asked.
    pub body: Bytes,
    /// Sends the answer; dropped unused, the asker waits in vain until it gives up.
    pub answer: Box<dyn FnOnce(Bytes) + Send>,
}

/// Carries questions and calls between nodes. What the bytes mean is the nodes' business.
#[async_trait]
pub trait NodeTransport: Send + Sync + 'static {
    /// The most bytes a question, an answer or a call may have.
    fn max_bytes(&self) -> usize;

    /// Asks whoever answers for the workspace.
    async fn ask(&self, pass: &WorkspacePass, question: Bytes) -> Result<Bytes, TransportError>;

    /// Answers for the workspace until `until` completes; questions that are on their way then are still delivered, before
    /// the stream ends.
    async fn answer(
        &self,
        pass: &WorkspacePass,
        until: BoxFuture<'static, ()>,
    ) -> Result<BoxStream<'static, Question>, PortError>;

    /// Calls something out to all who hear; nobody hearing is fine.
    async fn call(&self, pass: &WorkspacePass, message: Bytes) -> Result<(), PortError>;

    /// Hears what is called out, until the stream is dropped. What comes faster than it is read is lost.
    async fn hear(&self, pass: &WorkspacePass) -> Result<BoxStream<'static, Bytes>, PortError>;
}
