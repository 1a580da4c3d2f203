//! The ports: traits through which the server uses storage, messaging, other nodes and servers of
//! others. Each that has several adapters has a contract suite (`earcon-contract`) that they run.
//!
//! Every method that touches tenant data takes a [`WorkspacePass`](earcon_tenancy::WorkspacePass)
//! and sees only that workspace. Accounts are no workspace's data: their methods take an
//! [`AccountsPass`](earcon_tenancy::AccountsPass). Methods may block on I/O only inside the future
//! they return. Adapters move blocking work off the runtime.

mod account_store;
mod audit_log;
mod epochs;
mod error;
mod event_log;
mod http_client;
mod meta_store;
mod node_transport;
mod publisher;
mod registry;
mod secret;
mod series_store;
mod snapshot_store;

pub use account_store::AccountStore;
pub use audit_log::{AuditLine, AuditLog};
pub use epochs::{EpochStart, Epochs};
pub use error::{ErrorKind, PortError};
pub use event_log::{EventLog, Followed, Following, LogHead, OPENING_RECORD, Page, SharedLog};
pub use http_client::{
    HttpAnswer, HttpBody, HttpClient, HttpError, HttpErrorKind, HttpLimits, HttpRequest, Repeat, origin,
};
pub use meta_store::{DELETING_RECORD, MetaRecord, MetaStore, Revision};
pub use node_transport::{IncomingRequest, NodeTransport, TransportError};
pub use publisher::{Connection, Publication, Publisher};
pub use registry::{Change, Registry, Watch};
pub use secret::Secret;
pub use series_store::{
    AnomalyFilter, Rollup, RollupSeries, SampleRow, SampleSeries, SeriesQuery, SeriesStore, StoredBatch,
};
pub use snapshot_store::{Snapshot, SnapshotStore};
