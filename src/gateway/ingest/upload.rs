//! `POST …/kpis/upload`: a CSV file, also as `.csv.gz`, or an xlsx workbook as the body, read as
//! `earcon replay` reads it.
//!
//! The body is first stored in a temporary file, for two reasons. A file that is too large is
//! refused before any row was taken. And clients that read no answer before they have sent
//! everything, such as browsers, see the progress. Then the rows are committed batch by batch, and
//! each line of the answer says how far the import is. It stops if the client stops reading.

mod import;
mod preview;

use std::fs::File;
use std::io::{Seek, SeekFrom};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use jiff::tz::TimeZone;
use serde::Deserialize;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::parse::check_workspace;
use super::state::IngestState;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::body::fault;
use crate::gateway::http::media_type::MediaType;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::query::{Params, bad, kpi};
use crate::gateway::http::reply::X_ACCEL_BUFFERING;
use crate::gateway::http::room::Reservation;
use crate::sources::admissible::{SampleTimes, WouldRefuse, would_refuse};
use crate::sources::batcher::Batcher;
use crate::sources::chunks::{FileError, Portion, Preview, SENT_TOGETHER, any_sample, join, preview, read_ahead};
use earcon_model::{Arrival, KpiName};
use earcon_tables::xlsx::is_sheet;
use earcon_tables::{SourceSample, TableError, TableOptions, name_of_file};
use import::Import;
use preview::PreviewAnswer;

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// Lines of progress that wait for a slow reader; further ones are left out.
const LINES: usize = 16;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct UploadParams {
    /// The KPI of the only value column, or the prefix of several; without it, columns and rows
    /// name them.
    kpi: Option<String>,
    /// The file's name. It gives the type if the content type does not, and names a KPI without
    /// another name.
    name: Option<String>,
    /// The samples are history: they train the baseline and raise no alerts.
    #[serde(default)]
    backfill: bool,
    /// The form of times, if the first rows leave it open: `iso`, `day_first`, `month_first`,
    /// `compact`, `seconds`, `milliseconds`, `microseconds`, `nanoseconds` or `excel`.
    time_format: Option<String>,
    /// The decimal sign, if the first rows leave it open: `point` or `comma`.
    decimal: Option<String>,
    /// The zone of times that do not say one, such as `Europe/Berlin`; UTC without it.
    time_zone: Option<String>,
    /// The names of columns of numbers, with commas between. Each is a KPI, also if it is empty in
    /// the first rows.
    values: Option<String>,
    /// Takes nothing, and answers what would become of the first hundred rows.
    #[serde(default)]
    dry_run: bool,
    /// With `dry_run`: the body is the beginning of a larger file, so that a sample that would be
    /// accepted may follow.
    #[serde(default)]
    beginning: bool,
}

impl UploadParams {
    fn options(&self) -> Result<TableOptions, Problem> {
        let stated = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let zone = |name: String| TimeZone::get(&name).map_err(|_| bad(&format!("there is no time zone {name:?}")));
        Ok(TableOptions {
            kpi: self.kpi.as_deref().filter(|name| !name.is_empty()).map(kpi).transpose()?,
            fallback: fallback(self.name.as_deref().unwrap_or_default()),
            time_format: stated(&self.time_format).map(|text| text.parse()).transpose().map_err(|e: String| bad(&e))?,
            decimal: stated(&self.decimal).map(|text| text.parse()).transpose().map_err(|e: String| bad(&e))?,
            time_zone: stated(&self.time_zone).map(zone).transpose()?,
            values: columns(self.values.as_deref().unwrap_or_default()),
        })
    }
}

/// The names in a list with commas between.
fn columns(list: &str) -> Vec<String> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The routes of this topic.
pub(crate) fn routes() -> OpenApiRouter<IngestState> {
    OpenApiRouter::new().routes(routes!(upload))
}

