//! Where samples come from when nobody posts them: this machine, and files that are replayed.
//!
//! A source only produces [`SourceSample`]s, or posts them to a server over HTTP as any other client would. Deliberately
//! absent: actors and scoring (a source cannot know what reads it), and a schedule (whoever owns a source calls it).

use crate::model::{KpiName, Labels, Sample};

pub mod csv;
pub mod host;
pub mod host_feed;
pub mod post;
pub mod replay;

/// One sample with the series it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSample {
    /// The KPI that was measured.
    pub kpi: KpiName,
    /// Which series of the KPI.
    pub labels: Labels,
    /// When, and how much.
    pub sample: Sample,
}
