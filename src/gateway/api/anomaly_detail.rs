//! One anomaly with its explanation, `GET …/anomalies/{id}`, and its picture.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use xxhash_rust::xxh3::xxh3_64;

use crate::explain::picture::{HEIGHTS, Size, Theme, WIDTHS};
use crate::explain::rarity::period;
use crate::gateway::api::anomalies::find;
use crate::gateway::api::state::ApiState;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::problem::Problem;
use crate::gateway::http::query::{Params, bad};
use crate::gateway::http::reply::json;
use crate::live::wire::{Peak, WireAnomaly, label_map};
use crate::services::anomalies::chart::{ChartFormat, ChartStyle};
use crate::services::anomalies::explanation::{Explanation, MuteInForce};
use earcon_model::{Anomaly, Feature};

const DEFAULT_SIZE: Size = Size { width: 900, height: 360 };

/// An anomaly and its explanation.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExplainedAnomaly<'a> {
    #[serde(flatten)]
    anomaly: WireAnomaly<'a>,
    explanation: WireExplanation<'a>,
    /// The mute that holds for its series now.
    mute: Option<InForce<'a>>,
}

/// A mute that holds.
#[derive(Serialize, ToSchema)]
pub(crate) struct InForce<'a> {
    id: &'a str,
    name: &'a str,
    reason: Option<&'a str>,
    until: i64,
}

impl<'a> InForce<'a> {
    fn from_mute(mute: &'a MuteInForce) -> Self {
        Self { id: &mute.id, name: &mute.name, reason: mute.reason.as_deref(), until: mute.until_ms }
    }
}

/// The explanation of an anomaly.
#[derive(Serialize, ToSchema)]
#[schema(as = Explanation)]
pub(crate) struct WireExplanation<'a> {
    /// The anomaly's sentence and the comparison. Times are UTC.
    sentence: &'a str,
    /// How its value compares with history, in a sentence; null if that says nothing of it.
    comparison: Option<&'a str>,
    /// The unusual feature: `robust_z`, `residual_z`, `volatility`, `slope` or `loss`.
    #[schema(value_type = String)]
    feature: Feature,
    #[schema(value_type = Option<f64>)]
    expected: Option<f64>,
    actual: f64,
    /// Lower and upper edge of the expected range.
    #[schema(value_type = Option<Vec<f64>>)]
    band: Option<[f64; 2]>,
    /// How the peak compares with the values of this hour of the day; null when history has none.
    rarity: Option<WireRarity<'a>>,
    since: i64,
    similar: Vec<Similar<'a>>,
}

impl<'a> WireExplanation<'a> {
    fn from_explanation(anomaly: &Anomaly, found: &'a Explanation) -> Self {
        let band = [anomaly.peak_lower, anomaly.peak_upper];
        Self {
            sentence: &found.sentence,
            comparison: found.comparison.as_deref(),
            feature: anomaly.reason,
            expected: anomaly.peak_expected.is_finite().then_some(anomaly.peak_expected),
            actual: anomaly.peak_value,
            band: band.iter().all(|edge| edge.is_finite()).then_some(band),
            rarity: found.rarity.as_ref().map(|rarity| WireRarity {
                percent: rarity.percent,
                of_samples: rarity.of_samples,
                days: rarity.days,
                period: period(rarity.days),
                hour_of_day: found.hour_of_day,
                time_zone: &found.time_zone,
            }),
            since: anomaly.opened_at_ms,
            similar: found.similar.iter().map(Similar::from_anomaly).collect(),
        }
    }
}

/// How a value compares with those of the same hour of the last four weeks.
#[derive(Serialize, ToSchema)]
#[schema(as = Rarity)]
pub(crate) struct WireRarity<'a> {
    /// Of a hundred samples, how many are less extreme; cut off after two decimals.
    percent: f64,
    /// Samples that were compared.
    of_samples: u64,
    /// Days with samples, at most 29.
    days: u32,
    /// `last 4 weeks`, or the part of them with samples.
    period: String,
    /// 0 to 23, in `time_zone`.
    hour_of_day: i64,
    time_zone: &'a str,
}

/// A similar past episode.
#[derive(Serialize, ToSchema)]
pub(crate) struct Similar<'a> {
    id: String,
    #[schema(value_type = BTreeMap<String, String>)]
    labels: BTreeMap<&'a str, &'a str>,
    opened_at: i64,
    closed_at: Option<i64>,
    peak: Peak,
    /// `real`, `false`, `acknowledged` or `none`.
    outcome: &'static str,
}