/// Imports a file.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/kpis/upload", tag = "ingest",
    params(("workspace" = String, Path), UploadParams),
    request_body(content((String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
    responses(
        (status = 200, description = "progress, a JSON object a line; the last one has done: true. With dry_run, one object: what would become of the file", content((String = "application/x-ndjson"), (serde_json::Value = "application/json"))),
        (status = 400, description = "not a table with times and numbers, or no sample of it was accepted"),
        (status = 413, description = "too many bytes"),
        (status = 415, description = "another kind of file"),
        (status = 429, description = "too many imports at once")))]
pub(crate) async fn upload(
    State(state): State<IngestState>,
    authorized: Authorized,
    Params(params): Params<UploadParams>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    check_workspace(&state, authorized.pass()).await?;
    let workbook = is_workbook(&headers, params.name.as_deref().unwrap_or_default())?;
    let options = params.options()?;
    let mut held = state.imports.arriving();
    let file = store(body, state.max_upload_bytes, &mut held).await?;
    // The place is taken when the body is there, so that no slow client keeps one.
    let permit = state.imports.admit()?;
    if params.dry_run {
        return dry_run(&state, file, workbook, options, params.beginning).await;
    }
    let most_bytes = state.max_upload_bytes;
    let batcher = Batcher::new(SENT_TOGETHER.min(state.max_batch_samples), 0.0);
    let (mut portions, reader) = read_ahead(file, workbook, most_bytes, options, batcher);
    // A file that is no table, or holds no sample, is refused as a whole.
    let Some(first) = first_samples(&mut portions).await? else { return Err(unreadable(reader).await) };
    let (lines, answer) = mpsc::channel(LINES);
    let arrival = if params.backfill { Arrival::Backfill } else { Arrival::Live };
    let (import, beginning) = Import::new(state, authorized.pass().clone(), arrival, lines);
    tokio::spawn(async move {
        import.run(first, portions, reader).await;
        drop((permit, held));
    });
    // A file without a sample that is accepted gets no 200.
    beginning.await.unwrap_or_else(|_ended| Err(Problem::new(Kind::Internal, "the import ended early")))?;
    let answer = futures_util::stream::unfold(answer, |mut answer| async move {
        answer.recv().await.map(|line: Bytes| (Ok::<_, std::convert::Infallible>(line), answer))
    });
    // A proxy must not hold the lines back.
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (X_ACCEL_BUFFERING, "no")];
    Ok((headers, Body::from_stream(answer)).into_response())
}

/// The portions up to the first sample, as one. `None` if the file cannot be read.
async fn first_samples(portions: &mut mpsc::Receiver<Portion>) -> Result<Option<Portion>, Problem> {
    let Some(mut first) = portions.recv().await else { return Ok(None) };
    while first.samples.is_empty() {
        let Some(next) = portions.recv().await else {
            let reason =
                first.problems.first().first().map_or_else(|| "it has no rows".to_owned(), ToString::to_string);
            return Err(bad(&format!("the file holds no sample that can be taken: {reason}")));
        };
        first.problems.append(next.problems);
        first.rows += next.rows;
        first.replaced += next.replaced;
        (first.samples, first.bytes_read) = (next.samples, next.bytes_read);
        first.warning = join(first.warning, next.warning);
    }
    Ok(Some(first))
}

async fn dry_run(
    state: &IngestState,
    file: File,
    workbook: bool,
    options: TableOptions,
    beginning: bool,
) -> Result<Response, Problem> {
    let (times, now_ms) = (state.times.clone(), state.clock.now_ms());
    let trial = tokio::task::spawn_blocking(move || try_out(file, workbook, &options, &times, now_ms)).await;
    let trial = trial.map_err(|_| Problem::new(Kind::Internal, "the file could not be read; see the server's log"))?;
    let Trial { preview, refused, any_good } = trial.map_err(|error| bad(&error.to_string()))?;
    if any_good || beginning {
        return Ok(axum::Json(PreviewAnswer::new(preview, refused)).into_response());
    }
    let problems: Vec<String> = preview.problems.first().iter().map(ToString::to_string).collect();
    let reason = refused.reasons.first().or(problems.first()).cloned().unwrap_or_else(|| "it holds none".to_owned());
    let problem = Problem::new(Kind::NothingAccepted, format!("no sample of the file would be accepted: {reason}"));
    Err(problem.with("skipped", preview.problems.total().into()).with("problems", problems.into()))
}

