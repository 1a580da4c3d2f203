//! The JSON of `docs/protocol.md`. The hub uses it for events, the gateway for answers.
//!
//! NaN in the model (no expected value yet) is `null` on the wire.

mod anomaly;
mod control;
mod detector;
mod envelope;
mod incident;
mod kpi;
mod labels;
mod series;
mod snapshot;
mod too_old;

pub use anomaly::{Peak, WireAcknowledgement, WireAnomaly, WireFeedback};
pub use control::{epoch_json, error_json, gap_json, subscribed_json, to_json};
pub(super) use envelope::Data;
pub use envelope::{Rated, event_json, event_json_rated};
pub use incident::{WireFirst, WireIncident, WireMember, WireTimelineEntry};
pub use kpi::{WireKpi, WireSeries};
pub use labels::label_map;
pub use series::{SAMPLE_COLUMNS, Warming, WireFeatures};
pub use snapshot::snapshot_json;
pub use too_old::WireTooOld;
