//! Groups anomalies into incidents and decides which are alerted; the decisions are pure
//! ([`crate::incidents`]).
//!
//! **Owns** the [`IncidentEngine`](crate::incidents::IncidentEngine). It follows the log like a
//! cursor consumer, off the path of samples. It appends the incident events it decides on and waits
//! for each commit before it reads on. **A crash loses** nothing: recovery loads the last saved
//! state and replays the log after it, including the incident events. A decision that is not in the
//! log was not announced and is made again. If the engine panics, it begins empty at the next
//! event, and the workspace runs on.

pub(super) mod actor;
mod handle;
mod recorder;
mod restore;

pub use handle::Incidents;
pub use restore::EngineReplay;