/// What would become of a file.
struct Trial {
    preview: Preview,
    refused: WouldRefuse,
    /// Whether a sample of the file, also below the first rows, would be accepted.
    any_good: bool,
}

/// Reads the first rows of a file, and all until a sample that would be accepted. Blocks.
fn try_out(
    file: File,
    workbook: bool,
    options: &TableOptions,
    times: &SampleTimes,
    now_ms: i64,
) -> Result<Trial, FileError> {
    let mut again = file.try_clone().map_err(TableError::Io)?;
    let preview = preview(file, workbook, options)?;
    let refused = would_refuse(&preview.samples, times, now_ms);
    let mut any_good = refused.count < preview.samples.len();
    if !any_good {
        again.seek(SeekFrom::Start(0)).map_err(TableError::Io)?;
        let good = |sample: &SourceSample| would_refuse(std::slice::from_ref(sample), times, now_ms).count == 0;
        any_good = any_sample(again, workbook, options, good)?;
    }
    Ok(Trial { preview, refused, any_good })
}

fn is_workbook(headers: &HeaderMap, name: &str) -> Result<bool, Problem> {
    let sent = MediaType::of(headers);
    match sent.as_ref().map_or("", MediaType::essence) {
        XLSX => Ok(true),
        "text/csv" | "application/csv" | "text/plain" | "application/gzip" | "application/x-gzip" => Ok(false),
        // Browsers on machines with a spreadsheet program send the last of these for CSV.
        "" | "application/octet-stream" | "application/vnd.ms-excel" => Ok(is_sheet(name)),
        other => {
            let detail = format!("send text/csv or {XLSX}, not {other:?}");
            Err(Problem::new(Kind::UnsupportedMediaType, detail))
        }
    }
}

fn fallback(name: &str) -> KpiName {
    name_of_file(if name.is_empty() { "upload" } else { name })
}

/// Stores the body in a file that is deleted when it is closed.
async fn store(body: Body, most: u64, held: &mut Reservation) -> Result<File, Problem> {
    let failed = |error: std::io::Error| {
        tracing::error!(%error, "an uploaded file cannot be stored");
        Problem::new(Kind::Unavailable, "the file cannot be stored right now; see the server's log")
    };
    let file = tokio::task::spawn_blocking(tempfile::tempfile).await;
    let file = file.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(failed)?;
    let mut file = tokio::fs::File::from_std(file);
    let mut chunks = body.into_data_stream();
    let mut size = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(fault)?;
        size += chunk.len() as u64;
        if size > most {
            let detail = format!("a file may have at most {} MiB; cut it, or use `earcon backfill`", most >> 20);
            return Err(Problem::new(Kind::TooLarge, detail));
        }
        if !held.grow(chunk.len()) {
            let detail = "too many files are being sent at once; try again in a moment";
            return Err(Problem::new(Kind::Unavailable, detail));
        }
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    let mut file = file.into_std().await;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    Ok(file)
}

async fn unreadable(reader: JoinHandle<Result<(), FileError>>) -> Problem {
    match reader.await {
        Ok(Err(error)) => bad(&error.to_string()),
        Ok(Ok(())) => bad("the file holds no rows"),
        Err(_) => Problem::new(Kind::Internal, "the file could not be read; see the server's log"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use earcon_tables::name_from;

    #[tokio::test]
    async fn bad_rows_before_the_first_samples_are_counted_and_the_first_hundred_kept() {
        let mut file = tempfile::tempfile().unwrap();
        let good: String = (1..=100).map(|time| format!("{time},1\n")).collect();
        file.write_all(format!("time,value\n{good}{}", "x,\n".repeat(20_000)).as_bytes()).unwrap();
        file.rewind().unwrap();
        let options = TableOptions::new(name_from("doors"));
        let (mut portions, _reader) = read_ahead(file, false, 1 << 20, options, Batcher::new(SENT_TOGETHER, 0.0));
        let first = first_samples(&mut portions).await.ok().flatten().unwrap();
        assert_eq!((first.samples.len(), first.rows), (100, 20_100));
        assert_eq!((first.problems.total(), first.problems.first().len()), (20_000, 100));
    }
}
