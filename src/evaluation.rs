//! Evaluates a detector on labelled series and on anomaly-free data.
//!
//! Each sample goes through [`KpiState::push`](earcon_streams::KpiState::push), the code that
//! scores live samples, as if it arrived at its own timestamp. Neither the range nor the length of
//! a series is known beforehand. An alert is an episode that opens, or an open episode whose
//! surprise has clearly grown, as in the product.
//!
//! Pure like the modules it evaluates: it imports `streams` and `model` and reads no files.

mod baselines;
mod constructed;
mod events;
pub mod metrics;
pub mod nab;
mod null_data;
mod plot;
mod run;
mod traps;

pub use baselines::Baseline;
pub use constructed::{CONSTRUCTED_KINDS, ConstructedKind};
pub use events::Events;
pub use null_data::{NULL_KINDS, NullKind};
pub use plot::plot;
pub use run::{LabelledSeries, RowOutcome, Run, run};
pub use traps::{GATE_SEED, TRAP_KINDS, TrapKind};
