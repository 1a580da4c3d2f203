//! The types that all other crates share: identifiers, samples, events, anomalies and time.
//!
//! Nothing here does I/O, reads a clock or draws random numbers. It imports no other Earcon crate.

pub mod anomaly;
pub mod batch;
pub mod clock;
pub mod deletion;
pub mod detector;
pub mod event;
pub mod ids;
pub mod incident;
pub mod meaning;
pub mod quantity;
pub mod sample;
pub mod series_table;
mod severity;
mod small;
mod timestamp;
pub mod wording;

pub use anomaly::{Acknowledgement, Anomaly, AnomalyId, Direction, EpisodeEnd, Feature, Feedback, FeedbackOutcome};
pub use batch::{AheadOfClock, Arrival, KpiBatch, Reading, RejectedRow, Rows, SeriesBatch, TooOld};
pub use clock::{Clock, ManualClock, NotBefore};
pub use deletion::{Deletion, DeletionScope};
pub use detector::{DetectorEntry, DetectorRef, DetectorSlots, TrainedSeries};
pub use event::{
    AnomalyEvent, CounterSamples, DetectorEvent, Event, EventBody, EventType, IncidentEvent, JobId, KpiEvent,
    LooksLike, RunId, ScoredSamples, SeriesEvent, SeriesSamples, SeriesStatus, Subject,
};
pub use ids::{IdError, KpiName, Labels, OrganisationId, Seq, SeriesId, WorkspaceId, WorkspaceKey};
pub use incident::{Incident, IncidentId, Link, Member, TimelineEntry, TimelineKind};
pub use meaning::Meaning;
pub use sample::{Features, Sample, ScoredSample};
pub use series_table::SeriesTable;
pub use severity::Severity;
pub use timestamp::rfc3339;
