//! From anomalies to incidents, and which of them anybody is alerted of.
//!
//! Pure: events of the log and the wall time come in, decisions come out as events that the [`IncidentEngine`] asks to be written. An
//! anomaly joins an open incident when it began near it in time *and* something links the two; see [`earcon_model::Link`]
//! for what does. How many incidents a day are alerted is up to the [`Budget`]. The state can be [saved](IncidentEngine::save), and
//! brought to the end of the log by replaying what came after.

mod budget;
mod burst;
mod cooccurrence;
mod engine;
mod inventory;
mod state;

pub use budget::{Budget, DAY_MS, Verdict};
pub use engine::{IncidentEngine, IncidentSettings, RestoreError};
pub use inventory::SeriesInventory;
