//! Why an anomaly is one, from history: `GET …/anomalies/{id}` with its explanation, and its picture.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use xxhash_rust::xxh3::xxh3_64;

use crate::actors::directory::Workspace;
use crate::explain::picture::{HEIGHTS, Point, Size, Subject, Theme, WIDTHS, lay_out, png, svg};
use crate::explain::rarity::{Counting, Rarity, hours, period, words};
use crate::explain::similar::similar;
use crate::gateway::api::anomalies::find;
use crate::gateway::api::state::ApiState as Gateway;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::problem::{Kind, Problem, restarting};
use crate::gateway::http::query::{Params, bad};
use crate::gateway::http::reply::json;
use crate::live::sentence::{count, sentence};
use crate::live::wire::{Peak, WireAnomaly, label_map};
use earcon_model::{Anomaly, Feature, WorkspaceId};
use earcon_ports::{AnomalyFilter, SeriesQuery};
use earcon_tenancy::WorkspacePass;

/// Rows that are read of one hour, of all series that the labels match.
const HOUR_ROWS: usize = 4_000;
/// Hours that are read at a time.
const AT_ONCE: usize = 4;
/// Past episodes that are compared.
const COMPARED: usize = 200;
/// Rows of a picture; beyond them, steps.
const PICTURE_ROWS: usize = 6_000;
/// Steps of a picture whose rows are too many.
const PICTURE_STEPS: i64 = 1_200;
/// Fewer rows than this are no picture: it shows more time.
const PICTURE_ENOUGH: usize = 60;
/// What is shown around an episode, at least and at most, on either side.
const LEAST_AROUND_MS: i64 = 300_000;
const MOST_AROUND_MS: i64 = 28 * 86_400_000;
const DEFAULT_SIZE: Size = Size { width: 900, height: 360 };

/// The time zones of workspaces.
#[derive(Clone)]
pub struct LocalTimes {
    usual: TimeZone,
    of: Arc<BTreeMap<WorkspaceId, TimeZone>>,
}

impl LocalTimes {
    /// `usual` is that of workspaces that are not named.
    pub fn new(usual: TimeZone, of: BTreeMap<WorkspaceId, TimeZone>) -> Self {
        Self { usual, of: Arc::new(of) }
    }

    fn of(&self, workspace: &WorkspaceId) -> LocalTime {
        LocalTime(self.of.get(workspace).unwrap_or(&self.usual).clone())
    }
}

/// The local time of a workspace.
struct LocalTime(TimeZone);

impl LocalTime {
    fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("local time")
    }

    /// The local time of a moment, in milliseconds.
    fn local_ms(&self, at_ms: i64) -> i64 {
        let offset = Timestamp::from_millisecond(at_ms).map_or(0, |at| self.0.to_offset(at).seconds());
        at_ms.saturating_add(i64::from(offset) * 1_000)
    }
}

/// An anomaly, and why it is one.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExplainedAnomaly<'a> {
    #[serde(flatten)]
    anomaly: WireAnomaly<'a>,
    explanation: Explanation<'a>,
    /// The mute that holds for its series now.
    mute: Option<InForce>,
}

/// A mute that holds.
#[derive(Serialize, ToSchema)]
pub(crate) struct InForce {
    id: String,
    name: String,
    reason: Option<String>,
    until: i64,
}

/// Why an anomaly is one.
#[derive(Serialize, ToSchema)]
pub(crate) struct Explanation<'a> {
    sentence: String,
    /// What moved: `robust_z`, `residual_z`, `volatility` or `slope`.
    #[schema(value_type = String)]
    feature: Feature,
    #[schema(value_type = Option<f64>)]
    expected: Option<f64>,
    actual: f64,
    /// Lower and upper edge of what is ordinary.
    #[schema(value_type = Option<Vec<f64>>)]
    band: Option<[f64; 2]>,
    /// How the value at the peak stands among those of this hour of the day; null when history has none.
    rarity: Option<WireRarity>,
    since: i64,
    similar: Vec<Similar<'a>>,
}

