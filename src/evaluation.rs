//! How good a detector is: on labelled series, and on data without anything to find.
//!
//! Every sample goes through [`KpiState::push`](earcon_streams::KpiState::push), the code that scores live samples, one after
//! another and each as if it arrived at its own timestamp: nothing is known of a series beforehand, neither its range nor its length.
//! What counts as an alert is what the product would tell: an episode that opens, or an open one whose surprise has clearly grown.
//!
//! Pure like the modules it judges: it imports `streams` and `model` and reads no files.

mod constructed;
pub mod metrics;
pub mod nab;
mod null_data;
mod plot;
mod run;

pub use constructed::{CONSTRUCTED_KINDS, ConstructedKind};
pub use null_data::{NULL_KINDS, NullKind};
pub use plot::plot;
pub use run::{LabelledSeries, Run, run};
