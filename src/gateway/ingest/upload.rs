//! `POST …/kpis/upload`: a CSV file or an xlsx workbook as the body, read as `earcon replay` reads it.
//!
//! The file is kept aside until it is there whole: what is too large is refused before anything of it was taken, and clients
//! that read no answer before they have sent everything (browsers do not) see the progress. Then rows go in through the same
//! door as every request, batch by batch, and the answer tells line by line how far that is. Whoever stops reading it stops
//! the import.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use utoipa::IntoParams;

use super::http::essence;
use crate::actors::ingest::Receipt;
use crate::gateway::http::auth::Authorized;
use crate::gateway::http::problem::{Kind, Problem};
use crate::gateway::http::query::{Params, bad, kpi};
use crate::gateway::http::state::Gateway;
use crate::live::wire::to_json;
use crate::sources::batcher::Batcher;
use crate::sources::chunks::{Portion, TableError, read_ahead};
use crate::sources::csv::{Naming, name_from};
use crate::sources::xlsx::is_sheet;
use crate::sources::{SourceSample, by_kpi};
use earcon_model::{Arrival, KpiName};
use earcon_tenancy::WorkspacePass;

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// Samples committed together.
const BATCH: usize = 5_000;
/// Files that are imported at once.
const AT_ONCE: usize = 4;
/// Lines of progress that wait for a slow reader; further ones are left out.
const LINES: usize = 16;
/// Problems that the last line lists; all are counted.
const LISTED: usize = 100;
/// How long a batch waits for a door that is closed before the import is given up.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);

/// A client that does not read the last line for so long does not want it.
const LAST_LINE: Duration = Duration::from_secs(30);

/// Bounds the files that are imported at once.
#[derive(Clone)]
pub struct Imports(Arc<Semaphore>);

impl Default for Imports {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct UploadParams {
    /// The KPI of the only value column, or the prefix of several; without it, columns and rows name them.
    kpi: Option<String>,
    /// The file's name: says what it is when the content type does not, and names a KPI that has no other name.
    name: Option<String>,
    /// The samples are history: they train the baseline, and nobody is alerted by them.
    #[serde(default)]
    backfill: bool,
}

/// A line of the answer.
#[derive(Debug, Clone, Default, Serialize)]
struct Tally {
    /// On the last line only.
    done: bool,
    /// Rows of the table read.
    rows: u64,
    accepted: u64,
    late: u64,
    /// Samples the server did not take.
    rejected: u64,
    /// Rows and cells that could not be read.
    skipped: u64,
    bytes: u64,
    seq: u64,
    epoch: String,
    /// Columns that are not used.
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
    /// The first hundred problems, on the last line.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
    /// Why the import ended before the end of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Imports a file.
#[utoipa::path(post, path = "/api/v1/workspaces/{workspace}/kpis/upload", tag = "ingest",
    params(("workspace" = String, Path), UploadParams),
    request_body(content((String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
    responses(
        (status = 200, description = "progress, a JSON object a line; the last one has done: true", content_type = "application/x-ndjson", body = String),
        (status = 400, description = "not a table with times and numbers"),
        (status = 413, description = "too many bytes"),
        (status = 415, description = "another kind of file"),
        (status = 429, description = "too many imports at once")))]
pub(crate) async fn upload(
    State(gateway): State<Gateway>,
    authorized: Authorized,
    Params(params): Params<UploadParams>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let name = params.name.unwrap_or_default();
    let workbook = is_workbook(&headers, &name)?;
    let naming = Naming {
        kpi: params.kpi.as_deref().filter(|name| !name.is_empty()).map(kpi).transpose()?,
        fallback: fallback(&name),
    };
    let permit = gateway.imports.0.clone().try_acquire_owned().map_err(|_| {
        Problem::new(Kind::Overloaded, format!("{AT_ONCE} files are being imported already; try again in a moment"))
    })?;
    let file = keep(body, gateway.limits.max_upload_bytes).await?;
    let (mut portions, reader) =
        read_ahead(file, workbook, naming, Batcher::new(BATCH.min(gateway.limits.max_batch_samples), 0.0));
    // What is no table at all is refused as a whole.
    let Some(first) = portions.recv().await else { return Err(unreadable(reader).await) };
    let (lines, answer) = mpsc::channel(LINES);
    let arrival = if params.backfill { Arrival::Backfill } else { Arrival::Live };
    let import = Import { gateway, pass: authorized.pass().clone(), arrival, tally: Tally::default(), lines };
    tokio::spawn(async move {
        import.run(first, portions, reader).await;
        drop(permit);
    });
    let answer = futures_util::stream::unfold(answer, |mut answer| async move {
        answer.recv().await.map(|line: Bytes| (Ok::<_, std::convert::Infallible>(line), answer))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(answer)).into_response())
}

fn is_workbook(headers: &HeaderMap, name: &str) -> Result<bool, Problem> {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(essence);
    match sent.unwrap_or_default() {
        XLSX => Ok(true),
        // What browsers on machines with a spreadsheet program call CSV.
        "text/csv" | "application/csv" | "text/plain" => Ok(false),
        "" | "application/octet-stream" | "application/vnd.ms-excel" => Ok(is_sheet(name)),
        other => {
            let detail = format!("send text/csv or {XLSX}, not {other:?}");
            Err(Problem::new(Kind::UnsupportedMediaType, detail))
        }
    }
}

fn fallback(name: &str) -> KpiName {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    name_from(if stem.is_empty() { "upload" } else { stem })
}

/// Keeps the body in a file that is gone when it is closed.
async fn keep(body: Body, most: u64) -> Result<File, Problem> {
    let failed = |error: std::io::Error| {
        tracing::error!(%error, "an uploaded file cannot be kept");
        Problem::new(Kind::Unavailable, "the file cannot be kept here right now; see the server's log")
    };
    let file = tokio::task::spawn_blocking(tempfile::tempfile).await;
    let file = file.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(failed)?;
    let mut file = tokio::fs::File::from_std(file);
    let mut chunks = body.into_data_stream();
    let mut size = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| bad(&format!("the file did not arrive whole: {error}")))?;
        size += chunk.len() as u64;
        if size > most {
            let detail = format!("a file may have at most {} MiB; cut it, or use `earcon backfill`", most >> 20);
            return Err(Problem::new(Kind::TooLarge, detail));
        }
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)?;
    let mut file = file.into_std().await;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    Ok(file)
}

async fn unreadable(reader: JoinHandle<Result<(), TableError>>) -> Problem {
    match reader.await {
        Ok(Err(error)) => bad(&error.to_string()),
        Ok(Ok(())) => bad("the file holds no rows"),
        Err(_) => Problem::new(Kind::Internal, "the file could not be read; see the server's log"),
    }
}

struct Import {
    gateway: Gateway,
    pass: WorkspacePass,
    arrival: Arrival,
    tally: Tally,
    lines: mpsc::Sender<Bytes>,
}

impl Import {
    async fn run(
        mut self,
        first: Portion,
        mut portions: mpsc::Receiver<Portion>,
        reader: JoinHandle<Result<(), TableError>>,
    ) {
        let mut next = Some(first);
        while let Some(portion) = next {
            if let Err(error) = self.take(portion).await {
                self.tally.error = Some(error);
                break;
            }
            if self.lines.is_closed() {
                return;
            }
            let _slow_reader =
                self.lines.try_send(line(&Tally { problems: Vec::new(), ..self.tally.clone() })).is_err();
            next = portions.recv().await;
        }
        // The reader ends when nobody takes what it reads.
        drop(portions);
        match reader.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.tally.error = self.tally.error.take().or(Some(error.to_string())),
            Err(error) => {
                tracing::error!(%error, "reading an uploaded file failed");
                self.tally.error = Some("the file could not be read; see the server's log".into());
            }
        }
        self.tally.done = true;
        let _gone = timeout(LAST_LINE, self.lines.send(line(&self.tally))).await.is_err();
    }

