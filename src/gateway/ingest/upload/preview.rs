//! The answer to a dry run: what would become of a file.

use serde::Serialize;

use crate::live::wire::label_map;
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
    skipped: usize,
    problems: Vec<String>,
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

impl From<Preview> for PreviewAnswer {
    fn from(preview: Preview) -> Self {
        let Preview { description, samples, problems, warning } = preview;
        Self {
            dry_run: true,
            description,
            samples_total: samples.len(),
            samples: samples.iter().take(LISTED).map(PreviewSample::from).collect(),
            skipped: problems.len(),
            problems: problems.iter().take(LISTED).map(ToString::to_string).collect(),
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