/// How a value stands among those of the same hour of the last four weeks.
#[derive(Serialize, ToSchema)]
#[schema(as = Rarity)]
pub(crate) struct WireRarity {
    /// Of a hundred samples, how many are less extreme; cut off after two decimals.
    percent: f64,
    /// Samples it rests on.
    of_samples: u64,
    /// Days that had any, at most 29.
    days: u32,
    /// `last 4 weeks`, or what is known of them.
    period: String,
    /// 0 to 23, in `time_zone`.
    hour_of_day: i64,
    time_zone: String,
}

/// A past episode like it.
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
    fn of(anomaly: &'a Anomaly) -> Self {
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
            peak: Peak::of(anomaly),
            outcome,
        }
    }
}

/// One anomaly, with why it is one: from its own numbers, from the last four weeks of its series, and from episodes like it.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/anomalies/{id}", tag = "anomalies",
    params(("workspace" = String, Path), ("id" = String, Path)),
    responses((status = 200, body = ExplainedAnomaly), (status = 404, description = "no such anomaly")))]
pub(crate) async fn one(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let workspace = authorized.workspace(&gateway).await?;
    let anomaly = find(&gateway, &authorized, &workspace, &id).await?;
    let pass = authorized.pass();
    let (rarity, past) = (rarity(&gateway, &workspace, pass, &anomaly).await?, past(&gateway, pass, &anomaly).await?);
    let mutes = gateway.muting.of(pass).await;
    let in_force = mutes.covering(&anomaly.kpi, &anomaly.labels, gateway.clock.now_ms());
    let mute = in_force.map(|found| InForce {
        id: found.mute.id().to_owned(),
        name: found.mute.name().to_owned(),
        reason: found.mute.document().reason.clone(),
        until: found.until_ms,
    });
    let local = gateway.local_times.of(pass.workspace());
    let explanation = explanation(&local, &anomaly, rarity, similar(&anomaly, &past));
    Ok(json(&ExplainedAnomaly { anomaly: WireAnomaly::of(&anomaly), explanation, mute }))
}

fn explanation<'a>(
    local: &LocalTime,
    anomaly: &Anomaly,
    rarity: Option<Rarity>,
    similar: Vec<&'a Anomaly>,
) -> Explanation<'a> {
    let mut text = sentence(anomaly);
    let of_value = matches!(anomaly.reason, Feature::RobustZ | Feature::ResidualZ);
    // What is ordinary as a value is anomalous for another reason.
    match rarity.as_ref().filter(|rarity| of_value || rarity.percent >= 90.0) {
        Some(rarity) => {
            text.push_str(" Its value was ");
            text.push_str(&words(rarity, anomaly.direction, count));
            text.push('.');
        }
        None if rarity.is_none() => text.push_str(" There is no history of this hour to compare it with."),
        None => {}
    }
    let hour_of_day = local.local_ms(anomaly.peak_at_ms).rem_euclid(86_400_000) / 3_600_000;
    let band = [anomaly.peak_lower, anomaly.peak_upper];
    Explanation {
        sentence: text,
        feature: anomaly.reason,
        expected: anomaly.peak_expected.is_finite().then_some(anomaly.peak_expected),
        actual: anomaly.peak_value,
        band: band.iter().all(|edge| edge.is_finite()).then_some(band),
        rarity: rarity.map(|rarity| WireRarity {
            percent: rarity.percent,
            of_samples: rarity.of_samples,
            days: rarity.days,
            period: period(rarity.days),
            hour_of_day,
            time_zone: local.name().to_owned(),
        }),
        since: anomaly.opened_at_ms,
        similar: similar.into_iter().map(Similar::of).collect(),
    }
}

