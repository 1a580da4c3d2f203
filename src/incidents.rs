//! Groups anomalies into incidents and decides which of them are alerted.
//!
//! Pure: events of the log and the wall time come in, events to append come out of the
//! [`IncidentEngine`]. An anomaly joins an open incident if it began near it in time *and* is
//! linked to it. [`earcon_model::Link`] lists the links. The [`Budget`] limits how many incidents a
//! day are alerted. The state can be [saved](IncidentEngine::save). After a restart the events
//! behind the saved state are replayed.

mod budget;
mod burst;
mod cooccurrence;
mod engine;
mod inventory;
mod settings;
mod state;

pub use budget::{AlertDecision, Budget, DAY_MS};
pub use engine::{IncidentEngine, RestoreError};
pub use inventory::SeriesInventory;
pub use settings::IncidentSettings;