    async fn take(&mut self, portion: Portion) -> Result<(), String> {
        let Portion { samples, problems, warning, rows, bytes_read } = portion;
        self.tally.rows += rows;
        self.tally.bytes = bytes_read;
        self.tally.warning = self.tally.warning.take().or(warning);
        self.tally.skipped += problems.len() as u64;
        problems.iter().for_each(|problem| self.complain(problem.to_string()));
        if samples.is_empty() {
            return Ok(());
        }
        let (receipt, epoch) = self.commit(&samples).await?;
        self.tally.accepted += receipt.accepted;
        self.tally.late += receipt.late;
        self.tally.rejected += receipt.rejected.len() as u64;
        self.tally.seq = self.tally.seq.max(receipt.seq);
        self.tally.epoch = epoch;
        for rejected in receipt.rejected {
            if let Some(SourceSample { kpi, labels, sample }) = samples.get(rejected.row as usize) {
                self.complain(format!("{kpi}{{{labels}}} at {}: {}", sample.timestamp_ms, rejected.error));
            }
        }
        Ok(())
    }

    fn complain(&mut self, problem: String) {
        if self.tally.problems.len() < LISTED {
            self.tally.problems.push(problem);
        }
    }

    /// Waits while the door is closed: an import is in no hurry.
    async fn commit(&self, samples: &[SourceSample]) -> Result<(Receipt, String), String> {
        let batches = by_kpi(samples.to_vec());
        let deadline = Instant::now() + PATIENCE;
        loop {
            let late = Instant::now() >= deadline;
            match self.gateway.directory.ingest(&self.pass, batches.clone(), self.arrival).await {
                Ok((receipt, epoch)) if receipt.failed == 0 => return Ok((receipt, epoch)),
                Ok((receipt, _)) if late => return Err(format!("{} samples were not committed", receipt.failed)),
                Err(error) if late || !error.may_pass() => return Err(error.to_string()),
                Ok(_) | Err(_) => {}
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.gateway.shutting_down() => return Err("the server is shutting down; send the file again".into()),
            }
        }
    }
}

fn line(tally: &Tally) -> Bytes {
    let mut line = to_json(tally);
    line.push('\n');
    line.into()
}
