//! The experiment of a workspace, and the jobs that train detectors.
//!
//! **Owns** the plan of which detectors score which KPI, the evidence that streams reported since
//! it was last saved, and the training job that runs. **A crash loses** the last seconds of
//! evidence. **Restarts from** the records in the meta store, together with the workspace; which
//! detector a KPI has is in the log. All decisions are in
//! [`Experiment`](crate::experiments::Experiment); the actor gives them time, evidence and streams.
//! People change the records from any node and [wake](Experiments::wake) the owner's actor.
//!
//! Without an experiment and a training job it sleeps.

pub(super) mod actor;
mod handle;
mod trainer;

pub use handle::{Assignment, Experiments};
