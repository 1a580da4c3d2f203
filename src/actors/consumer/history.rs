//! Samples, scores and anomalies to the series store, for queries.

use std::sync::Arc;

use super::handler::Handler;
use earcon_model::{Event, Seq};
use earcon_ports::{PortError, SeriesStore, StoredBatch};
use earcon_tenancy::WorkspacePass;

/// Fills a [`SeriesStore`].
pub struct History(pub Arc<dyn SeriesStore>);

impl Handler for History {
    fn name(&self) -> &'static str {
        "history"
    }

    async fn cursor(&self, pass: &WorkspacePass) -> Result<Seq, PortError> {
        self.0.cursor(pass).await
    }

    async fn handle(&self, pass: &WorkspacePass, events: Vec<Arc<Event>>) -> Result<(), PortError> {
        self.0.apply(pass, StoredBatch { events }).await
    }

    async fn flush(&self, pass: &WorkspacePass) -> Result<Seq, PortError> {
        self.0.flush(pass).await
    }
}
