//! A chart of the time around an anomaly, as SVG or PNG.

use super::{AnomalyError, AnomalyService};
use crate::explain::picture::{PictureData, Point, Size, Theme, lay_out, png, svg};
use crate::live::sentence::finding;
use earcon_model::Anomaly;
use earcon_ports::{PortError, Rollup, SampleRow, SeriesQuery};
use earcon_tenancy::WorkspacePass;

/// Rows that are drawn one by one; more are drawn in steps.
const MOST_ROWS: usize = 6_000;
/// Steps of a chart with more rows.
const STEPS: i64 = 1_200;
/// A chart with fewer rows than this shows a longer time.
const ENOUGH_ROWS: usize = 60;
/// The time shown on either side of the anomaly, at least and at most.
const LEAST_AROUND_MS: i64 = 300_000;
const MOST_AROUND_MS: i64 = 28 * 86_400_000;

/// What a chart is encoded as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartFormat {
    /// SVG text.
    Svg,
    /// A PNG image.
    Png,
}

/// How a chart looks.
#[derive(Debug, Clone, Copy)]
pub struct ChartStyle {
    /// In pixels.
    pub size: Size,
    /// Colours.
    pub theme: Theme,
    /// The encoding.
    pub format: ChartFormat,
}

/// A chart that was drawn.
#[derive(Debug, Clone)]
pub struct Chart {
    /// The encoded chart.
    pub bytes: Vec<u8>,
    /// Whether it will change because the anomaly is still open.
    pub will_change: bool,
}

/// The series around an anomaly.
struct Surroundings {
    points: Vec<Point>,
    from_ms: i64,
    to_ms: i64,
}

impl AnomalyService {
    /// Draws the series around an anomaly.
    ///
    /// # Errors
    /// If the history or the drawing fails.
    pub async fn chart(
        &self,
        pass: &WorkspacePass,
        anomaly: &Anomaly,
        style: ChartStyle,
    ) -> Result<Chart, AnomalyError> {
        let Surroundings { points, from_ms, to_ms } = self.surroundings(pass, anomaly).await?;
        let will_change = anomaly.closed_at_ms.is_none();
        let (local, anomaly) = (self.local_times.of_workspace(pass.workspace()), anomaly.clone());
        let turn = self.drawing.clone().acquire_owned().await;
        // Drawing takes some milliseconds of one processor.
        let draw = move || {
            let _turn = turn;
            let local_ms = |at_ms| local.local_ms(at_ms);
            let (anomaly, points, zone) = (&anomaly, &points[..], local.name());
            let finding = &finding(anomaly);
            let data = PictureData { anomaly, finding, points, from_ms, to_ms, local_ms: &local_ms, zone };
            let scene = lay_out(&data, style.size);
            match style.format {
                ChartFormat::Svg => Some(svg(&scene, style.theme).into_bytes()),
                ChartFormat::Png => png(&scene, style.theme),
            }
        };
        let drawn = tokio::task::spawn_blocking(draw).await.ok().flatten();
        Ok(Chart { bytes: drawn.ok_or(AnomalyError::NotDrawn)?, will_change })
    }

    /// Several times the length of the anomaly on either side, and more if there are few rows.
    async fn surroundings(&self, pass: &WorkspacePass, anomaly: &Anomaly) -> Result<Surroundings, PortError> {
        let length = anomaly.last_at_ms.saturating_sub(anomaly.opened_at_ms).max(0);
        let mut around_ms = length.saturating_mul(4).clamp(LEAST_AROUND_MS, MOST_AROUND_MS);
        let now_ms = self.clock.now_ms().max(anomaly.last_at_ms);
        loop {
            let from_ms = anomaly.opened_at_ms.saturating_sub(around_ms).max(0);
            let to_ms = anomaly.last_at_ms.saturating_add(around_ms).min(now_ms).max(from_ms) + 1;
            let query = SeriesQuery { kpi: anomaly.kpi.clone(), labels: anomaly.labels.clone(), from_ms, to_ms };
            let rows = self.history.samples(pass, &query, MOST_ROWS).await?;
            let rows = rows.into_iter().find(|series| series.labels == anomaly.labels);
            let known = rows.as_ref().map_or(0, |series| series.rows.len());
            if known < ENOUGH_ROWS && around_ms < MOST_AROUND_MS {
                around_ms = around_ms.saturating_mul(6).min(MOST_AROUND_MS);
                continue;
            }
            let points = match rows {
                Some(series) if series.truncated => self.steps(pass, &query).await?,
                Some(series) => series.rows.iter().map(point_of_row).collect(),
                None => Vec::new(),
            };
            return Ok(Surroundings { points, from_ms, to_ms });
        }
    }

    /// A long time in steps. Expected values are known of single samples only.
    async fn steps(&self, pass: &WorkspacePass, query: &SeriesQuery) -> Result<Vec<Point>, PortError> {
        let step_ms = ((query.to_ms - query.from_ms) / STEPS).max(1_000);
        let found = self.history.rollups(pass, query, step_ms).await?;
        let series = found.into_iter().find(|series| series.labels == query.labels);
        let rows = series.map_or_else(Vec::new, |series| series.rows);
        Ok(rows.iter().map(|rollup| point_of_rollup(rollup, step_ms)).collect())
    }
}

fn point_of_row(row: &SampleRow) -> Point {
    let (low, high) = (row.value, row.value);
    Point { at_ms: row.timestamp_ms, low, high, expected: row.expected, lower: row.lower, upper: row.upper }
}

fn point_of_rollup(rollup: &Rollup, step_ms: i64) -> Point {
    let unknown = f64::NAN;
    Point {
        at_ms: rollup.start_ms + step_ms / 2,
        low: rollup.min,
        high: rollup.max,
        expected: unknown,
        lower: unknown,
        upper: unknown,
    }
}
