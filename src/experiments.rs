//! Experiments with detectors: their measurements, their stages, and when a candidate is rolled
//! back.
//!
//! A candidate runs in the *shadow* of the live detector, on the same samples. Promoted, it becomes
//! live for a growing share of the KPIs (the *canary*). The former detector runs in its shadow
//! then, so that it is warm if it becomes live again. A candidate is rolled back automatically if
//! it alerts more often, or takes longer, than the policy allows.
//!
//! Pure: times and measurements come in as numbers. Streams, stores and the execution of decisions
//! belong elsewhere.

mod agreement;
mod evidence;
mod experiment;
mod plan;
mod policy;
mod rules;
mod training;
mod trial;

pub use agreement::Agreement;
pub use evidence::{Arm, Cost, Evidence, FeedbackCounts, Latencies, Tally};
pub use experiment::{Experiment, NotNow, Stage, Step};
pub use plan::{DetectorAssignment, Plan};
pub use policy::{Limits, Policy, PolicyProblem};
pub use rules::{Decision, rate_at_least, rate_at_most};
pub use training::{JobState, Progress, TrainingJob};
pub use trial::Trial;
