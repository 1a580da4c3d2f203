//! From anomalies to incidents, and which of them anybody is alerted of.
//!
//! Pure: events of the log and the wall time come in, decisions come out as events that the [`Desk`] asks to be written. An
//! anomaly joins an open incident when it began near it in time *and* something links the two; see [`earcon_model::Link`]
//! for what does. How many incidents a day are alerted is up to the [`Budget`]. The state can be [saved](Desk::save), and
//! brought to the end of the log by replaying what came after.

mod acquaintance;
mod budget;
mod burst;
mod case;
mod desk;
mod population;

pub use budget::{Budget, DAY_MS, Verdict};
pub use desk::{Decision, Desk, DeskSettings, RestoreError};
pub use population::Population;
