//! Trying a detector out before it is trusted: what is compared, how far a candidate has come, and when it has to go.
//!
//! A candidate runs in the *shadow* of the live detector, on the same samples. Promoted, it becomes live for a growing share of the
//! KPIs (the *canary*), with the former detector in its shadow, so that the way back is as warm as the way there. It is rolled
//! back by itself when it alerts more, or takes longer, than the policy allows.
//!
//! Pure: times and measurements come in as numbers. Deliberately absent: streams, stores, and what carries a decision out.

mod agreement;
mod evidence;
mod experiment;
mod plan;
mod policy;
mod rules;
mod training;

pub use agreement::Agreement;
pub use evidence::{Arm, Cost, Evidence, FeedbackCounts, Latencies, Tally};
pub use experiment::{Experiment, NotNow, Stage, Step};
pub use plan::{DetectorAssignment, Plan, Trial};
pub use policy::{Limits, Policy, PolicyProblem};
pub use rules::{Decision, rate_at_least, rate_at_most};
pub use training::{JobState, Progress, TrainingJob};