/// Reads at most 28 hours, and of each only so many rows.
async fn rarity(
    gateway: &Gateway,
    workspace: &Workspace,
    pass: &WorkspacePass,
    anomaly: &Anomaly,
) -> Result<Option<Rarity>, Problem> {
    // Labels select every series that carries them; all of those are read, so they share the rows.
    let view = workspace.hub().kpi(anomaly.kpi.clone()).await.ok_or_else(restarting)?;
    let matching = view.map_or(1, |kpi| kpi.series.keys().filter(|labels| labels.contains(&anomaly.labels)).count());
    let limit = (HOUR_ROWS / matching.max(1)).max(20);
    let local = gateway.local_times.of(pass.workspace());
    let windows = hours(anomaly.peak_at_ms, anomaly.opened_at_ms, |at_ms| local.local_ms(at_ms));
    let read = |(from_ms, to_ms)| {
        let query = SeriesQuery { kpi: anomaly.kpi.clone(), labels: anomaly.labels.clone(), from_ms, to_ms };
        async move { gateway.series_store.samples(pass, &query, limit).await }
    };
    let counting = stream::iter(windows.into_iter().map(read)).buffered(AT_ONCE).try_fold(
        Counting::new(anomaly.peak_value, anomaly.direction),
        |mut counting, found| async move {
            for series in found.iter().filter(|series| series.labels == anomaly.labels) {
                counting.day(series.rows.iter().map(|row| row.value));
            }
            Ok(counting)
        },
    );
    Ok(counting.await?.finish())
}

/// The last episodes of the series, then of the KPI.
async fn past(gateway: &Gateway, pass: &WorkspacePass, anomaly: &Anomaly) -> Result<Vec<Anomaly>, Problem> {
    let of_kpi = AnomalyFilter {
        kpi: Some(anomaly.kpi.clone()),
        to_ms: Some(anomaly.opened_at_ms),
        limit: COMPARED,
        ..AnomalyFilter::default()
    };
    let of_series = AnomalyFilter { labels: Some(anomaly.labels.clone()), ..of_kpi.clone() };
    let mut found = gateway.series_store.anomalies(pass, &of_series).await?;
    if found.len() < COMPARED {
        found.extend(gateway.series_store.anomalies(pass, &of_kpi).await?);
    }
    Ok(found)
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
    responses((status = 200, content_type = "image/svg+xml", body = String), (status = 304, description = "as you have it"),
        (status = 400, description = "bad parameter"), (status = 404, description = "no such anomaly")))]
pub(crate) async fn as_svg(
    gateway: State<Gateway>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
    Params(params): Params<PictureParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    picture(gateway.0, authorized, &id, params, &headers, Form::Svg).await
}

/// A picture of the time around an anomaly, as PNG.
#[utoipa::path(get, path = "/api/v1/workspaces/{workspace}/anomalies/{id}/picture.png", tag = "anomalies",
    params(("workspace" = String, Path), ("id" = String, Path), PictureParams),
    responses((status = 200, content_type = "image/png", body = Vec<u8>), (status = 304, description = "as you have it"),
        (status = 400, description = "bad parameter"), (status = 404, description = "no such anomaly")))]
pub(crate) async fn as_png(
    gateway: State<Gateway>,
    authorized: Authorized,
    Path((_, id)): Path<(String, String)>,
    Params(params): Params<PictureParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    picture(gateway.0, authorized, &id, params, &headers, Form::Png).await
}

#[derive(Clone, Copy)]
enum Form {
    Svg,
    Png,
}

