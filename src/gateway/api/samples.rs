//! `GET …/kpis/{kpi}/samples`: raw rows, or rollups when a step is given.

use axum::extract::{Path, State};
use axum::response::Response;
use serde::ser::SerializeTuple;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::gateway::api::kpis::no_such_kpi;
use crate::gateway::api::state::ApiState;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::problem::{Problem, restarting};
use crate::gateway::http::query::{self, Params, bad};
use crate::gateway::http::reply::json;
use crate::live::wire::{SAMPLE_COLUMNS, label_map};
use earcon_ports::{Rollup, SampleRow, SeriesQuery};

const ROLLUP_COLUMNS: [&str; 8] = ["timestamp", "count", "min", "max", "mean", "last", "max_score", "anomalies"];
const HOUR_MS: i64 = 3_600_000;
const DEFAULT_LIMIT: usize = 10_000;
const MAX_LIMIT: usize = 100_000;
/// Rollup rows one answer may have a series.
const MAX_STEPS: i64 = 20_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct SamplesParams {
    /// First time wanted, inclusive; one hour before `to` when absent.
    from: Option<String>,
    /// First time not wanted; now when absent.
    to: Option<String>,
    /// `region:eu,zone:a`: series that carry all of these.
    labels: Option<String>,
    /// Width of a rollup row in milliseconds, at least 1,000; absent: raw samples.
    step: Option<i64>,
    /// Most rows a series, raw samples only.
    #[serde(default, deserialize_with = "query::saturating")]
    limit: Option<usize>,
}

/// Rows of each series; `columns` names their fields.
/// How long a query waits for a history that reads what it missed. The samples of the last
/// `flush_seconds` are read within a fraction of it.
const HISTORY_PATIENCE: Duration = Duration::from_secs(2);

#[derive(Serialize, ToSchema)]
#[schema(as = Samples)]
pub(crate) struct Samples<'a> {
    kpi: &'a str,
    columns: Vec<&'static str>,
    #[schema(inline)]
    series: Vec<Rows<'a>>,
}

#[derive(Serialize, ToSchema)]
struct Rows<'a> {
    #[schema(value_type = BTreeMap<String, String>)]
    labels: BTreeMap<&'a str, &'a str>,
    #[schema(value_type = Vec<Vec<Option<f64>>>)]
    samples: Vec<Row>,
    /// More matched than `limit`; ask again from after the last.
    truncated: bool,
}

enum Row {
    Raw(SampleRow),
    Rollup(Rollup),
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Row::Raw(sample) => {
                let mut row = serializer.serialize_tuple(SAMPLE_COLUMNS.len())?;
                row.serialize_element(&sample.timestamp_ms)?;
                row.serialize_element(&sample.value)?;
                row.serialize_element(&sample.score)?;
                row.serialize_element(&sample.expected)?;
                row.serialize_element(&sample.lower)?;
                row.serialize_element(&sample.upper)?;
                row.end()
            }
            Row::Rollup(rollup) => {
                let mut row = serializer.serialize_tuple(ROLLUP_COLUMNS.len())?;
                row.serialize_element(&rollup.start_ms)?;
                row.serialize_element(&rollup.count)?;
                row.serialize_element(&rollup.min)?;
                row.serialize_element(&rollup.max)?;
                row.serialize_element(&rollup.mean)?;
                row.serialize_element(&rollup.last)?;
                row.serialize_element(&rollup.max_score)?;
                row.serialize_element(&rollup.anomalies)?;
                row.end()
            }
        }
    }
}

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(samples))
}

/// The history of a KPI.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/kpis/{kpi}/samples", tag = "kpis",
    params(("workspace" = String, Path), ("kpi" = String, Path), SamplesParams),
    responses((status = 200, body = Samples), (status = 400, description = "bad parameter"), (status = 404, description = "no such KPI")))]
pub(crate) async fn samples(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, kpi)): Path<(String, String)>,
    Params(params): Params<SamplesParams>,
) -> Result<Response, Problem> {
    let workspace = authorized.workspace(&state).await?;
    let kpi = query::kpi(&kpi)?;
    let to_ms = query::time("to", params.to.as_deref())?.unwrap_or_else(|| state.clock.now_ms() + 1);
    let from_ms = query::time("from", params.from.as_deref())?.unwrap_or(to_ms.saturating_sub(HOUR_MS));
    if from_ms >= to_ms {
        return Err(bad("from must be before to"));
    }
    let labels = query::labels(params.labels.as_deref())?;
    let query = SeriesQuery { kpi: kpi.clone(), labels, from_ms, to_ms };
    let pass = authorized.pass();
    if workspace.hub().kpi(kpi.clone()).await.ok_or_else(restarting)?.is_none() {
        return Err(no_such_kpi(kpi.as_str()));
    }
    workspace.wait_for_history(HISTORY_PATIENCE).await;
    match params.step {
        None => {
            let limit = params.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
            let series = state.series_store.samples(pass, &query, limit).await?;
            let rows = series
                .iter()
                .map(|series| Rows {
                    labels: label_map(&series.labels),
                    samples: series.rows.iter().copied().map(Row::Raw).collect(),
                    truncated: series.truncated,
                })
                .collect();
            Ok(json(&Samples { kpi: kpi.as_str(), columns: SAMPLE_COLUMNS.to_vec(), series: rows }))
        }
        Some(step_ms) => {
            check_step(step_ms, from_ms, to_ms)?;
            let series = state.series_store.rollups(pass, &query, step_ms).await?;
            let rows = series
                .iter()
                .map(|series| Rows {
                    labels: label_map(&series.labels),
                    samples: series.rows.iter().copied().map(Row::Rollup).collect(),
                    truncated: false,
                })
                .collect();
            Ok(json(&Samples { kpi: kpi.as_str(), columns: ROLLUP_COLUMNS.to_vec(), series: rows }))
        }
    }
}

fn check_step(step_ms: i64, from_ms: i64, to_ms: i64) -> Result<(), Problem> {
    if step_ms < 1_000 {
        return Err(bad("step must be at least 1000 milliseconds"));
    }
    if to_ms.saturating_sub(from_ms) / step_ms > MAX_STEPS {
        return Err(bad(&format!("from, to and step make more than {MAX_STEPS} rows; use a larger step")));
    }
    Ok(())
}
