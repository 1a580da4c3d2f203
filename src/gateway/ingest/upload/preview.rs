//! The answer to a dry run: what would become of a file.

use serde::Serialize;

use crate::live::wire::label_map;
use crate::sources::admissible::WouldRefuse;
use crate::sources::chunks::Preview;
use earcon_tables::{Description, SourceSample};

/// Samples and problems that the answer lists.
const LISTED: usize = 20;

/// What would become of a file.
#[derive(Serialize)]
pub(super) struct PreviewAnswer {
    dry_run: bool,
    #[serde(flatten)]
    description: Description,
    /// Samples in the first hundred rows.
    samples_total: usize,
    /// The first of them.
    samples: Vec<PreviewSample>,
    /// Rows and cells among the first hundred rows that would be skipped.
    skipped: u64,
    problems: Vec<String>,
    /// Samples among them that would be refused, because they are too old or too far ahead.
    refused: usize,
    /// The first of them, each with its reason.
    refusals: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

#[derive(Serialize)]
struct PreviewSample {
    kpi: String,
    labels: serde_json::Value,
    timestamp: i64,
    /// RFC 3339, UTC.
    time: String,
    value: f64,
}

impl PreviewAnswer {
    pub(super) fn new(preview: Preview, refused: WouldRefuse) -> Self {
        let Preview { description, samples, problems, warning } = preview;
        Self {
            dry_run: true,
            description,
            samples_total: samples.len(),
            samples: samples.iter().take(LISTED).map(PreviewSample::from).collect(),
            skipped: problems.total(),
            problems: problems.first().iter().take(LISTED).map(ToString::to_string).collect(),
            refused: refused.count,
            refusals: refused.reasons,
            warning,
        }
    }
}

impl From<&SourceSample> for PreviewSample {
    fn from(one: &SourceSample) -> Self {
        let timestamp = one.sample.timestamp_ms;
        Self {
            kpi: one.kpi.to_string(),
            labels: serde_json::json!(label_map(&one.labels)),
            timestamp,
            time: jiff::Timestamp::from_millisecond(timestamp).map_or_else(|_| String::new(), |time| time.to_string()),
            value: one.sample.value,
        }
    }
}
