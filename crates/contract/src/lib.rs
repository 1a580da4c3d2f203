//! The contract suites: the required behaviour of every adapter of a port. Each adapter's tests run
//! them.
//!
//! A suite only checks behaviour that the port's documentation states. It may run against a store
//! that others use too: every case works in a workspace of its own.

mod account_store;
mod audit_log;
mod event_log;
mod meta_store;
mod registry;
mod series_store;
mod snapshot_store;

pub use account_store::account_store;
pub use audit_log::audit_log;
pub use event_log::{event_log, shared_log};
pub use meta_store::meta_store;
pub use registry::registry;
pub use series_store::{Extent, Reopen, random_histories, series_store};
pub use snapshot_store::snapshot_store;

use earcon_model::{Labels, WorkspaceId, WorkspaceKey};
use earcon_tenancy::{Authorizer, WorkspacePass};

/// A pass for a workspace that is not in use.
fn fresh() -> WorkspacePass {
    let name = format!("contract-{}", uuid::Uuid::new_v4().simple());
    Authorizer::new().system(&WorkspaceId::new(&name).expect("the name keeps the rule"))
}

/// A pass for the workspace that has the name of `pass` after it was deleted.
fn next_generation(pass: &WorkspacePass) -> WorkspacePass {
    let key = WorkspaceKey::new(pass.workspace().clone(), pass.key().generation() + 1);
    Authorizer::new().system_in(key)
}

fn labels(text: &str) -> Labels {
    Labels::parse(text).expect("the labels keep the rule")
}