impl<'a> Similar<'a> {
    fn from_anomaly(anomaly: &'a Anomaly) -> Self {
        let outcome = match (&anomaly.feedback, &anomaly.acknowledged) {
            (Some(feedback), _) => feedback.outcome.as_str(),
            (None, Some(_)) => "acknowledged",
            (None, None) => "none",
        };
        Self {
            id: anomaly.id.to_string(),
            labels: label_map(&anomaly.labels),
            opened_at: anomaly.opened_at_ms,
            closed_at: anomaly.closed_at_ms,
            peak: Peak::from_anomaly(anomaly),
            outcome,
        }
    }
}

/// One anomaly and its explanation, from its own numbers, the last four weeks of its series, and
/// similar episodes.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/anomalies/{id}", tag = "anomalies",
    params(("workspace" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = ExplainedAnomaly), (status = 404, description = "no such anomaly")))]
pub(crate) async fn one(
    State(state): State<ApiState>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let workspace = authorized.workspace(&state).await?;
    let anomaly = find(&state, &authorized, &workspace, &id).await?;
    let found = state.anomalies.explain(authorized.pass(), workspace.hub(), &anomaly).await?;
    let mute = found.mute.as_ref().map(InForce::from_mute);
    let explanation = WireExplanation::from_explanation(&anomaly, &found);
    Ok(json(&ExplainedAnomaly { anomaly: WireAnomaly::from_anomaly(&anomaly), explanation, mute }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PictureParams {
    /// Pixels, 240 to 2,400; 900 when absent.
    width: Option<u32>,
    /// Pixels, 160 to 1,200; 360 when absent.
    height: Option<u32>,
    /// `light` or `dark`; when absent an SVG follows the reader's system, and a PNG is light.
    theme: Option<String>,
}

/// A picture of the time around an anomaly, as SVG.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/anomalies/{id}/picture.svg", tag = "anomalies",
    params(("workspace" = String, Path), ("id" = String, Path), PictureParams),
    responses((status = 200, content_type = "image/svg+xml", body = String), (status = 304, description = "not modified"),
        (status = 400, description = "bad parameter"), (status = 404, description = "no such anomaly")))]
pub(crate) async fn as_svg(
    state: State<ApiState>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
    Params(params): Params<PictureParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    picture(state.0, authorized, &id, params, &headers, ChartFormat::Svg).await
}

/// A picture of the time around an anomaly, as PNG.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/anomalies/{id}/picture.png", tag = "anomalies",
    params(("workspace" = String, Path), ("id" = String, Path), PictureParams),
    responses((status = 200, content_type = "image/png", body = Vec<u8>), (status = 304, description = "not modified"),
        (status = 400, description = "bad parameter"), (status = 404, description = "no such anomaly")))]
pub(crate) async fn as_png(
    state: State<ApiState>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
    Params(params): Params<PictureParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    picture(state.0, authorized, &id, params, &headers, ChartFormat::Png).await
}

async fn picture(
    state: ApiState,
    authorized: Authorized,
    id: &str,
    params: PictureParams,
    headers: &HeaderMap,
    format: ChartFormat,
) -> Result<Response, Problem> {
    let size = size(&params)?;
    let theme = match params.theme.as_deref() {
        None | Some("auto") => Theme::Auto,
        Some("light") => Theme::Light,
        Some("dark") => Theme::Dark,
        Some(_) => return Err(bad("theme must be light or dark")),
    };
    let workspace = authorized.workspace(&state).await?;
    let anomaly = find(&state, &authorized, &workspace, id).await?;
    let chart = state.anomalies.chart(authorized.pass(), &anomaly, ChartStyle { size, theme, format }).await?;
    let etag = format!("\"{:016x}\"", xxh3_64(&chart.bytes));
    let cache_control = if chart.will_change { "private, no-cache" } else { "private, max-age=300" };
    let asked = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let same = asked.split(',').any(|one| one.trim().trim_start_matches("W/") == etag);
    let mut response = match (same, format) {
        (true, _) => StatusCode::NOT_MODIFIED.into_response(),
        (false, ChartFormat::Svg) => ([(header::CONTENT_TYPE, "image/svg+xml")], chart.bytes).into_response(),
        (false, ChartFormat::Png) => ([(header::CONTENT_TYPE, "image/png")], chart.bytes).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    Ok(response)
}

fn size(params: &PictureParams) -> Result<Size, Problem> {
    let width = params.width.unwrap_or(DEFAULT_SIZE.width);
    let height = params.height.unwrap_or(DEFAULT_SIZE.height);
    if !WIDTHS.contains(&width) || !HEIGHTS.contains(&height) {
        let (widths, heights) = (WIDTHS, HEIGHTS);
        return Err(bad(&format!(
            "width must be {} to {} and height {} to {}",
            widths.start(),
            widths.end(),
            heights.start(),
            heights.end()
        )));
    }
    Ok(Size { width, height })
}

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(one)).routes(routes!(as_svg)).routes(routes!(as_png))
}
