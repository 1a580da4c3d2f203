//! What a consumer does with events.

use std::future::Future;
use std::sync::Arc;

use crate::actors::hub::EventBatch;
use earcon_model::{Event, Seq};
use earcon_ports::PortError;
use earcon_tenancy::WorkspacePass;

/// Receives the events of one workspace.
pub trait Handler: Send + Sync + 'static {
    /// Its name in logs.
    fn name(&self) -> &'static str;
    /// The last event whose effects are durable.
    fn cursor(&self, pass: &WorkspacePass) -> impl Future<Output = Result<Seq, PortError>> + Send;
    /// Applies events; applying an event twice must change nothing.
    fn handle(
        &self,
        pass: &WorkspacePass,
        events: Vec<Arc<Event>>,
    ) -> impl Future<Output = Result<(), PortError>> + Send;
    /// Applies the events of a live batch that come after `handled`. Handlers that can use the
    /// encodings the batch shares with other followers override it.
    fn handle_live(
        &self,
        pass: &WorkspacePass,
        batch: &EventBatch,
        handled: Seq,
    ) -> impl Future<Output = Result<(), PortError>> + Send {
        self.handle(pass, batch.events().filter(|event| event.seq > handled).cloned().collect())
    }
    /// Makes everything handled durable; returns the cursor.
    fn flush(&self, pass: &WorkspacePass) -> impl Future<Output = Result<Seq, PortError>> + Send;
}