async fn picture(
    gateway: Gateway,
    authorized: Authorized,
    id: &str,
    params: PictureParams,
    headers: &HeaderMap,
    form: Form,
) -> Result<Response, Problem> {
    let size = size(&params)?;
    let theme = match params.theme.as_deref() {
        None | Some("auto") => Theme::Auto,
        Some("light") => Theme::Light,
        Some("dark") => Theme::Dark,
        Some(_) => return Err(bad("theme must be light or dark")),
    };
    let workspace = authorized.workspace(&gateway).await?;
    let anomaly = find(&gateway, &authorized, &workspace, id).await?;
    let (points, from_ms, to_ms) = around(&gateway, authorized.pass(), &anomaly).await?;
    let open = anomaly.closed_at_ms.is_none();
    let local = gateway.local_times.of(authorized.pass().workspace());
    // Drawing takes some milliseconds of one processor.
    let draw = move || {
        let local_ms = |at_ms| local.local_ms(at_ms);
        let subject =
            Subject { anomaly: &anomaly, points: &points, from_ms, to_ms, local_ms: &local_ms, zone: local.name() };
        let scene = lay_out(&subject, size);
        match form {
            Form::Svg => Some(svg(&scene, theme).into_bytes()),
            Form::Png => png(&scene, theme),
        }
    };
    let drawn = tokio::task::spawn_blocking(draw).await.ok().flatten();
    let bytes = drawn.ok_or_else(|| Problem::new(Kind::Internal, "the picture could not be drawn"))?;
    let etag = format!("\"{:016x}\"", xxh3_64(&bytes));
    let kept = if open { "private, no-cache" } else { "private, max-age=300" };
    let asked = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let same = asked.split(',').any(|one| one.trim().trim_start_matches("W/") == etag);
    let mut response = match (same, form) {
        (true, _) => StatusCode::NOT_MODIFIED.into_response(),
        (false, Form::Svg) => ([(header::CONTENT_TYPE, "image/svg+xml")], bytes).into_response(),
        (false, Form::Png) => ([(header::CONTENT_TYPE, "image/png")], bytes).into_response(),
    };
    let more = response.headers_mut();
    more.insert(header::CACHE_CONTROL, HeaderValue::from_static(kept));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        more.insert(header::ETAG, etag);
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

/// The series around the episode, several times its length, and more where there is little to show.
async fn around(gateway: &Gateway, pass: &WorkspacePass, anomaly: &Anomaly) -> Result<(Vec<Point>, i64, i64), Problem> {
    let length = anomaly.last_at_ms.saturating_sub(anomaly.opened_at_ms).max(0);
    let mut around_ms = length.saturating_mul(4).clamp(LEAST_AROUND_MS, MOST_AROUND_MS);
    let now_ms = gateway.clock.now_ms().max(anomaly.last_at_ms);
    loop {
        let from_ms = anomaly.opened_at_ms.saturating_sub(around_ms).max(0);
        let to_ms = anomaly.last_at_ms.saturating_add(around_ms).min(now_ms).max(from_ms) + 1;
        let query = SeriesQuery { kpi: anomaly.kpi.clone(), labels: anomaly.labels.clone(), from_ms, to_ms };
        let rows = gateway.series_store.samples(pass, &query, PICTURE_ROWS).await?;
        let rows = rows.into_iter().find(|series| series.labels == anomaly.labels);
        let known = rows.as_ref().map_or(0, |series| series.rows.len());
        if known < PICTURE_ENOUGH && around_ms < MOST_AROUND_MS {
            around_ms = around_ms.saturating_mul(6).min(MOST_AROUND_MS);
            continue;
        }
        let points = match rows {
            Some(series) if series.truncated => steps(gateway, pass, &query).await?,
            Some(series) => series.rows.iter().map(point).collect(),
            None => Vec::new(),
        };
        return Ok((points, from_ms, to_ms));
    }
}

fn point(row: &earcon_ports::SampleRow) -> Point {
    let (low, high) = (row.value, row.value);
    Point { at_ms: row.timestamp_ms, low, high, expected: row.expected, lower: row.lower, upper: row.upper }
}

/// A long time in steps; what was expected is known of samples only.
async fn steps(gateway: &Gateway, pass: &WorkspacePass, query: &SeriesQuery) -> Result<Vec<Point>, Problem> {
    let step_ms = ((query.to_ms - query.from_ms) / PICTURE_STEPS).max(1_000);
    let found = gateway.series_store.rollups(pass, query, step_ms).await?;
    let series = found.into_iter().find(|series| series.labels == query.labels);
    let nothing = f64::NAN;
    let point = |rollup: &earcon_ports::Rollup| Point {
        at_ms: rollup.start_ms + step_ms / 2,
        low: rollup.min,
        high: rollup.max,
        expected: nothing,
        lower: nothing,
        upper: nothing,
    };
    Ok(series.map_or_else(Vec::new, |series| series.rows.iter().map(point).collect()))
}

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new().routes(routes!(one)).routes(routes!(as_svg)).routes(routes!(as_png))
}
